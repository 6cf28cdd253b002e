"""Record of market and own orders over time, in a file beside the ledger that never stops the maker."""
