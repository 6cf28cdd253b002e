"""Change of a configuration while its maker runs."""
