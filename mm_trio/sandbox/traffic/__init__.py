"""Takers: seeded at random, or replayed from a tape."""
