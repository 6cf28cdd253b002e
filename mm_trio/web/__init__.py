"""Web server beside a maker, and what it answers."""
