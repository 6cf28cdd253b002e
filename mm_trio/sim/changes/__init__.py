"""Changes of the configuration that an operator makes while the makers of a seed run."""
