"""Sections about money: result, price, inventory, markouts, requests."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from mm_trio.earnings.exact import shorten
from mm_trio.earnings.figures import Figures, MarkedFigure
from mm_trio.earnings.markouts import HORIZONS_MS
from mm_trio.pages.drawing import BUY, GOOD, INK, MUTED, OTHER, SELL
from mm_trio.pages.page import Number, Section, Table, cells
from mm_trio.pages.pictures import Bars, Line, Lines, Marks
from mm_trio.pages.scales import format_time
from mm_trio.pages.timeline import Point
from mm_trio.reports.amounts import bps, count, find_decimals, money
from mm_trio.reports.facts import Facts
from mm_trio.reports.trading import PARTS

__all__ = ["make_cost", "make_inventory", "make_markouts", "make_price", "make_result"]

_STYLES = {"against holding": (INK, "-", 2.4), "realised": (GOOD, "-", 1.6), "open": (OTHER, "--", 1.6)}
_STYLES["fees"] = (SELL, ":", 2.0)
_HORIZON_NAMES = ("at the fill", "1 s", "10 s", "1 min", "5 min", "1 h")


def make_result(facts: Facts) -> Section:
    """Make the section on profit and loss."""
    unit, trading = facts.names.quote, facts.trading
    lines = tuple(
        Line(part, colour, trading.earned[part], dash, width, part == PARTS[0])
        for part, (colour, dash, width) in _STYLES.items()
    )
    is_known = any(value == value for _, value in trading.earned[PARTS[0]])
    picture = Lines(f"Profit and loss over time in {unit}", unit, facts.span, lines, has_zero=True)
    words = (
        "Against holding = realised + open - fees, to the last digit. Realised: each sale with the purchase that it "
        "pairs with, last in, first out. Open: what is not paired, at the last price. Transfers are no profit."
    )
    absent = None if is_known else f"There is no picture, because no price was recorded: {_reason(facts)}."
    tables = (_make_parts(facts), _make_fees(facts), *_make_days(facts))
    return Section("result", "Profit and loss", words, (picture,) if is_known else (), tables, absent)


def _reason(facts: Facts) -> str:
    return facts.no_record or facts.earnings.absent.get("pnl_vs_hold") or "no price covers the ends of its bins"


def _make_parts(facts: Facts) -> Table:
    earnings, unit = facts.earnings, facts.names.quote
    fees = earnings.fees.at(earnings.mark)
    amounts: tuple[tuple[str, Decimal | None], ...] = (
        ("realised by pairs", earnings.realised),
        ("open, at the mark", earnings.open.at(earnings.mark)),
        ("fees", None if fees is None else fees.copy_negate()),
        ("against holding", earnings.pnl_vs_hold),
    )
    decimals = find_decimals(amount for _, amount in amounts)
    rows = tuple(
        (name, money(amount, decimals, is_signed=True), bps(amount, earnings.volume)) for name, amount in amounts
    )
    mark = Number(earnings.mark, unit, find_decimals([earnings.mark])).shown
    return Table("result", f"Parts of the result; mark: {mark}", ("part", unit, "bps of volume"), rows, has_total=True)


def _make_fees(facts: Facts) -> Table:
    earnings, names = facts.earnings, facts.names
    paid = [(names.base, earnings.fees.base), (names.quote, earnings.fees.quote), *earnings.tally.fees_other.items()]
    rows = tuple((token, money(amount, find_decimals([amount]))) for token, amount in paid)
    return Table("fees", "Fees by token; below zero: rebates", ("token", "paid"), rows)


def _make_days(facts: Facts) -> Sequence[Table]:
    if not facts.days:
        return ()
    unit = facts.names.quote
    amounts = [amount for day in facts.days for amount in (day.pnl_vs_hold, day.realised, day.volume)]
    decimals = find_decimals(amounts)

    def make_row(day: Figures) -> tuple[str | Number, ...]:
        fees = day.fees.at(day.mark)
        parts = (day.realised, day.open.at(day.mark), None if fees is None else fees.copy_negate(), day.pnl_vs_hold)
        begin = format_time(day.setting.period.from_ms or facts.span[0]).split()[0]
        signed = (money(part, decimals, is_signed=True) for part in parts)
        return begin, count(day.tally.n_fills), money(day.volume, decimals), *signed

    head = ("UTC day", "fills", f"volume, {unit}", "realised", "open", "fees", "against holding")
    return (
        Table(
            "days",
            f"By UTC day, in {unit}; unknown where no price was recorded at its last fills",
            head,
            tuple(map(make_row, facts.days)),
        ),
    )


def make_price(facts: Facts) -> Section:
    """Make the section on the price and where it was filled."""
    names, trading = facts.names, facts.trading
    lines = [Line("middle of the best prices", MUTED, facts.mids, width=1.2)] if facts.mids else []
    if facts.boundary:
        lines.append(Line("boundary: lowest ask of the ladder", OTHER, facts.boundary, "--"))
    marks = (Marks("bought", BUY, trading.marks("buy"), "^"), Marks("sold", SELL, trading.marks("sell"), "v"))
    unit = names.price_unit
    picture = Lines(f"Price, boundary and own fills in {unit}", unit, facts.span, tuple(lines), marks)
    absent = None if facts.mids else f"The price of the market is left out: {facts.no_record or 'it was not watched'}."
    rows = tuple(
        cells(
            name,
            count(side.n),
            *(money(each, find_decimals([each])) for each in (side.base, side.quote)),
            _mean(side.quote, side.base),
        )
        for name, side in (("bought", facts.earnings.tally.buys), ("sold", facts.earnings.tally.sells))
    )
    head = ("side", "fills", names.base, names.quote, f"mean price, {unit}")
    table = Table("sides", "Own fills by side", head, rows)
    words = "The ladder asks from its boundary upwards and bids below it, so what is filled moves the boundary."
    is_drawn = bool(facts.mids or facts.boundary or facts.earnings.tally.n_fills)
    return Section("price", "Price and fills", words, (picture,) if is_drawn else (), (table,), absent)


def _mean(quote: Decimal, base: Decimal) -> Number:
    # Ten places hold every price of the venue.
    mean = shorten(quote, base, places=10)
    return Number(mean, "", find_decimals([mean]))


def make_inventory(facts: Facts) -> Section:
    """Make the section on what was held."""
    earnings, names = facts.earnings, facts.names
    start, end, tally = earnings.setting.start, earnings.end, earnings.tally
    pictures = tuple(
        Lines(
            f"{name} held over time",
            name,
            facts.span,
            (Line(f"{name} held", colour, _lift(line.points, begin), is_filled=False),),
        )
        for name, colour, line, begin in (
            (names.base, BUY, facts.trading.held[0], start.base),
            (names.quote, GOOD, facts.trading.held[1], start.quote),
        )
    )
    moved = [(f"moved: {kind}", flow.base, flow.quote) for kind, flow in sorted(tally.moved.items())]
    lost = tally.unexplained
    amounts = (
        ("at the beginning", start.base, start.quote),
        ("bought", tally.buys.base, tally.buys.quote.copy_negate()),
        ("sold", tally.sells.base.copy_negate(), tally.sells.quote),
        ("fees", tally.fee_base.copy_negate(), tally.fee_quote.copy_negate()),
        *moved,
        *([("unexplained", lost.base, lost.quote)] if lost.n else []),
        ("at the end", end.base, end.quote),
    )
    decimals = [find_decimals(base for _, base, _ in amounts), find_decimals(quote for _, _, quote in amounts)]
    rows = tuple(
        (name, money(base, decimals[0], is_signed=True), money(quote, decimals[1], is_signed=True))
        for name, base, quote in amounts
    )
    table = Table("inventory", "From the beginning to the end", ("", names.base, names.quote), rows, has_total=True)
    words = "What the account holds of both tokens. Fills move one against the other; transfers move one alone."
    return Section("inventory", "Inventory", words, pictures, (table,))


def _lift(points: Sequence[Point], begin: Decimal) -> list[Point]:
    return [(at, value + float(begin)) for at, value in points]


def make_markouts(facts: Facts) -> Section:
    """Make the section on prices after fills."""
    earnings, title = facts.earnings, "Prices after fills"
    words = (
        "What each fill had gained against the middle of the book: when it was filled, and so long afterwards. Bars "
        "that fall mean that takers knew where the price was going."
    )
    horizons = zip(_HORIZON_NAMES, HORIZONS_MS, strict=True)
    found = [(name, earnings.find_marked(after_ms)) for name, after_ms in horizons]
    if not any(figure.n_marked for _, figure in found):
        return Section("markouts", title, words, absent=f"No fill has a price beside it: {_mark_reason(facts)}.")
    bars = tuple((name if each.n_marked == each.n else f"{name} *", _to_float(each.of_marked)) for name, each in found)
    what = "Gain against the middle of the book by time after the fill"
    picture = Bars(f"{what}, in {facts.names.quote}", f"{facts.names.quote}; *: not every fill has a price", bars)
    missing = [earnings.absent[name] for name in earnings.absent if name.startswith(("edge", "markout"))]
    absent = f"Unknown where not every fill has a price: {'; '.join(missing)}." if missing else None
    return Section("markouts", title, words, (picture,), (_make_markout_table(facts, found),), absent)


def _to_float(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount)


def _make_markout_table(facts: Facts, found: Sequence[tuple[str, MarkedFigure]]) -> Table:
    earnings, unit = facts.earnings, facts.names.quote
    decimals = find_decimals(figure.of_marked for _, figure in found)
    rows = tuple(
        cells(
            name,
            money(figure.amount, decimals, is_signed=True),
            bps(figure.amount, earnings.volume),
            money(figure.of_marked, decimals, is_signed=True),
            money(earnings.find_adverse(figure.horizon_ms), decimals, is_signed=True),
            count(figure.n_marked),
            count(figure.n - figure.n_marked),
        )
        for name, figure in found
    )
    amounts = (unit, "bps of volume", f"of fills with a price, {unit}", f"edge lost, {unit}")
    head = ("time after the fill", *amounts, "fills with a price", "without")
    return Table("markouts", "By time after the fill", head, rows)


def _mark_reason(facts: Facts) -> str:
    if not facts.earnings.tally.n_fills:
        return "there are no fills"
    return facts.no_record or "no marks were recorded"


def make_cost(facts: Facts) -> Section:
    """Make the section on requests and what they would cost."""
    earnings, unit = facts.earnings, facts.names.quote
    words = (
        "Every order placed, changed or cancelled is an item that the venue counts. Filled volume earns items; those "
        f"above cost 0.0005 {unit} each."
    )
    points = [(facts.timeline.begin_of(number), float(part.items)) for number, part in sorted(facts.requests.items())]
    if not points:
        return Section("cost", "Requests and cost", words, absent="The ledger has no request of this period.")
    rows = (
        ("request items", count(earnings.setting.n_requests)),
        (f"items for each 1 000 {unit} filled", Number(earnings.requests_per_1000, "", 2)),
        (f"cost if none were free, {unit}", money(earnings.request_cost, 4)),
    )
    line = Line("request items", BUY, _fill_gaps(facts, points), is_filled=True)
    picture = Lines(
        "Request items over time",
        f"items in {_describe_width(facts.timeline.width_ms)}",
        facts.span,
        (line,),
        has_zero=True,
    )
    return Section("cost", "Requests and cost", words, (picture,), (Table("cost", "Requests", ("", "value"), rows),))


def _fill_gaps(facts: Facts, points: list[Point]) -> list[Point]:
    known = dict(points)
    begins = (facts.timeline.begin_of(number) for number in range(facts.timeline.n))
    return [(begin, known.get(begin, 0.0)) for begin in begins]


def _describe_width(width_ms: int) -> str:
    for unit_ms, name in ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s")):
        if width_ms % unit_ms == 0:
            return f"{width_ms // unit_ms} {name}"
    return f"{width_ms} ms"
