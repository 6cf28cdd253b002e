"""Lines of the log: how they are written, and the file that keeps them."""
