"""Recorded fills of a maker, replayed as its takers.

Reads files of `userFills` rows and derives a market that they can be replayed on. Sends nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from itertools import groupby
from pathlib import Path

from mm_trio.sandbox.matching.book import BookView
from mm_trio.sandbox.model.commands import NewOrder
from mm_trio.sandbox.model.markets import Pair

__all__ = [
    "TapeMarket",
    "TapeRow",
    "TapeTakers",
    "compute_due_times",
    "cut_pauses",
    "find_coins",
    "group_sweeps",
    "read_tape",
    "sort_best_first",
    "sum_by_order",
    "tape_market",
]

# These rows are the system's own; there is no order or trade behind them.
_DUST = "Spot Dust Conversion"


@dataclass(frozen=True, slots=True, kw_only=True)
class TapeRow:
    """One fill of the maker, with its time in ms.

    `is_buy` is the maker's side; the taker had the opposite one. `balance` is the maker's token balance before the
    fill, `oid` the order that was filled; None where the row has none.
    """

    time_ms: int
    is_buy: bool
    price: Decimal
    size: Decimal
    fee: Decimal
    fee_token: str
    oid: int | None = None
    balance: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TapeMarket:
    """Market parameters that a tape needs.

    Units: sizes in base, notional and prices in quote. `base` and `quote` are None where no fill shows them.
    `order_size` is the most that one order was filled, which is a whole level if one was ever taken.
    `min_notional` is that of the smallest fill.
    """

    base: str | None
    quote: str | None
    sz_decimals: int
    order_size: Decimal
    is_fee_free: bool
    min_notional: Decimal


def read_tape(path: Path, coin: str) -> tuple[TapeRow, ...]:
    """Read a coin's fills from a file.

    The file has `userFills` rows.
    They are sorted oldest first; rows of one instant keep their order.
    Errors: ValueError that names the file, the problem and the row's position in the list.
    """
    document = _load(path)
    rows = []
    for place, raw in enumerate(document):
        try:
            row = _parse_row(raw, coin)
        except (KeyError, TypeError, ValueError, InvalidOperation) as error:
            reason = f"missing field {error}" if isinstance(error, KeyError) else str(error)
            raise ValueError(f"{path}: row {place}: {reason}") from error
        if row is not None:
            rows.append(row)
    if not rows:
        raise ValueError(f"{path}: has no fill of {coin}")
    if rows[0].time_ms > rows[-1].time_ms:
        # The venue's own answer is newest first, and so are its rows of one instant.
        rows.reverse()
    return tuple(sorted(rows, key=lambda row: row.time_ms))


def find_coins(path: Path) -> tuple[str, ...]:
    """List the coins that a file has fills of.

    Errors: ValueError that names the file and the problem.
    """
    rows = [raw for raw in _load(path) if isinstance(raw, dict)]
    return tuple(sorted({raw["coin"] for raw in rows if isinstance(raw.get("coin"), str)}))


def _load(path: Path) -> list[object]:
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not JSON: {error}") from error
    if not isinstance(document, list):
        raise ValueError(f"{path}: must hold a JSON list of fills, holds {type(document).__name__}")
    return document


def _parse_row(raw: object, coin: str) -> TapeRow | None:
    """Parse one row.

    None: it is not a trade of the coin.
    """
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
        oid=raw["oid"] if isinstance(raw.get("oid"), int) else None,
        balance=_parse_decimal(raw, "startPosition") if "startPosition" in raw else None,
    )


def _parse_decimal(raw: dict[str, object], name: str) -> Decimal:
    """Parse a decimal and remove trailing zeros."""
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
    """Parse a decimal above zero."""
    if (value := _parse_decimal(raw, name)) <= 0:
        raise ValueError(f"{name} must be above 0, is {value}")
    return value


def compute_due_times(rows: Sequence[TapeRow], duration_s: float) -> tuple[float, ...]:
    """Compute each row's due time, in seconds.

    Times count from the start and are scaled so that the last row is due at `duration_s`.
    """
    if not rows:
        return ()
    first_ms = rows[0].time_ms
    span_ms = rows[-1].time_ms - first_ms
    return tuple((row.time_ms - first_ms) / span_ms * duration_s if span_ms else 0.0 for row in rows)


def tape_market(rows: Sequence[TapeRow]) -> TapeMarket:
    """Derive the market of a tape from its rows.

    A buy pays its fee in base and a sell in quote, so the fees show the tokens.
    Errors: ValueError if there is no row, or if one side names two fee tokens.
    """
    if not rows:
        raise ValueError("the tape is empty: at least one fill is needed to derive its market")
    return TapeMarket(
        base=_find_fee_token(row for row in rows if row.is_buy),
        quote=_find_fee_token(row for row in rows if not row.is_buy),
        sz_decimals=max(-int(row.size.as_tuple().exponent) for row in rows),
        order_size=max(sum_by_order(rows)),
        is_fee_free=all(row.fee == 0 for row in rows),
        min_notional=min(row.price * row.size for row in rows),
    )


def sum_by_order(rows: Iterable[TapeRow]) -> Iterable[Decimal]:
    """Sum up the fills of each order.

    A row without oid is an order of its own.
    """
    sums: dict[tuple[int, int | None], Decimal] = {}
    for position, row in enumerate(rows):
        order = (position, None) if row.oid is None else (-1, row.oid)
        sums[order] = sums.get(order, Decimal(0)) + row.size
    return sums.values()


def group_sweeps(rows: Iterable[TapeRow]) -> list[list[TapeRow]]:
    """Group rows by taker: those of one instant and side."""
    return [list(sweep) for _, sweep in groupby(rows, key=lambda row: (row.time_ms, row.is_buy))]


def sort_best_first(sweep: Sequence[TapeRow]) -> list[TapeRow]:
    """Sort a sweep by price, the maker's best first.

    Rows of one price keep their order.
    """
    return sorted(sweep, key=lambda row: -row.price if row.is_buy else row.price)


def cut_pauses(rows: Sequence[TapeRow], *, period_ms: int) -> tuple[TapeRow, ...]:
    """Cut each pause to less than two periods.

    Whole periods are left out, and one at least stays of a longer pause: whoever acts once a period, at whichever
    phase, acts in the same pauses as before.
    """
    kept: list[TapeRow] = []
    left_out_ms = 0
    for position, row in enumerate(rows):
        if position and (periods := (row.time_ms - rows[position - 1].time_ms) // period_ms) > 1:
            left_out_ms += (periods - 1) * period_ms
        kept.append(replace(row, time_ms=row.time_ms - left_out_ms))
    return tuple(kept)


def _find_fee_token(rows: Iterable[TapeRow]) -> str | None:
    names = sorted({row.fee_token for row in rows})
    if len(names) > 1:
        raise ValueError(f"the fills of one side name {len(names)} fee tokens: {', '.join(names)}")
    return names[0] if names else None


class TapeTakers:
    """Takers of a tape, replayed within `duration_s`.

    Each (instant, side) is one action. A sweep over several prices is sent as one order for each row, the maker's
    best price first: each order has its row's size, and its price as limit. On the recorded book that gives the
    recorded fills, as a single large order would. On a book that has drifted no order trades at a worse price than
    its row's.
    """

    def __init__(self, rows: Sequence[TapeRow], pair: Pair, *, duration_s: float) -> None:
        self._asset = pair.asset
        self._sweeps = group_sweeps(rows)
        self._due_s = compute_due_times([sweep[0] for sweep in self._sweeps], duration_s)
        self._next = 0

    def pause_s(self) -> float | None:
        """Return seconds until the next sweep; None after the last."""
        if self._next == len(self._sweeps):
            return None
        before_s = self._due_s[self._next - 1] if self._next else 0.0
        return self._due_s[self._next] - before_s

    def decide(self, book: BookView) -> tuple[NewOrder, ...]:
        """Return the next sweep's orders; ignore the book."""
        sweep = self._sweeps[self._next]
        self._next += 1
        return tuple(
            NewOrder(asset=self._asset, is_buy=not row.is_buy, price=row.price, size=row.size, tif="Ioc")
            for row in sort_best_first(sweep)
        )
