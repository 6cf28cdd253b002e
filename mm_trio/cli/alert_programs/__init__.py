"""Alerts beside a maker or a guard, and the commands that try and send them."""
