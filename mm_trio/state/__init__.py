"""The maker's knowledge: orders, fills, balances, budget. Pure: no clock, no I/O."""
