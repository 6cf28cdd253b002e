"""What the screen shows, in words for whoever sees it for the first time.

Every figure of the screen has a row under its name; a test compares both.
"""

from __future__ import annotations

from mm_trio.terminal_ui.render import ALERT, BAD, DIM, GOOD, PLAIN, STRONG, TITLE, Line

__all__ = ["EXPLAINED", "KEYS", "draw_explanation", "find_last_row"]

KEYS = "KEYS"
# Fits 60 columns, those of a small terminal.
_SECTIONS = (
    (
        "LADDER",
        (
            ("boundary", TITLE, "the lowest ask; only the inventory moves it"),
            ("spread", TITLE, "best ask over best bid of ours, in 0.01 %"),
            ("ask, bid", PLAIN, "a level where we sell, where we buy"),
            ("level", DIM, "its number, 0 is the lowest price"),
            ("price", PLAIN, "its price, in quote for one of base"),
            ("size", PLAIN, "what rests there, in base"),
            ("of", DIM, "the size of a whole order, in base"),
            ("━━━━╸", PLAIN, "what rests, as a part of a whole order"),
            ("╌╌╌╌╌", DIM, "an order that is due or on its way"),
            ("·", DIM, "a level without an order"),
            ("wanted", ALERT, "an order will be placed at the next tick"),
            ("changing", ALERT, "its size or price will be changed"),
            ("cancelling", ALERT, "it will be cancelled"),
            ("in flight", ALERT, "it was sent and is not answered yet"),
        ),
    ),
    (
        "HEAD LINE",
        (
            ("market", STRONG, "the pair, and the venue's name of it"),
            ("network", ALERT, "where it trades: sandbox, testnet, mainnet"),
            ("● quoting", GOOD, "all is well"),
            ("● in part", ALERT, "some of the ladder waits; the reason is shown"),
            ("● paused", BAD, "nothing is placed; what rests can trade"),
            ("● cancel only", ALERT, "no budget: only cancels are sent"),
            ("● starting", ALERT, "it reads what the venue knows"),
            ("in doubt", BAD, "orders whose fate is not known yet"),
            ("errors", BAD, "answers lost or wrong since the start"),
            ("up", DIM, "since when it runs, hours:minutes:seconds"),
        ),
    ),
    (
        "INVENTORY",
        (
            ("token", PLAIN, "base that it may use"),
            ("in quote", PLAIN, "what that is worth at the boundary"),
            ("quote", PLAIN, "quote that it may use"),
            ("worth", STRONG, "both together, in quote"),
            ("account", DIM, "the account's balances, base + quote"),
        ),
    ),
    (
        "BUDGET",
        (
            ("left", PLAIN, "requests that the venue still takes"),
            ("sent", PLAIN, "requests of this session"),
            ("per 1,000", PLAIN, "requests for 1,000 of quote filled"),
            ("lasts", PLAIN, "until the budget is used up, at this pace"),
        ),
    ),
    (
        "HEALTH",
        (
            ("asks, bids", DIM, "orders of ours that rest"),
            ("reconnects", PLAIN, "connections that had to be replaced"),
            ("reconciled", PLAIN, "comparisons with the venue's own record"),
            ("ticks", PLAIN, "rounds of planning and sending"),
            ("why", ALERT, "why it does not quote, or not all of it"),
        ),
    ),
    (
        "LAST FILLS",
        (
            ("since the start", DIM, "fills of this session, and their value"),
            ("ago", DIM, "how long ago it happened"),
            ("sold, bought", PLAIN, "what we did; size at price, level as above"),
            ("value", PLAIN, "size times price, in quote"),
            ("part", DIM, "some of the order still rests"),
        ),
    ),
    (
        "SEVERAL MARKETS",
        (
            ("quoting", GOOD, "how many of the markets quote"),
            ("budget", DIM, "requests left, of the whole account"),
            ("fills", PLAIN, "fills of this session"),
            ("holds", PLAIN, "base that it may use"),
        ),
    ),
    (
        KEYS,
        (
            ("p", TITLE, "pause: place nothing new, leave what rests"),
            ("r", TITLE, "resume: place again, after a question"),
            ("c", TITLE, "cancel all and place nothing, after a question"),
            ("enter, esc", TITLE, "one of several markets, all of them"),
            ("up, down", TITLE, "choose a market; move in this text"),
        ),
    ),
)
# The names of all rows, by section.
EXPLAINED = {title: tuple(name for name, _, _ in rows) for title, rows in _SECTIONS}
_NAME_WIDTH = max(len(name) for names in EXPLAINED.values() for name in names)
_ROWS: tuple[Line, ...] = tuple(
    line
    for title, rows in _SECTIONS
    for line in (
        ((f" {title}", TITLE),),
        *(((f" {name:<{_NAME_WIDTH}} ", style), (words, PLAIN)) for name, style, words in rows),
    )
)


def draw_explanation(*, first: int, height: int) -> list[Line]:
    """Draw what is on the screen, a line for each, from row `first` on as far as the height allows."""
    shown = _ROWS[first : first + max(1, height - 1)]
    where = f"  {first + 1} to {first + len(shown)} of {len(_ROWS)}; up, down: more; ? again to go back"
    return [((" THE SCREEN", TITLE), (where, DIM)), *shown]


def find_last_row(height: int) -> int:
    """Find the row that the last page of a height begins with."""
    return max(0, len(_ROWS) - max(1, height - 1))
