"""What a maker leaves for a process that cancels its orders once it is dead, and that process."""
