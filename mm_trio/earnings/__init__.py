"""What a ladder earned, and why: exact sums of fills, fees, transfers and marks. Pure."""
