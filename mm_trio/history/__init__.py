"""Facts read from ledger and record: fills, movements, sessions, prices, requests."""
