"""Exchange core without clock and I/O."""
