"""Programs that make and check a certificate of liquidity."""
