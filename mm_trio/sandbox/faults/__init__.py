"""Faults on demand: plans, dice, and layers that inject them."""
