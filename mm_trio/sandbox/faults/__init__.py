"""Faults on demand: plans, dice, and the layers that carry them out."""
