"""Small histories of a maker, and the certificates that are made of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

from mm_trio.cli.liquidity_programs.signing import find_address, sign
from mm_trio.config.keys import Secret
from mm_trio.journal.sqlite_journal import Journal
from mm_trio.liquidity.certificate import Event, Header, Writing
from mm_trio.liquidity.figures import Figures
from mm_trio.liquidity.lines import LineWriter
from mm_trio.liquidity.samples import BookChange, Change, Fill, MarketPrices, Volume
from mm_trio.liquidity.terms import Terms, read_terms
from mm_trio.liquidity.units import parse_units
from mm_trio.model.journal_entries import Began, Booked
from mm_trio.model.observations import BestPrices, Coverage, MarketTrade, Observed, OwnBook, RestingSize
from mm_trio.model.orders import Quote
from mm_trio.recorder.record_file import RecordFile

ACCOUNT = "0x" + "ab" * 20
OTHER = "0x" + "cd" * 20
# A key of these tests alone.
KEY = "0x" + "11" * 32
OTHER_KEY = "0x" + "22" * 32
COIN = "@107"
# 2026-03-01, midnight.
DAY_S = 1_772_323_200
D = Decimal

TERMS = read_terms(
    {
        "within_pct": "1",
        "target_bps": "35",
        "clause": [{"name": "uptime", "side": "both", "at_least": "0.5", "within_pct": "1"}],
    }
)


def units(text: str) -> int:
    """Return a price or size in units."""
    return parse_units(text)


def market(bid: str | None, ask: str | None) -> MarketPrices:
    """Return best prices."""
    return MarketPrices(bid and units(bid), ask and units(ask))  # type: ignore[arg-type] # no text is empty


def book(*orders: str, state: str = "quoting", reason: str | None = None) -> BookChange:
    """Return a change of our book, of words such as "buy 5 @ 20"."""
    rows = []
    for order in orders:
        side, size, _, price = order.split()
        rows.append((side, units(price), units(size)))
    return BookChange(state, reason, tuple(sorted(rows)))  # type: ignore[arg-type] # sides are words


def make_header(terms: Terms = TERMS, *, from_s: int = DAY_S, until_s: int = DAY_S + 100, **more: Any) -> Header:
    """Make a header of a short period."""
    values: dict[str, Any] = {
        "network": "sandbox",
        "account": ACCOUNT,
        "agent": "0x" + "00" * 20,
        "coin": COIN,
        "from_s": from_s,
        "until_s": until_s,
        "made_ms": (until_s + 60) * 1000,
        "is_partial": False,
        "preset": None,
        "ladder": [],
        "journal": None,
        "terms": terms,
    }
    return Header(**(values | more))


def compute(events: Sequence[Event], terms: Terms = TERMS, *, n: int = 100, volumes: Iterable[Volume] = ()) -> Figures:
    """Compute the figures of `n` samples from the first second of a day on."""
    writing = Writing(make_header(terms, until_s=DAY_S + n), None)
    for _ in writing.lines(events, volumes):
        pass
    assert writing.figures is not None
    return writing.figures


def rehash(bodies: Iterable[dict[str, Any]]) -> list[bytes]:
    """Write lines of these bodies with a chain that fits."""
    writer = LineWriter()
    return [writer.write(body) for body in bodies]


def read_bodies(lines: Iterable[bytes]) -> list[dict[str, Any]]:
    """Read the bodies of lines without a check."""
    return [json.loads(line)["body"] for line in lines]


# --- A maker's folder --------------------------------------------------------------------------


def order(side: str, size: str, price: str) -> RestingSize:
    """Return an order that rests."""
    return RestingSize(side, D(price), D(size))  # type: ignore[arg-type] # sides are words


BID, ASK, HIGH = order("buy", "100", "20"), order("sell", "100", "20.06"), order("sell", "100", "20.12")


def booked(second: float, tid: int, side: str, size: str, price: str) -> Booked:
    """Return a booked fill, so many seconds after the beginning of the day."""
    quote = Quote(side, 0, D(price), D(size))  # type: ignore[arg-type] # sides are words
    return Booked(70 + tid, tid, DAY_S * 1000 + int(second * 1000), COIN, quote, D(0), "quote")


def observe() -> list[Observed]:
    """Return a short life: both sides, a sold level, a hole, a pause, and a side sold out."""
    at = DAY_S * 1000
    return [
        BestPrices(at, D(20), D(100), D("20.06"), D(100)),
        OwnBook(at, (BID, ASK, HIGH), "quoting"),
        OwnBook(at + 10_200, (BID, HIGH), "quoting"),
        BestPrices(at + 10_200, D(20), D(100), D("20.12"), D(100)),
        MarketTrade(at + 10_150, 1, D("20.06"), D(100), "buy", OTHER, ACCOUNT),
        MarketTrade(at + 11_000, 2, D(20), D(50), "sell", OTHER, OTHER),
        OwnBook(at + 13_100, (BID, order("buy", "100", "20.06"), HIGH), "quoting"),
        BestPrices(at + 13_100, D("20.06"), D(100), D("20.12"), D(100)),
        OwnBook(at + 40_000, (), "paused", "socket closed"),
        OwnBook(at + 50_000, (BID,), "quoting"),
        OwnBook(at + 60_000, (BID, ASK, HIGH), "quoting"),
        BestPrices(at + 60_000, D(20), D(100), D("20.06"), D(100)),
        Coverage("own", at, at + 29_400),
        Coverage("own", at + 33_000, at + 99_999),
        Coverage("market", at, at + 99_999),
    ]


def make_folder(home: Path, observed: Iterable[Observed] | None = None, fills: Sequence[Booked] | None = None) -> Path:
    """Make the state folder of a maker that lived for 100 s from the beginning of the day on."""
    folder = home / "mm_trio" / "testnet" / ACCOUNT / COIN
    with closing(Journal.open(folder)) as journal:
        journal.append([Began(1, {"start_px": "20", "order_sz": "100"})], at_ms=DAY_S * 1000 - 500)
        known = [booked(10.15, 1, "sell", "100", "20.06")] if fills is None else list(fills)
        journal.append(known, at_ms=DAY_S * 1000 + 10_300)
    with closing(RecordFile.open(folder)) as record:
        record.append(observe() if observed is None else observed)
    return folder


# --- Signed certificates -----------------------------------------------------------------------


def live_for(mid: str, size: str) -> list[Event]:
    """Return events of 100 s around a price: a sold level, a hole, a pause, and a side sold out."""

    def at(offset: str) -> str:
        return f"{D(mid) + D(offset) * D(mid) / 1000:f}".rstrip("0")

    low, high, far = at("-0.5"), at("0.5"), at("1.5")
    both = book(f"buy {size} @ {low}", f"sell {size} @ {high}", f"sell {size} @ {far}")
    none = book(f"buy 0 @ {low}", f"sell 0 @ {high}", f"sell 0 @ {far}", state="paused", reason="socket closed")
    start = DAY_S * 1000
    return [
        Change(DAY_S, market(low, high), both),
        Fill(start + 10_150, 1, 71, units(high), units(size), "sell"),
        Change(DAY_S + 11, market(low, far), book(f"sell 0 @ {high}")),
        Change(DAY_S + 14, market(low, high), book(f"sell {size} @ {high}")),
        Change(DAY_S + 30, own=None),
        Change(DAY_S + 33, own=both),
        Change(DAY_S + 40, own=none),
        Change(DAY_S + 50, own=book(f"buy {size} @ {low}")),
        Change(DAY_S + 52, own=both),
        Change(DAY_S + 95, market=None),
    ]


def write_signed(terms: Terms, events: Sequence[Event], *, key: str = KEY, **more: Any) -> list[bytes]:
    """Write a certificate that the key of these tests signed, over 100 s."""
    secret = Secret(key)
    header = make_header(terms, **{"agent": find_address(secret), **more})
    volume = Volume(DAY_S, 2, units("150"), units("20") * units("150"), 1, units("20") * units("100"))
    return list(Writing(header, lambda text: sign(secret, text)).lines(events, [volume]))
