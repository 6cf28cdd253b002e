"""Configuration of the operator, checked and complete."""
