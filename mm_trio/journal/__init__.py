"""The durable ledger: written ahead, replayed, audited."""
