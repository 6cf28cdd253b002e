"""Tasks of a running maker, and their steps."""
