"""Worlds, episodes and campaigns of seeds."""
