"""The grids of one account: what each draws, shows, and owes to the others."""
