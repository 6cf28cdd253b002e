"""Deterministic simulation: the real maker on a virtual clock, among faults, judged by an oracle of its own."""
