"""Durable ledger: written ahead of every send, replayed, audited."""
