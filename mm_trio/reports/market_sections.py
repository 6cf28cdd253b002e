"""Sections about the market: fills by level and hour, counterparties, depth, uptime, outages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, cast

from mm_trio.earnings.exact import exactly
from mm_trio.pages.drawing import BUY, INK, MUTED, OTHER, SELL
from mm_trio.pages.page import Cell, Number, Section, Table, cells
from mm_trio.pages.pictures import Bars, HeatMap, Line, Lines, Strips
from mm_trio.pages.scales import format_time
from mm_trio.pages.timeline import HOUR_MS
from mm_trio.reports.amounts import bps, count, find_decimals, money, share
from mm_trio.reports.counterparties import PartyRow
from mm_trio.reports.facts import Facts
from mm_trio.reports.presence import DEPTH_PCT
from mm_trio.reports.trading import HOURS, LevelSums

__all__ = ["make_counterparties", "make_depth", "make_fills", "make_outages", "make_uptime"]

# More rows than these cannot be read; neighbours are then counted together.
MOST_ROWS = 40
MOST_PARTIES = 20
MOST_OUTAGES = 100
AFTER_MS = (0, 10_000, 60_000, 3_600_000)
GAIN_AFTER_MS = 60_000
_CAUSE_COLOURS = {"ours": SELL, "venue": OTHER, "network": BUY, "halt": INK, "unknown": MUTED}


def make_fills(facts: Facts) -> Section:
    """Make the section on where and when it was filled."""
    levels = facts.trading.levels
    words = f"Filled {facts.names.quote} by level of the ladder and by hour of the day (UTC): the darker, the more."
    if not levels:
        return Section("fills", "Fills by level and hour", words, absent="There are no fills in this period.")
    bands = _make_bands(sorted(levels))
    titles = tuple(_name_band([levels[level] for level in band]) for band in bands)
    by_level = [(title, [levels[level] for level in band]) for title, band in zip(titles, bands, strict=True)]
    by_hour = [(f"{hour:02d}:00", [sums]) for hour, sums in sorted(facts.trading.hours.items())]
    tables = (
        Table("levels", "By price, from the top", _fill_head(facts, "price"), _make_fill_rows(by_level[::-1])),
        Table("hours", "By hour of the day, UTC", _fill_head(facts, "hour"), _make_fill_rows(by_hour)),
    )
    return Section("fills", "Fills by level and hour", words, (_draw_fills(facts, bands, titles),), tables)


def _draw_fills(facts: Facts, bands: Sequence[Sequence[int]], titles: tuple[str, ...]) -> HeatMap:
    """Make the heat map of bands of levels."""
    place = {level: row for row, band in enumerate(bands) for level in band}
    hours = _list_hours(facts)
    bought: dict[tuple[int, int], float] = {}
    sold: dict[tuple[int, int], float] = {}
    for (level, hour), sums in facts.trading.cells.items():
        cell = place[level], hours.index(hour)
        bought[cell] = bought.get(cell, 0.0) + float(sums.buys.quote)
        sold[cell] = sold.get(cell, 0.0) + float(sums.sells.quote)
    unit = f"price in {facts.names.quote}; hour of the day below"
    columns = tuple(f"{hour:02d}" for hour in hours)
    return HeatMap(f"Fills by price and hour of the day, in {facts.names.quote}", unit, titles, columns, bought, sold)


def _list_hours(facts: Facts) -> list[int]:
    """List the hours of the day, or those of a period that is shorter."""
    first, last = (ms // HOUR_MS for ms in (facts.span[0], facts.span[1] - 1))
    return [hour % HOURS for hour in range(first, last + 1)] if last - first < HOURS else list(range(HOURS))


def _make_bands(levels: Sequence[int]) -> list[list[int]]:
    """Put neighbouring levels together, so that there are few rows."""
    low, high = levels[0], levels[-1]
    size = -(-(high - low + 1) // MOST_ROWS)
    bands: dict[int, list[int]] = {}
    for level in levels:
        bands.setdefault((level - low) // size, []).append(level)
    return [bands[number] for number in sorted(bands)]


def _name_band(parts: Sequence[LevelSums]) -> str:
    prices = [price for part in parts if part.prices for price in part.prices]
    low, high = min(prices), max(prices)
    return f"{low:f}" if low == high else f"{low:f}–{high:f}"  # noqa: RUF001 - the sign of a range


def _fill_head(facts: Facts, name: str) -> tuple[str, ...]:
    base, quote = facts.names.base, facts.names.quote
    return name, "buys", f"bought, {base}", "sells", f"sold, {base}", f"volume, {quote}"


def _make_fill_rows(rows: Sequence[tuple[str, Sequence[LevelSums]]]) -> tuple[tuple[Cell, ...], ...]:
    with exactly():
        sums = [
            (
                name,
                sum(part.buys.n for part in parts),
                sum((part.buys.base for part in parts), Decimal(0)),
                sum(part.sells.n for part in parts),
                sum((part.sells.base for part in parts), Decimal(0)),
                sum((part.buys.quote + part.sells.quote for part in parts), Decimal(0)),
            )
            for name, parts in rows
        ]
    base = find_decimals(amount for row in sums for amount in (row[2], row[4]))
    quote = find_decimals(row[5] for row in sums)
    return tuple(
        (name, count(n_buys), money(bought, base), count(n_sells), money(sold, base), money(volume, quote))
        for name, n_buys, bought, n_sells, sold, volume in sums
    )


def make_counterparties(facts: Facts) -> Section:
    """Make the section on who took our orders."""
    words = (
        "Who took the ladder's orders, by the addresses in the venue's public trades, and what the fills had gained."
    )
    title, unit, parties = "Counterparties", facts.names.quote, facts.parties
    if parties is None or not parties.n_recorded:
        return Section("counterparties", title, words, absent=f"Nobody is known by name: {_find_no_party(facts)}.")
    ranked = parties.rank(MOST_PARTIES)
    decimals = find_decimals(row.volume for row in ranked)
    rows = tuple(
        cells(
            row.name,
            count(row.n),
            money(row.volume, decimals),
            share(row.volume, facts.earnings.volume),
            *(bps(row.find_markout(after_ms), row.volume) for after_ms in AFTER_MS),
            money(row.find_marked(GAIN_AFTER_MS), find_decimals([row.find_marked(GAIN_AFTER_MS)]), is_signed=True),
            count(row.n - row.markouts[GAIN_AFTER_MS].n),
        )
        for row in ranked
    )
    gains = tuple((_name_bar(row), _to_float(row.find_marked(GAIN_AFTER_MS))) for row in ranked)
    picture = Bars(
        f"Gain against each counterparty one minute after the fills, in {unit}",
        f"{unit}, 1 min after the fills; *: not every fill has a price",
        gains,
    )
    head = (
        "taker",
        "fills",
        f"volume, {unit}",
        "share, %",
        "edge, bps",
        "10 s, bps",
        "1 min, bps",
        "1 h, bps",
        f"1 min, {unit}",
        "without",
    )
    table = Table("counterparties", f"The {MOST_PARTIES} largest by volume", head, rows)
    drawn = (picture,) if any(value is not None for _, value in gains) else ()
    absent = None if drawn else "Prices after the fills are not known, so no gain is shown."
    return Section("counterparties", title, words, drawn, (table,), absent)


def _find_no_party(facts: Facts) -> str:
    if facts.no_record is not None:
        return facts.no_record
    return "no trade of the market was recorded" if facts.earnings.tally.n_fills else "there are no fills"


def _name_bar(row: PartyRow) -> str:
    name = _cut_address(row.name)
    return name if row.markouts[GAIN_AFTER_MS].n == row.n else f"{name} *"


def _cut_address(name: str) -> str:
    return f"{name[:6]}…{name[-4:]}" if name.startswith("0x") and len(name) > 12 else name


def _to_float(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount)


def _read(facts: Facts) -> tuple[Mapping[str, Any], Sequence[Mapping[str, Any]]] | None:
    """Return the liquidity figures of the period and its days; None where nothing was recorded."""
    if facts.liquidity is None or not facts.liquidity.period.get("known"):
        return None
    return facts.liquidity.period, facts.liquidity.days


def _absent(facts: Facts) -> str:
    return f"Own orders were not recorded: {facts.no_record or 'nothing of this period is in the record'}."


def make_depth(facts: Facts) -> Section:
    """Make the section on depth and spread."""
    unit, read, presence = facts.names.quote, _read(facts), facts.presence
    title = "Depth and spread"
    words = f"What rests within {DEPTH_PCT} % of the middle of the best prices, and how far apart both sides are."
    if read is None or presence is None:
        return Section("depth", title, words, absent=_absent(facts))
    bids, asks = Line("bids", BUY, presence.depth_bid.points), Line("asks", SELL, presence.depth_ask.points, "--")
    depth = Lines(f"Depth within {DEPTH_PCT} % over time in {unit}", unit, facts.span, (bids, asks), has_zero=True)
    spread = Lines(
        "Own spread over time in bps",
        "bps",
        facts.span,
        (Line("own spread", INK, presence.spread.points, width=1.2),),
        has_zero=True,
    )
    period, _ = read
    rows = tuple(
        cells(
            f"{pct} %",
            *(_number(period[side][pct][name], 2) for side in ("depth_bid", "depth_ask") for name in ("mean", "p5")),
        )
        for pct in period["depth_bid"]
    )
    head = ("within", "bids, mean", "bids, least 5 %", "asks, mean", "asks, least 5 %")
    spreads = tuple(
        cells(name, *(_number(period[key][part], 2) for part in ("mean", "p50", "p95")))
        for name, key in (("own", "spread_ours_bps"), ("market", "spread_market_bps"))
    )
    tables = (
        Table("depth", f"Depth of own orders in {unit}, over time", head, rows),
        Table("spread", "Spread in bps, over time", ("", "mean", "median", "95 % below"), spreads),
    )
    pictures = tuple(each for each, line in ((depth, bids), (spread, presence.spread)) if line.points)
    return Section("depth", title, words, pictures, tables)


def _number(value: object, decimals: int) -> Number:
    return Number(None if value is None else Decimal(cast("str", value)), "", decimals)


def make_uptime(facts: Facts) -> Section:
    """Make the section on how much of the time both sides were quoted."""
    read, presence = _read(facts), facts.presence
    words = "Share of the time with orders near the middle of the best prices. Time that nobody watched counts as down."
    if read is None or presence is None:
        return Section("uptime", "Uptime", words, absent=_absent(facts))
    both = [(at, 100 * value) for at, value in presence.uptime("both")]
    line = Line("both sides", BUY, both, is_filled=True)
    picture = Lines(
        "Share of the time with both sides quoted, in per cent",
        "% of the time",
        facts.span,
        (line,),
        has_zero=True,
        most=104.0,
    )
    period, days = read
    names = ("uptime_bid", "uptime_ask", "uptime_two_sided")
    rows = [(format_time(day["day_s"] * 1000).split()[0], day) for day in days] + [("whole period", period)]
    table = Table(
        "uptime",
        "By UTC day",
        ("UTC day", "bids, %", "asks, %", "both, %", "watched, %"),
        tuple(
            (name, *(share(part[key]) for key in names), share(part["known"], part["samples"])) for name, part in rows
        ),
        has_total=True,
    )
    return Section("uptime", "Uptime", words, (picture,), (table,))


def make_outages(facts: Facts) -> Section:
    """Make the section on times without both sides, and why."""
    read, presence = _read(facts), facts.presence
    words = "Times in which not both sides were quoted, with what kept the maker from it."
    if read is None or presence is None or facts.liquidity is None:
        return Section("outages", "Outages", words, absent=_absent(facts))
    outages = cast("Mapping[str, Any]", facts.liquidity.outages)
    if not outages["count"]:
        return Section("outages", "Outages", words, absent="There were none.")
    strips = tuple(
        (cause, _CAUSE_COLOURS[cause], tuple(presence.down[cause]))
        for cause in _CAUSE_COLOURS
        if cause in presence.down
    )
    picture = Strips("Outages over time by cause", "cause", facts.span, strips)
    longest = sorted(outages["first"], key=lambda outage: (-outage["length_s"], outage["at_s"]))[:MOST_OUTAGES]
    rows = tuple(
        (
            format_time(each["at_s"] * 1000),
            Number(each["length_s"], "s"),
            each["cause"],
            _describe_sold_out(each["sold_out"]),
        )
        for each in longest
    )
    sums = tuple((cause, count(seconds)) for cause, seconds in read[0]["down_s"].items())
    caption = f"The longest {len(rows)} of {outages['count']}"
    tables = (
        Table("downtime", "Seconds by cause", ("cause", "seconds"), sums),
        Table("outages", caption, ("begin, UTC", "length", "cause", "side without orders"), rows),
    )
    return Section("outages", "Outages", words, (picture,), tables)


def _describe_sold_out(side: str | None) -> str:
    return "–" if side is None else f"{side}: sold out"  # noqa: RUF001 - the sign of nothing
