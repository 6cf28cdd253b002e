"""Snapshot as lines of text, independent of the toolkit.

A line is a row of (text, style) pieces; styles are names of the theme, so that colours are chosen in one place.
"""

from __future__ import annotations

from decimal import Decimal
from math import inf
from typing import TypeAlias

from mm_trio.model.orders import Side
from mm_trio.views.values import AccountView, FillRow, GridRow, LadderRow, MakerView, State

__all__ = [
    "Figure",
    "Line",
    "draw_account_header",
    "draw_fills",
    "draw_header",
    "draw_ladder",
    "draw_list",
    "draw_side",
    "draw_small",
    "format_duration",
]

Line: TypeAlias = tuple[tuple[str, str], ...]

PLAIN, DIM, TITLE, STRONG = "", "$mm-dim", "bold $mm-title", "bold"
COLOURS: dict[Side, str] = {"sell": "$mm-ask", "buy": "$mm-bid"}
NAMES: dict[Side, str] = {"sell": "ask", "buy": "bid"}
ALERT, BAD, GOOD = "$mm-alert", "bold $mm-bad", "$mm-good"

SHORTEST_BAR, LONGEST_BAR = 5, 24  # Cells.
ROW_CELLS = 26  # Of a row without price, size and bar, with the longest status ("cancelling").
FEW_HOURS = 6.0  # Less than a night's sleep, so it is highlighted.
SIDE_WIDTH = 28  # Cells of the right column.
_BLANK: Line = ()


class Figure(str):
    """Text of a figure on the screen. Its name is the one by which the screen explains it."""

    __slots__ = ("name",)
    name: str

    def __new__(cls, name: str, text: str) -> Figure:
        """Make a text that has a name."""
        figure = super().__new__(cls, text)
        figure.name = name
        return figure


def format_duration(seconds: float) -> str:
    """Format a duration as `12 s`, `4 min` or `11 days`."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 100 * 3600 else f"{seconds / 86_400:.0f} days"


def draw_header(view: MakerView, *, width: int) -> list[Line]:
    """Draw the pair, the network, the maker's state and the uptime.

    A low terminal has no room for the health further down, so the state stands here too.
    """
    minutes, seconds = divmod(int(view.uptime_s), 60)
    left = [(" mm_trio", TITLE), (Figure("market", f"  {view.pair_name}"), STRONG)]
    left += [(Figure("market", f"  {view.coin}"), DIM)] if view.coin != view.pair_name else []
    left += [(Figure("network", f"  {view.title}"), ALERT)] if view.title else []
    left += [(f"  ● {view.health.state}", _find_style(view.health.state)), *_name_counts(view)]
    right = Figure("up", f"up {minutes // 60}:{minutes % 60:02}:{seconds:02} ")
    room = width - sum(len(text) for text, _ in left) - len(right)
    return [(*left, (" " * max(1, room), PLAIN), (right, DIM))]


def _name_counts(view: MakerView) -> list[tuple[str, str]]:
    """Name what is in doubt or went wrong."""
    health = view.health
    counts = ((health.doubts, "in doubt"), (health.errors, "errors"))
    return [(Figure(name, f", {n} {name}"), _find_style(health.state)) for n, name in counts if n]


def _find_style(state: State) -> str:
    return GOOD if state == "quoting" else BAD if state == "paused" else ALERT


# --- The ladder -------------------------------------------------------------------------------


def draw_ladder(view: MakerView, *, width: int, height: int) -> list[Line]:
    """Draw asks above and bids below the boundary.

    The boundary is in the middle line. There are as many levels as the height allows.
    """
    if view.boundary_price is None:
        return [_BLANK, ((" reading market, fills, orders and balances", DIM),)]
    n_levels = max(1, (height - 2) // 2)
    asks, bids = view.asks[:n_levels], view.bids[:n_levels]
    shown = (*reversed(asks), *bids)
    price_decimals = max((_count_decimals(row.price) for row in shown), default=2)
    prices = [f"{row.price:,.{price_decimals}f}" for row in shown]
    # A level without an order has no size, so its column stays blank.
    sizes = [f"{size:,.{view.size_decimals}f}" if (size := row.resting or row.wanted) else "" for row in shown]
    price_width, size_width = max(map(len, (*prices, "   price"))), max(map(len, (*sizes, "    size")))
    bar_cells = width - price_width - size_width - ROW_CELLS
    bar_cells = min(LONGEST_BAR, max(SHORTEST_BAR, bar_cells))
    lines = [
        _draw_row(row, f"{price:>{price_width}}", f"{size:>{size_width}}", bar_cells)
        for row, price, size in zip(shown, prices, sizes, strict=True)
    ]
    title = f"      level {'price':>{price_width}} {'size':>{size_width}}"
    heading: Line = ((title, DIM), (Figure("of", f"  of {view.order_size:f}"), DIM))
    n_resting = view.n_asks + view.n_bids
    if view.health.state == "paused" and view.health.why != "shutting down" and n_resting:
        words = f" paused: {n_resting} orders rest that cannot be managed now and can trade"
        heading = ((Figure("asks, bids", words), BAD),)
    blanks = [_BLANK] * (n_levels - len(asks))
    return [heading, *blanks, *lines[: len(asks)], _draw_boundary(view, width), *lines[len(asks) :]]


def _draw_row(row: LadderRow, price: str, size: str, bar_cells: int) -> Line:
    name, level, price = f"  {NAMES[row.side]}", Figure("level", f" {row.level_index:>5} "), Figure("price", price)
    if row.status == "free":
        return ((name, DIM), (level, DIM), (price, DIM), (Figure("size", f" {size}"), DIM), ("  ·", DIM))
    colour = COLOURS[row.side]
    if row.resting:
        bar, bar_style, price_style, size_style = _draw_bar(row.share, bar_cells), colour, colour, PLAIN
    else:
        bar, bar_style, price_style, size_style = "╌" * bar_cells, DIM, DIM, DIM
    status = () if row.status == "resting" else ((f" {row.status}", BAD if row.status == "in doubt" else ALERT),)
    return (
        (name, colour),
        (level, DIM),
        (price, price_style),
        (Figure("size", f" {size}  "), size_style),
        (f"{bar:<{bar_cells}}", bar_style),
        *status,
    )


def _draw_bar(share: float, cells: int) -> str:
    """Draw a bar that shows the smallest order too."""
    full, half = divmod(max(1, round(min(share, 1.0) * cells * 2)), 2)
    return "━" * full + "╸" * half


def _draw_boundary(view: MakerView, width: int) -> Line:
    boundary, spread = _name_boundary(view), _name_spread(view)
    room = max(0, width - len(boundary) - len(spread) - 8)
    return (("── ", DIM), (boundary, TITLE), (" · ", TITLE), (spread, TITLE), (" ", TITLE), ("─" * room, DIM))


def _name_boundary(view: MakerView) -> str:
    if view.boundary_price is None:
        return "no boundary yet"
    return Figure("boundary", f"boundary {view.boundary_level} at {view.boundary_price:,f}")


def _name_spread(view: MakerView) -> str:
    return "no spread" if view.spread_bps is None else Figure("spread", f"spread {view.spread_bps:.1f} bps")


def draw_small(view: MakerView, *, width: int, height: int, needs: tuple[int, int]) -> list[Line]:
    """Draw health and boundary for a terminal that has no room for more, and say so.

    `needs` is how many columns and lines the whole screen needs.
    """
    health, style = view.health, _find_style(view.health.state)
    too_small = f"{width}x{height} is too small, {needs[0]}x{needs[1]} shows all"
    lines: list[Line] = [
        ((f"● {health.state}", style), *_name_counts(view)),
        ((_name_boundary(view), TITLE),),
        ((_name_spread(view), PLAIN), (Figure("asks, bids", f", {view.n_asks} asks {view.n_bids} bids"), PLAIN)),
        ((too_small, ALERT),),
    ]
    return lines if health.why is None else [lines[0], ((Figure("why", health.why), style),), *lines[1:]]


def _count_decimals(number: Decimal) -> int:
    return max(0, -int(number.as_tuple().exponent))


# --- The right column -------------------------------------------------------------------------


def draw_side(view: MakerView) -> list[Line]:
    """Draw inventory, budget and health in 16 lines."""
    return [*_draw_inventory(view), _BLANK, *_draw_budget(view), _BLANK, *_draw_health(view)]


def _draw_pair(label: str, value: str, style: str = PLAIN, *, name: str = "") -> Line:
    """Draw a figure behind its label, which is its name too unless it has another one."""
    return ((label, DIM), (Figure(name or label, f"{value:>{max(0, SIDE_WIDTH - len(label))}}"), style))


def _draw_inventory(view: MakerView) -> list[Line]:
    inventory = view.inventory
    token = f"{inventory.token:,.{view.size_decimals}f}"
    value = "" if inventory.token_value is None else f"{inventory.token_value:,.2f}"
    worth = "" if inventory.total_value is None else f"{inventory.total_value:,.2f}"
    more = "all of the account"
    if inventory.virtual_token is not None or inventory.virtual_usdc is not None:
        more = f"{_shorten(inventory.account_token)} + {_shorten(inventory.account_usdc)}"
    base, quote = inventory.base_name[:6], inventory.quote_name[:6]
    return [
        (("INVENTORY", TITLE), (f"{'in ' + quote:>{SIDE_WIDTH - 9}}", DIM)),
        (
            (f"{base:<6}", DIM),
            (Figure("token", f"{token:>10}"), PLAIN),
            (Figure("in quote", f"{value:>{SIDE_WIDTH - 16}}"), PLAIN),
        ),
        _draw_pair(quote, f"{inventory.usdc:,.2f}", name="quote"),
        _draw_pair("worth", worth, STRONG),
        _draw_pair("account", more, DIM),
    ]


def _shorten(number: Decimal) -> str:
    """Shorten a balance to `1,204`, `38.2k`, `1.20M`."""
    for unit, sign, decimals in ((Decimal(10**6), "M", 2), (Decimal(10**4), "k", 1)):
        if number >= unit:
            return f"{number / (1000 if sign == 'k' else unit):,.{decimals}f}{sign}"
    return f"{number:,.0f}" if number >= 100 else f"{number:.2f}"


def _draw_budget(view: MakerView) -> list[Line]:
    budget = view.budget
    hours, per_1000 = budget.hours_left, budget.items_per_1000
    lasts = "-" if hours is None else "does not shrink" if hours == inf else format_duration(hours * 3600)
    style = ALERT if hours is not None and hours < FEW_HOURS else PLAIN
    return [
        (("BUDGET", TITLE),),
        _draw_pair("left", f"{budget.remaining:,}", BAD if budget.remaining <= 0 else PLAIN),
        _draw_sent(f"{budget.items:,}", "" if per_1000 is None else f" · {per_1000:.1f} per 1,000"),
        _draw_pair("lasts", lasts, style),
    ]


def _draw_sent(sent: str, per_1000: str) -> Line:
    room = max(0, SIDE_WIDTH - len("sent") - len(per_1000))
    return (("sent", DIM), (Figure("sent", f"{sent:>{room}}"), PLAIN), (Figure("per 1,000", per_1000), PLAIN))


def _draw_health(view: MakerView) -> list[Line]:
    health = view.health
    style = _find_style(health.state)
    why: Line = ((Figure("why", (health.why or "")[:SIDE_WIDTH]), style),)
    last = _draw_pair("ticks", f"{health.ticks:,}") if health.why is None else why
    counts = Figure("asks, bids", f"{f'{view.n_asks} asks {view.n_bids} bids':>{SIDE_WIDTH - 6}}")
    return [
        (("HEALTH", TITLE), (counts, DIM)),
        (("● ", style), (health.state, style)),
        _draw_two("in doubt", health.doubts, "errors", health.errors),
        _draw_two("reconnects", health.reconnects, "reconciled", health.reconciliations, alert=False),
        last,
    ]


def _draw_two(name: str, number: int, other: str, count: int, *, alert: bool = True) -> Line:
    """Draw two counts in one line.

    With `alert`, counts that should be zero and are not stand out.
    """
    half = SIDE_WIDTH // 2
    return (
        (name, DIM),
        (Figure(name, f"{number:>{half - 1 - len(name)}}"), ALERT if alert and number else PLAIN),
        (f"  {other}", DIM),
        (Figure(other, f"{count:>{half - 1 - len(other)}}"), ALERT if alert and count else PLAIN),
    )


# --- The last fills ---------------------------------------------------------------------------


def draw_fills(view: MakerView, *, n_rows: int) -> list[Line]:
    """Draw totals, then the fills, newest first."""
    health = view.health
    words = f"  {health.fills:,} since the start, {health.fill_volume:,.2f} {view.inventory.quote_name}"
    total = Figure("since the start", words)
    shown = view.fills[: max(0, n_rows)]
    decimals = max((_count_decimals(fill.quote.price) for fill in shown), default=2)
    return [((" LAST FILLS", TITLE), (total, DIM)), *(_draw_fill(fill, view, decimals) for fill in shown)]


def _draw_fill(fill: FillRow, view: MakerView, price_decimals: int) -> Line:
    quote = fill.quote
    verb = "sold" if quote.side == "sell" else "bought"
    return (
        (Figure("ago", f"{format_duration(fill.age_s):>8} ago  "), DIM),
        (f"{verb:<6}", COLOURS[quote.side]),
        (Figure("size", f"{quote.size:>10,.{view.size_decimals}f}"), PLAIN),
        (" at ", DIM),
        (Figure("price", f"{quote.price:>9,.{price_decimals}f}"), PLAIN),
        (Figure("value", f"{fill.value:>12,.2f}"), PLAIN),
        (Figure("level", f"  level {quote.level_index:>4}"), DIM),
        ("" if fill.complete else "  part", DIM),
    )


# --- The list of several markets -----------------------------------------------------------------


def draw_account_header(view: AccountView, *, width: int) -> list[Line]:
    """Draw the network, how many markets quote, the budget and the uptime."""
    n_quoting, n_errors = sum(row.state == "quoting" for row in view.rows), sum(row.errors for row in view.rows)
    style = GOOD if n_quoting == len(view.rows) else BAD if n_quoting == 0 else ALERT
    minutes, seconds = divmod(int(view.uptime_s), 60)
    left = [(" mm_trio", TITLE), (Figure("network", f"  {view.title}"), ALERT)]
    left += [(Figure("quoting", f"  ● {n_quoting} of {len(view.rows)} quoting"), style)]
    left += [(Figure("errors", f", {n_errors} errors"), style)] if n_errors else []
    left += [(Figure("budget", f"  budget {view.budget_left:,}"), BAD if view.budget_left <= 0 else DIM)]
    right = Figure("up", f"up {minutes // 60}:{minutes % 60:02}:{seconds:02} ")
    room = width - sum(len(text) for text, _ in left) - len(right)
    return [(*left, (" " * max(1, room), PLAIN), (right, DIM))]


def draw_list(view: AccountView, *, chosen: int, height: int) -> list[Line]:
    """Draw a row for each market; those around the chosen one where there is no room for all.

    What keeps a market from quoting is the last thing in its row, which may be cut; that of the chosen one stands below
    the rows.
    """
    head = f"   {'market':<12}{'state':<13}{'boundary':>10}{'bps':>6}{'fills':>6}{'holds':>9}  why"
    n_rows = max(1, height - 2)
    first = min(max(0, chosen - n_rows // 2), max(0, len(view.rows) - n_rows))
    rows = view.rows[first : first + n_rows]
    lines: list[Line] = [((head, DIM),)]
    lines += [_draw_list_row(row, is_chosen=number == chosen) for number, row in enumerate(rows, first)]
    if view.why:
        return [*lines, ((Figure("why", f" the account: {view.why}"), BAD),)]
    why = view.rows[chosen].why
    return [*lines, ((Figure("why", f" {view.rows[chosen].pair_name}: {why}"), ALERT),)] if why else lines


def _draw_list_row(row: GridRow, *, is_chosen: bool) -> Line:
    price = "-" if row.boundary_price is None else f"{row.boundary_price:,f}"
    spread = "-" if row.spread_bps is None else f"{row.spread_bps:.1f}"
    style, strong = _find_style(row.state), STRONG if is_chosen else PLAIN
    return (
        (" > " if is_chosen else "   ", TITLE),
        (Figure("market", f"{row.pair_name[:11]:<12}"), strong),
        (f"● {row.state:<11}", style),
        (Figure("boundary", f"{price:>10}"), strong),
        (Figure("spread", f"{spread:>6}"), PLAIN),
        (Figure("fills", f"{row.fills:>6,}"), PLAIN),
        (Figure("holds", f"{_shorten(row.token):>9}"), PLAIN),
        (Figure("why", f"  {row.why or ''}"), style),
    )
