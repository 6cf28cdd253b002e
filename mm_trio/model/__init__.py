"""Immutable values that all other folders share."""
