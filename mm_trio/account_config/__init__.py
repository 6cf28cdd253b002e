"""Configuration of one account with several grids, checked and complete."""
