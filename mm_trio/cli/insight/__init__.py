"""Commands that tell what a maker did and earned, and prove it."""
