"""Plans of a ladder, before anything is sent."""
