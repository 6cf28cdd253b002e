"""Everyone who acts in a simulated world."""
