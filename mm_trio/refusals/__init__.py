"""Memory of what the venue refused, and pauses that follow from it, without I/O."""
