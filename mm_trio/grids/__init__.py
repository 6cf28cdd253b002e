"""What one grid does: how it starts, is settled, and ends, and how it tells of that."""
