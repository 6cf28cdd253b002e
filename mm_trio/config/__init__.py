"""The operator's configuration, checked and complete."""
