"""Programs of the ledger commands."""
