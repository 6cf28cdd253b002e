"""Pieces of trio that know nothing of trading."""
