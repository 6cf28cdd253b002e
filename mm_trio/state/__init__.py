"""Knowledge of the maker: orders, fills, balances, budget.

Pure: no clock, no I/O.
"""
