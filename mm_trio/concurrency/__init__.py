"""Two pieces of trio that know nothing of trading."""
