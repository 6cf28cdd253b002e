"""The rules of what should rest, and of what is safe to send. Pure: no clock, no I/O."""
