"""Change of a ladder that rests, tick by tick. Pure."""
