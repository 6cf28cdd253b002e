"""Simulated takers, random by seed or replayed from fills."""
