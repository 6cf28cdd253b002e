"""What liquidity was there, second by second, and the certificate that says so. Pure."""
