"""Fills beside what the record saw of them: who took, and the prices before and after."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from pathlib import Path

from mm_trio.model.errors import RecordError
from mm_trio.model.journal_entries import Booked
from mm_trio.model.observations import Mark
from mm_trio.recorder.record_file import RecordFile

__all__ = ["FillRow", "FillTotals", "Seen", "find_seen", "take_last"]

# Enough digits for a product of two numbers of the venue.
DIGITS = 60
# The record is read in spans of this many fills.
ROWS_AT_ONCE = 1_000
BEFORE = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the record has of a fill; None and empty where nobody looked.

    `counterparty` is the address that traded with us. `marks` are by the milliseconds after the fill, 0: just before.
    """

    counterparty: str | None = None
    marks: dict[int, Mark] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FillRow:
    """Fill of ours, and what was seen of it."""

    fill: Booked
    seen: Seen

    @property
    def mark_before(self) -> Decimal | None:
        """Return the mid just before the fill, None where it is not known."""
        return self.find_mid(BEFORE)

    @property
    def edge(self) -> Decimal | None:
        """Return what the fill's price was better than the mid just before, in quote for the whole fill."""
        mid, quote = self.mark_before, self.fill.quote
        if mid is None:
            return None
        with localcontext(prec=DIGITS):
            difference = mid - quote.price if quote.side == "buy" else quote.price - mid
            return difference * quote.size

    def find_mid(self, after_ms: int) -> Decimal | None:
        """Return the mid so long after the fill."""
        mark = self.seen.marks.get(after_ms)
        return None if mark is None else mark.mid

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        fill, quote = self.fill, self.fill.quote
        return {
            "time_ms": fill.time_ms,
            "coin": fill.coin,
            "side": quote.side,
            "level": quote.level_index,
            "price": f"{quote.price:f}",
            "size": f"{quote.size:f}",
            "fee": f"{fill.fee:f}",
            "fee_token": fill.fee_token,
            "oid": fill.oid,
            "tid": fill.tid,
            "counterparty": self.seen.counterparty,
            "mark_before": _text(self.mark_before),
            "marks_after": {str(ms): _text(mark.mid) for ms, mark in sorted(self.seen.marks.items()) if ms},
            "edge": _text(self.edge),
        }


@dataclass(slots=True)
class FillTotals:
    """Exact sums over fills: bought and sold in base and quote, fees by token."""

    n: int = 0
    bought: Decimal = Decimal(0)
    sold: Decimal = Decimal(0)
    paid: Decimal = Decimal(0)
    received: Decimal = Decimal(0)
    fees: dict[str, Decimal] = field(default_factory=dict)

    def add(self, fill: Booked) -> None:
        """Count a fill."""
        quote, token = fill.quote, fill.fee_token or ("base" if fill.quote.side == "buy" else "quote")
        self.n += 1
        with localcontext(prec=DIGITS):
            notional = quote.price * quote.size
            if quote.side == "buy":
                self.bought, self.paid = self.bought + quote.size, self.paid + notional
            else:
                self.sold, self.received = self.sold + quote.size, self.received + notional
            self.fees[token] = self.fees.get(token, Decimal(0)) + fill.fee

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        return {
            "n": self.n,
            "bought": f"{self.bought:f}",
            "paid": f"{self.paid:f}",
            "sold": f"{self.sold:f}",
            "received": f"{self.received:f}",
            "fees": {token: f"{fee:f}" for token, fee in sorted(self.fees.items())},
        }


def take_last(fills: Iterable[Booked], *, limit: int) -> tuple[list[Booked], FillTotals]:
    """Keep the last `limit` fills (0: all), and sum up every one."""
    totals, kept = FillTotals(), deque[Booked](maxlen=limit or None)
    for fill in fills:
        totals.add(fill)
        kept.append(fill)
    return list(kept), totals


def find_seen(folder: Path, fills: list[Booked]) -> tuple[list[FillRow], str | None]:
    """Look fills up in the record of `folder`; without one nothing was seen, and the reason is returned."""
    try:
        record = RecordFile.open_to_read(folder)
    except RecordError as error:
        return [FillRow(fill=fill, seen=Seen()) for fill in fills], str(error)
    try:
        return list(_look_up(record, fills)), None
    except RecordError as error:
        return [FillRow(fill=fill, seen=Seen()) for fill in fills], str(error)
    finally:
        record.close()


def _look_up(record: RecordFile, fills: list[Booked]) -> Iterator[FillRow]:
    for begin in range(0, len(fills), ROWS_AT_ONCE):
        part = fills[begin : begin + ROWS_AT_ONCE]
        times = [fill.time_ms for fill in part if fill.time_ms is not None]
        takers: dict[tuple[int, int], str | None] = {}
        marks: dict[int, dict[int, Mark]] = {}
        if times:
            for trade in record.read_trades(min(times), max(times)):
                takers[trade.time_ms, trade.tid] = trade.seller if trade.side == "sell" else trade.buyer
            for mark in record.read_marks(min(times), max(times)):
                marks.setdefault(mark.fill_ms, {})[mark.after_ms] = mark
        for fill in part:
            at = fill.time_ms or 0
            yield FillRow(fill=fill, seen=Seen(counterparty=takers.get((at, fill.tid)), marks=marks.get(at, {})))


def _text(value: Decimal | None) -> str | None:
    return None if value is None else f"{value:f}"
