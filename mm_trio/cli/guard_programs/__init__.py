"""Program of the guard, which cancels for a maker that is dead."""
