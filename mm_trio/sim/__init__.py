"""Deterministic simulation of the real maker under faults.

It runs on a virtual clock and a seeded schedule, and an oracle of its own judges it.
"""
