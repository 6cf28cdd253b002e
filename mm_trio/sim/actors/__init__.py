"""Actors of a simulated world."""
