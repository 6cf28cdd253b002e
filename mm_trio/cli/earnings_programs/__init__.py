"""Programs that read ledger and record: earnings, reports, fills, orders, explanations."""
