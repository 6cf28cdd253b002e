"""Comparison of one source with a second one: clock, ledger, fills.

Pure: no clock, no I/O. Each function takes what both sources say and returns a verdict.
"""
