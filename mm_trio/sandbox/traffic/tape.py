"""Recorded order flow: the fills that a maker had, and the takers who must have caused them.

Reads files of `userFills` rows; knows what a market needs to replay them on. Sends nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from itertools import groupby
from pathlib import Path

from mm_trio.sandbox.matching.book import BookView
from mm_trio.sandbox.model.commands import NewOrder
from mm_trio.sandbox.model.markets import Pair

__all__ = ["TapeMarket", "TapeRow", "TapeTakers", "compress", "ladder_start", "read_tape", "tape_market"]

_KEPT_STARTS = 64  # bound of the ways down that are followed at once
_PRICE_FIGURES = 5
_PRICE_DECIMALS = 8  # less the size decimals
_DUST = "Spot Dust Conversion"  # the system's own rows: no order, no trade


@dataclass(frozen=True, slots=True, kw_only=True)
class TapeRow:
    """One fill of the maker. `is_buy` is the maker's side: the taker did the opposite. Times in ms."""

    time_ms: int
    is_buy: bool
    price: Decimal
    size: Decimal
    fee: Decimal
    fee_token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TapeMarket:
    """What a market must be like for a tape. Units: sizes in base, notional and prices in quote.

    `base` and `quote` are None where the tape has no fill that tells. `order_size` is the largest fill: what
    a whole level holds, if ever one was taken at once. `min_notional` is the smallest fill's.
    """

    base: str | None
    quote: str | None
    sz_decimals: int
    order_size: Decimal
    is_free: bool
    min_notional: Decimal


def read_tape(path: Path, coin: str) -> tuple[TapeRow, ...]:
    """The fills of `coin` in a file of `userFills` rows, oldest first; rows of one instant as they stand.

    Errors: ValueError that names the file and what is wrong, with the row's place in the list.
    """
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not JSON: {error}") from error
    if not isinstance(document, list):
        raise ValueError(f"{path}: must hold a JSON list of fills, holds {type(document).__name__}")
    rows = []
    for place, raw in enumerate(document):
        try:
            row = _parse_row(raw, coin)
        except (KeyError, TypeError, ValueError, InvalidOperation) as error:
            reason = f"no field {error}" if isinstance(error, KeyError) else str(error)
            raise ValueError(f"{path}: row {place}: {reason}") from error
        if row is not None:
            rows.append(row)
    if not rows:
        raise ValueError(f"{path}: has no fill of {coin}")
    if rows[0].time_ms > rows[-1].time_ms:
        rows.reverse()  # the venue's own answer is newest first, rows of one instant included
    return tuple(sorted(rows, key=lambda row: row.time_ms))


def _parse_row(raw: object, coin: str) -> TapeRow | None:
    """One row; None if it is another coin's, or no trade."""
    if not isinstance(raw, dict):
        raise TypeError(f"must be an object, is {type(raw).__name__}")
    if raw["coin"] != coin or raw.get("dir") == _DUST:
        return None
    if raw["side"] not in ("A", "B"):
        raise ValueError(f"side must be A or B, is {raw['side']!r}")
    if raw.get("crossed"):
        raise ValueError("the account was the taker (crossed): only a maker's fills can be replayed")
    time_ms = raw["time"]
    if not isinstance(time_ms, int) or isinstance(time_ms, bool) or time_ms < 0:
        raise ValueError(f"time must be a number of milliseconds, is {time_ms!r}")
    return TapeRow(
        time_ms=time_ms,
        is_buy=raw["side"] == "B",
        price=_parse_amount(raw, "px"),
        size=_parse_amount(raw, "sz"),
        fee=_parse_decimal(raw, "fee"),
        fee_token=str(raw["feeToken"]),
    )


def _parse_decimal(raw: dict[str, object], name: str) -> Decimal:
    """A decimal of the wire, without trailing zeros."""
    text = raw[name]
    try:
        value = Decimal(text) if isinstance(text, str) else None
    except InvalidOperation:
        value = None
    if value is None or not value.is_finite():
        raise ValueError(f"{name} must be a decimal in a string, is {text!r}")
    digits = value.normalize()
    return digits.quantize(Decimal(1)) if int(digits.as_tuple().exponent) > 0 else digits


def _parse_amount(raw: dict[str, object], name: str) -> Decimal:
    """A decimal above zero."""
    if (value := _parse_decimal(raw, name)) <= 0:
        raise ValueError(f"{name} must be above 0, is {value}")
    return value


def compress(rows: Sequence[TapeRow], duration_s: float) -> tuple[float, ...]:
    """When each row is due, in seconds from the start: the tape's rhythm, scaled to end at `duration_s`."""
    if not rows:
        return ()
    first_ms = rows[0].time_ms
    span_ms = rows[-1].time_ms - first_ms
    return tuple((row.time_ms - first_ms) / span_ms * duration_s if span_ms else 0.0 for row in rows)


def tape_market(rows: Sequence[TapeRow]) -> TapeMarket:
    """What the rows tell about their market: a buy pays its fee in base, a sell in quote.

    Errors: ValueError if there is no row, or one side names two fee tokens.
    """
    if not rows:
        raise ValueError("an empty tape tells nothing about a market")
    return TapeMarket(
        base=_find_fee_token(row for row in rows if row.is_buy),
        quote=_find_fee_token(row for row in rows if not row.is_buy),
        sz_decimals=max(-int(row.size.as_tuple().exponent) for row in rows),
        order_size=max(row.size for row in rows),
        is_free=all(row.fee == 0 for row in rows),
        min_notional=min(row.price * row.size for row in rows),
    )


def _find_fee_token(rows: Iterable[TapeRow]) -> str | None:
    names = sorted({row.fee_token for row in rows})
    if len(names) > 1:
        raise ValueError(f"the fills of one side name {len(names)} fee tokens: {', '.join(names)}")
    return names[0] if names else None


class TapeTakers:
    """The takers of a tape, one action for each (instant, side), squeezed into `duration_s`.

    A sweep over several prices is sent as one order for each row, the maker's best price first: each order
    is as large as its row and goes no further than its price. On the recorded book that gives the recorded
    fills, as one long order would; on a book that has drifted it can never spill over to a worse price.
    """

    def __init__(self, rows: Sequence[TapeRow], pair: Pair, *, duration_s: float) -> None:
        offsets = compress(rows, duration_s)
        self._asset = pair.asset
        dated = zip(offsets, rows, strict=True)
        # by the recorded instant: a short duration may squeeze two instants into one offset
        sweeps = groupby(dated, key=lambda dated_row: (dated_row[1].time_ms, dated_row[1].is_buy))
        self._sweeps = [tuple(sweep) for _, sweep in sweeps]
        self._next = 0

    def pause_s(self) -> float | None:
        """Seconds from the last sweep to the next; None after the last one."""
        if self._next == len(self._sweeps):
            return None
        before_s = self._sweeps[self._next - 1][0][0] if self._next else 0.0
        return self._sweeps[self._next][0][0] - before_s

    def decide(self, book: BookView) -> tuple[NewOrder, ...]:
        """The next sweep, whatever the book."""
        rows = [row for _, row in self._sweeps[self._next]]
        self._next += 1
        # sorted() is stable: rows of one price keep their order
        best_first = sorted(rows, key=lambda row: -row.price if row.is_buy else row.price)
        return tuple(
            NewOrder(asset=self._asset, is_buy=not row.is_buy, price=row.price, size=row.size, tif="Ioc")
            for row in best_first
        )


def ladder_start(prices: Iterable[Decimal], *, step: Decimal, sz_decimals: int, levels_below: int) -> Decimal:
    """A price to start a ladder at, so that it passes through all of `prices`.

    Gives: the start of `px_i = round(px_{i-1} * (1 + step))`, `levels_below` levels under the lowest price,
    or fewer where rounding ends the way down. Where several starts fit, the middle one.
    Errors: ValueError if no such ladder passes through all of them.
    Source: HIP-2's rule, at the venue's price ticks.
    """
    wanted = sorted(set(prices))
    if not wanted or wanted[0] <= 0 or step <= 0:
        raise ValueError("a ladder needs prices above 0 and a step above 0")
    _check_passes(wanted, step=step, sz_decimals=sz_decimals)
    starts = [wanted[0]]
    for _ in range(levels_below):
        before = sorted({p for price in starts for p in _find_levels_before(price, step, sz_decimals)})
        if not before:
            break
        # each decade has up to ten ways down for one: all end at the same prices, so a few of them will do
        middle = len(before) // 2
        starts = before[max(0, middle - _KEPT_STARTS // 2) : middle + _KEPT_STARTS // 2]
    return starts[len(starts) // 2]


def _check_passes(wanted: Sequence[Decimal], *, step: Decimal, sz_decimals: int) -> None:
    """Climb from the lowest price to the highest and meet all the others."""
    price = wanted[0]
    for goal in wanted:
        while price < goal:
            above = _round_price(price * (1 + step), sz_decimals)
            if above <= price:
                break
            price = above
        if price != goal or _round_price(price, sz_decimals) != price:
            raise ValueError(
                f"no ladder with a step of {step} passes through {wanted[0]} and {goal} at sz_decimals={sz_decimals}"
            )


def _find_levels_before(price: Decimal, step: Decimal, sz_decimals: int) -> list[Decimal]:
    """The prices whose next level is `price`, ascending; none or several, for rounding does not go back."""
    around = _find_tick(price, sz_decimals)
    lowest, highest = (price - around) / (1 + step), (price + around) / (1 + step)
    tick = _find_tick(lowest, sz_decimals) if lowest > 0 else around
    before = (lowest / tick).to_integral_value(ROUND_FLOOR) * tick if lowest > 0 else tick
    found = []
    while before <= highest and before < price:
        if _round_price(before * (1 + step), sz_decimals) == price:
            found.append(before)
        before += _find_tick(before, sz_decimals)
    return found


def _find_tick(price: Decimal, sz_decimals: int) -> Decimal:
    """The distance from a price to the next legal one."""
    exponent = max(price.adjusted() - _PRICE_FIGURES + 1, sz_decimals - _PRICE_DECIMALS)
    return Decimal(1).scaleb(exponent)


def _round_price(price: Decimal, sz_decimals: int) -> Decimal:
    """The nearest legal price, half to even: five figures first, then the decimals."""
    rounded = Context(prec=_PRICE_FIGURES, rounding=ROUND_HALF_EVEN).plus(price)
    tick = _find_tick(rounded, sz_decimals)
    return rounded.quantize(tick, rounding=ROUND_HALF_EVEN)
