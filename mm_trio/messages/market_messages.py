"""Frames of a market's feeds `bbo` and `trades`, read strictly.

A frame is what the SDK hands to a callback: its channel and its data.
"""

from __future__ import annotations

import re
from typing import Any

from mm_trio.messages.fields import (
    Rows,
    get_field,
    read_integer,
    read_list,
    read_positive,
    read_rows,
    read_side,
    read_time_ms,
)
from mm_trio.model.errors import ProtocolError
from mm_trio.model.observations import BestPrices, MarketTrade

__all__ = ["MARKET_FEEDS", "read_best_prices", "read_trades"]

# Names of the subscriptions, and of their channels.
MARKET_FEEDS = ("bbo", "trades")
_ADDRESS = re.compile(r"0[xX][0-9a-fA-F]{40}")


def read_best_prices(frame: Any, coin: str) -> BestPrices:
    """Read best bid and best ask of a frame of `bbo`. Errors: ProtocolError."""
    data = get_field(frame, "data", "bbo")
    _check_coin(data, coin, "bbo.data")
    sides = read_list(get_field(data, "bbo", "bbo.data"), "bbo.data.bbo")
    if len(sides) != 2:
        raise ProtocolError("bbo.data.bbo", sides)
    (bid, bid_size), (ask, ask_size) = (_read_best(side, f"bbo.data.bbo[{i}]") for i, side in enumerate(sides))
    if bid is not None and ask is not None and bid >= ask:
        raise ProtocolError("bbo.data.bbo", sides)
    time_ms = read_time_ms(get_field(data, "time", "bbo.data"), "bbo.data.time")
    return BestPrices(time_ms, bid, bid_size, ask, ask_size)


def _read_best(raw: Any, path: str) -> Any:
    """Read (price, size) of one side; both None where it is empty."""
    if raw is None:
        return None, None
    return tuple(read_positive(get_field(raw, name, path), f"{path}.{name}") for name in ("px", "sz"))


def read_trades(frame: Any, coin: str) -> Rows[MarketTrade]:
    """Read the trades of a frame, and the errors of rows that cannot be read.

    Errors: ProtocolError where the frame has no rows at all.
    """

    def read_trade(raw: Any, path: str) -> MarketTrade:
        _check_coin(raw, coin, path)
        buyer, seller = _read_users(raw, path)
        return MarketTrade(
            time_ms=read_time_ms(get_field(raw, "time", path), f"{path}.time"),
            tid=read_integer(get_field(raw, "tid", path), f"{path}.tid"),
            price=read_positive(get_field(raw, "px", path), f"{path}.px"),
            size=read_positive(get_field(raw, "sz", path), f"{path}.sz"),
            side=read_side(get_field(raw, "side", path), f"{path}.side"),
            buyer=buyer,
            seller=seller,
        )

    return read_rows(get_field(frame, "data", "trades"), "trades.data", read_trade)


def _read_users(raw: Any, path: str) -> tuple[str | None, str | None]:
    """Read buyer and seller in small letters; None where the venue names nobody."""
    if raw.get("users") is None:
        return None, None
    users = read_list(raw["users"], f"{path}.users")
    if len(users) != 2 or not all(isinstance(user, str) and _ADDRESS.fullmatch(user) for user in users):
        raise ProtocolError(f"{path}.users", raw["users"])
    return users[0].lower(), users[1].lower()


def _check_coin(raw: Any, coin: str, path: str) -> None:
    found = get_field(raw, "coin", path)
    if found != coin:
        raise ProtocolError(f"{path}.coin", found)
