"""Commands that keep money safe: what to check before a start, and how to stop."""
