"""The exchange's words: commands, records, markets, limits."""
