"""Value types of the exchange: commands, records, markets, limits."""
