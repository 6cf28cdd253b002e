"""What the screen shows, in words for whoever sees it for the first time."""

from __future__ import annotations

from mm_trio.terminal_ui.render import ALERT, BAD, DIM, GOOD, PLAIN, TITLE, Line

__all__ = ["draw_explanation"]

# Fits 60 columns and 13 lines, the middle of a small terminal.
_ROWS = (
    ("ask, bid", PLAIN, "a level where we sell, where we buy"),
    ("boundary", TITLE, "the lowest ask; only the inventory moves it"),
    ("━━━━╸", PLAIN, "what rests, as a part of a whole order"),
    ("╌╌╌╌╌", DIM, "an order that is due or on its way"),
    ("·", DIM, "a level without an order"),
    ("in doubt", BAD, "fate not known yet; the level is locked"),
    ("account", DIM, "the balances; above it what we may use"),
    ("lasts", DIM, "until the budget is used up, at this pace"),
    ("● quoting", GOOD, "all is well"),
    ("● paused", BAD, "nothing is placed; what rests can trade"),
    ("● cancel only", ALERT, "no budget: only cancels are sent"),
)
_NAME_WIDTH = max(len(name) for name, _, _ in _ROWS)


def draw_explanation() -> list[Line]:
    """Draw what is on the screen, a line for each."""
    rows = [((f" {name:<{_NAME_WIDTH}} ", style), (words, PLAIN)) for name, style, words in _ROWS]
    return [((" THE SCREEN", TITLE), ("  press ? again to go back", DIM)), *rows]
