"""Figures of a period as a statement for a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from mm_trio.earnings.exact import exactly
from mm_trio.earnings.figures import Figures
from mm_trio.earnings.markouts import AT_FILL_MS, HORIZONS_MS
from mm_trio.earnings.period import DAY_MS
from mm_trio.history.earnings_reader import Earnings

__all__ = ["write_statement"]

# Name, amount, and what is said of it.
_Row = tuple[str, str, str]
_UNKNOWN = "unknown"


def write_statement(earnings: Earnings) -> str:
    """Return the statement: what was earned, its parts, and what is not known and why."""
    figures = earnings.figures
    lines = [f"{earnings.coin or 'unknown pair'}: {_describe_period(figures)}", f"ledger: {earnings.folder}", ""]
    lines += _align([*_list_trading(figures), *_list_gain(figures)])
    lines += ["", "against the prices of the book", *_align(_list_marked(figures))]
    lines += ["", "the ladder, its cost and its capital", *_align(_list_ladder(figures))]
    lines += ["", "left out of every gain", *_align(_list_left_out(figures))]
    if earnings.days:
        lines += ["", "by UTC day, in quote", *_write_days(earnings.days)]
    if figures.absent:
        lines += ["", "not known:", *_list_absent(figures.absent)]
    return "\n".join(lines)


def _describe_period(figures: Figures) -> str:
    period, times, n = figures.setting.period, figures.tally.times_ms, figures.tally.n_fills
    begin = "the ledger's beginning" if period.from_ms is None else _moment(period.from_ms)
    end = "now" if period.until_ms is None else f"before {_moment(period.until_ms)}"
    if times is None:
        return f"no fills from {begin} to {end}"
    return f"{n} fill{'s' * (n != 1)} from {begin} to {end} (first {_moment(times[0])}, last {_moment(times[1])})"


def _list_trading(figures: Figures) -> Iterator[_Row]:
    buys, sells = figures.tally.buys, figures.tally.sells
    yield "bought", f"{buys.base:f} base", f"for {buys.quote:f} quote in {buys.n} fills"
    yield "sold", f"{sells.base:f} base", f"for {sells.quote:f} quote in {sells.n} fills"
    earned = figures.earned
    yield "both less fees", f"{earned.base:+f} base", f"{earned.quote:+f} quote: exact, without any mark"


def _list_gain(figures: Figures) -> Iterator[_Row]:
    mark, fees = figures.setting.end_mark, figures.fees
    said = mark.absent or f"at the mark {_plain(mark.price)} ({mark.source}{_at(mark.at_ms)})"
    yield "gain against holding", _amount(figures.pnl_vs_hold), said
    yield "  realised", _amount(figures.realised), "by pairs of fills, last in first out"
    yield "  open", _amount(figures.open.at(figures.mark)), "of fills that are not paired, at the mark"
    with exactly():
        paid = fees.at(figures.mark)
        cost = None if paid is None else -paid
    yield "  fees", _amount(cost), f"paid: {fees.quote:f} quote and {fees.base:f} base"
    for token, fee in sorted(figures.tally.fees_other.items()):
        yield "  fees apart", f"{-fee:+f} {_printable(token)}", "in no figure above: its price is not known"


def _list_marked(figures: Figures) -> Iterator[_Row]:
    yield "edge", *_describe_marked(figures, AT_FILL_MS, "against the middle of the book before each fill")
    yield "inventory", _amount(figures.inventory), "what the amounts gained since, with the price"
    for horizon_ms in HORIZONS_MS[1:]:
        adverse = figures.find_adverse(horizon_ms)
        said = (
            "against the middle then" if adverse is None else f"against the middle then; {adverse:f} of the edge gone"
        )
        yield f"markout {horizon_ms // 1000} s", *_describe_marked(figures, horizon_ms, said)
    yield "LVR", _amount(figures.lvr), "loss against rebalancing at the book's middle 1 s after each fill"


def _describe_marked(figures: Figures, horizon_ms: int, said: str) -> tuple[str, str]:
    marked = figures.find_marked(horizon_ms)
    if marked.amount is not None:
        return _amount(marked.amount), said
    if marked.of_marked is None:
        return _UNKNOWN, "no fill has such a price"
    return _UNKNOWN, f"{marked.of_marked:+f} for the {marked.n_marked} of {marked.n} fills that have such a price"


def _list_ladder(figures: Figures) -> Iterator[_Row]:
    setting = figures.setting
    yield "income from turns", _amount(figures.turns.income), "what went down the ladder and up again; needs no mark"
    yield "ladder against holding", _amount(figures.ladder_vs_hold), "where the inventory moved to, at the mark"
    n, per_1000 = setting.n_requests, figures.requests_per_1000
    if n is not None:
        rate = "" if per_1000 is None else f"; {per_1000:.2f} for 1,000 quote filled"
        yield "request items", str(n), f"{figures.request_cost:f} quote, if none were free{rate}"
    if figures.capital is not None:
        yield "capital", _plain(figures.capital), "what the maker could use at the beginning"
    share = figures.return_on_capital
    yield "return on capital", _UNKNOWN if share is None else f"{share * 100:.4f} %", "gain against holding"
    yield "change of wealth", _amount(figures.wealth_change), "mostly that of the price; transfers are not in it"
    if setting.fee_share is not None:
        said = f"ESTIMATED: {setting.fee_share:f} of fees in the token, takers at {figures.taker_rate:f}"
        yield "deployer's fee share", _amount(figures.fee_share_income), said


def _list_left_out(figures: Figures) -> Iterator[_Row]:
    start, end, tally = figures.setting.start, figures.end, figures.tally
    yield "account at the beginning", f"{start.base:f} base", f"{start.quote:f} quote"
    for kind, flow in sorted(tally.moved.items()):
        yield f"{_printable(kind)} ({flow.n})", f"{flow.base:+f} base", f"{flow.quote:+f} quote"
    lost = tally.unexplained
    if lost.n:
        yield f"unexplained ({lost.n})", f"{lost.base:+f} base", f"{lost.quote:+f} quote; `mm-trio ledger audit` helps"
    yield "account at the end", f"{end.base:f} base", f"{end.quote:f} quote"


def _write_days(days: Sequence[Figures]) -> list[str]:
    rows: list[tuple[str, ...]] = [("day", "fills", "gain", "realised", "open", "fees", "mark")]
    for figures in days:
        numbers = (figures.pnl_vs_hold, figures.realised, figures.open.at(figures.mark), figures.fees.at(figures.mark))
        shown = (_UNKNOWN if number is None else f"{number:f}" for number in numbers)
        day_ms = (figures.setting.period.from_ms or 0) // DAY_MS * DAY_MS
        rows.append((_moment(day_ms)[:10], str(figures.tally.n_fills), *shown, _plain(figures.mark)))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  " + "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]


def _list_absent(absent: Mapping[str, str]) -> Iterator[str]:
    """Yield each reason once, with all figures that are absent for it."""
    for why in dict.fromkeys(absent.values()):
        yield f"  {', '.join(name for name, each in absent.items() if each == why)}: {why}"


def _align(rows: Iterator[_Row] | Sequence[_Row]) -> list[str]:
    table = list(rows)
    names, amounts = (max((len(row[i]) for row in table), default=0) for i in (0, 1))
    return [f"  {name.ljust(names)}  {amount.rjust(amounts)}  {said}".rstrip() for name, amount, said in table]


def _amount(amount: Decimal | None) -> str:
    return _UNKNOWN if amount is None else f"{amount:+f}"


def _plain(amount: Decimal | None) -> str:
    return _UNKNOWN if amount is None else f"{amount:f}"


def _at(time_ms: int | None) -> str:
    return "" if time_ms is None else f", {_moment(time_ms)}"


def _moment(time_ms: int) -> str:
    try:
        return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, ValueError, OSError):
        return f"{time_ms} ms"


def _printable(text: str) -> str:
    """Leave out what a terminal would act on; strangers choose the names of tokens."""
    return "".join(filter(str.isprintable, text))
