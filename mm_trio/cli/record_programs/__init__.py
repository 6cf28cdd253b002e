"""Program that records a market without a maker."""
