"""What of an account may be offered, and what others hold of it."""
