"""Bodies of the lines of a certificate: plain values of changes, fills and volumes, and back.

Readers accept what their writers write and nothing else. Errors: CertificateError.
"""

from __future__ import annotations

from typing import cast

from mm_trio.liquidity.lines import Body, CertificateError
from mm_trio.liquidity.samples import KEPT, BookChange, Change, Fill, Kept, MarketPrices, Volume
from mm_trio.liquidity.units import AMOUNT_DIGITS, NOTIONAL_DIGITS, format_units, parse_units
from mm_trio.model.orders import Side

__all__ = [
    "MOST_TEXT",
    "read_change",
    "read_fill",
    "read_volume",
    "write_change",
    "write_fill",
    "write_volume",
]

_SIDES = ("buy", "sell")
MOST_TEXT = 300
# What the venue counts with.
_MOST_INTEGER = 2**63 - 1


def write_change(change: Change) -> Body:
    """Write a change; what it leaves as it is has no key."""
    body: dict[str, object] = {"kind": "change", "t": change.second}
    if not isinstance(change.market, Kept):
        prices = change.market
        body["market"] = None if prices is None else [_format(prices.bid), _format(prices.ask)]
    if change.own is None:
        body["own"] = None
    elif not isinstance(change.own, Kept):
        own = change.own
        orders = [[side, format_units(price), format_units(size)] for side, price, size in own.sizes]
        body["own"] = {"orders": orders, "reason": own.reason, "state": own.state}
    return body


def read_change(body: Body) -> Change:
    """Read a change."""
    _check_keys(body, needed={"kind", "t"}, others={"market", "own"})
    market: MarketPrices | Kept | None = KEPT
    if "market" in body:
        raw = body["market"]
        market = None if raw is None else MarketPrices(*(_read_price(price) for price in _read_list(raw, 2)))
    own: BookChange | Kept | None = KEPT
    if "own" in body:
        own = None if body["own"] is None else _read_book(body["own"])
    return Change(_read_integer(body["t"], "t"), market, own)


def write_fill(fill: Fill) -> Body:
    """Write a fill."""
    return {
        "kind": "fill",
        "time": fill.time_ms,
        "tid": fill.tid,
        "oid": fill.oid,
        "px": format_units(fill.price),
        "sz": format_units(fill.size),
        "side": fill.side,
    }


def read_fill(body: Body) -> Fill:
    """Read a fill."""
    _check_keys(body, needed={"kind", "time", "tid", "oid", "px", "sz", "side"})
    time_ms, tid, oid = (_read_integer(body[key], key) for key in ("time", "tid", "oid"))
    price, size = (_read_units(body[key], key) for key in ("px", "sz"))
    if price == 0 or size == 0:
        raise CertificateError("px and sz must be above 0")
    return Fill(time_ms, tid, oid, price, size, _read_side(body["side"]))


def write_volume(volume: Volume) -> Body:
    """Write the trades of a day."""
    return {
        "kind": "volume",
        "day": volume.day_s,
        "trades": volume.trades,
        "size": format_units(volume.size),
        "notional": format_units(volume.notional, NOTIONAL_DIGITS),
        "own_trades": volume.own_trades,
        "own_notional": format_units(volume.own_notional, NOTIONAL_DIGITS),
    }


def read_volume(body: Body) -> Volume:
    """Read the trades of a day."""
    _check_keys(body, needed={"kind", "day", "trades", "size", "notional", "own_trades", "own_notional"})
    day_s, trades, own_trades = (_read_integer(body[key], key) for key in ("day", "trades", "own_trades"))
    size = _read_units(body["size"], "size")
    notional, own = (_read_units(body[key], key, NOTIONAL_DIGITS) for key in ("notional", "own_notional"))
    if own > notional or own_trades > trades:
        raise CertificateError("own trades are more than all trades")
    return Volume(day_s, trades, size, notional, own_trades, own)


def _read_book(raw: object) -> BookChange:
    if not isinstance(raw, dict):
        raise CertificateError("own must be an object or null")
    _check_keys(raw, needed={"orders", "reason", "state"})
    sizes = []
    for row in _read_list(raw["orders"]):
        side, price, size = _read_list(row, 3)
        sizes.append((_read_side(side), _read_units(price, "price"), _read_units(size, "size")))
    slots = [(side, price) for side, price, _ in sizes]
    if slots != sorted(set(slots)) or any(price == 0 for _, price in slots):
        raise CertificateError("orders must be sorted by side and price, each price above 0 and named once")
    reason = raw["reason"]
    return BookChange(
        _read_text(raw["state"], "state"), None if reason is None else _read_text(reason, "reason"), tuple(sizes)
    )


def _check_keys(body: Body, *, needed: set[str], others: set[str] | None = None) -> None:
    if not needed <= body.keys() <= needed | (others or set()):
        wrong = sorted((needed - body.keys()) | (body.keys() - needed - (others or set())))
        raise CertificateError(f"keys are missing or unknown: {', '.join(wrong)[:MOST_TEXT]}")


def _read_list(raw: object, n: int | None = None) -> list[object]:
    if not isinstance(raw, list) or (n is not None and len(raw) != n):
        raise CertificateError(f"must be a list{'' if n is None else f' of {n}'}")
    return raw


def _read_integer(raw: object, key: str) -> int:
    if isinstance(raw, bool) or not isinstance(raw, int) or not 0 <= raw <= _MOST_INTEGER:
        raise CertificateError(f"{key} must be a whole number from 0 to {_MOST_INTEGER}")
    return raw


def _read_units(raw: object, key: str, digits: int = AMOUNT_DIGITS) -> int:
    try:
        return parse_units(raw if isinstance(raw, str) else "", digits)
    except ValueError:
        raise CertificateError(f"{key} must be the text of a number with at most {digits} decimals") from None


def _read_price(raw: object) -> int | None:
    if raw is None:
        return None
    price = _read_units(raw, "market")
    if price == 0:
        raise CertificateError("a price must be above 0")
    return price


def _format(price: int | None) -> str | None:
    return None if price is None else format_units(price)


def _read_side(raw: object) -> Side:
    if raw not in _SIDES:
        raise CertificateError("side must be buy or sell")
    return cast("Side", raw)


def _read_text(raw: object, key: str) -> str:
    if not isinstance(raw, str) or len(raw) > MOST_TEXT:
        raise CertificateError(f"{key} must be a text of at most {MOST_TEXT} characters")
    return raw
