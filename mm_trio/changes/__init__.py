"""Change of a configuration that a running maker takes over."""
