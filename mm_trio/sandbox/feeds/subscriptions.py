"""Subscription requests: how they are parsed and compared.

A subscription is kept as the venue echoes it: known fields only, defaults filled in, addresses in lower case. Two
requests are the same subscription if their echoes are equal.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mm_trio.sandbox.info.aggregation import is_aggregation
from mm_trio.sandbox.info.candles import INTERVALS
from mm_trio.sandbox.info.rows import Json
from mm_trio.sandbox.model.markets import Markets

__all__ = ["InvalidSubscription", "Subscription", "UnknownCoin", "UnreadableSubscription", "read_subscription"]

# Measured over HTTP: the prefix may be left out.
_ADDRESS = re.compile(r"(0x)?[0-9a-fA-F]{40}")

Request = Mapping[str, object]


class UnreadableSubscription(Exception):
    """Raised for a request outside the venue's schema.

    Its type is unknown, or a field is missing or has another type.
    """


class InvalidSubscription(Exception):
    """Raised for a well-formed request for something not offered."""


class UnknownCoin(Exception):
    """Raised for an unknown coin.

    The venue then disconnects without a frame.
    """


@dataclass(slots=True, eq=False)
class Subscription:
    """Subscription of one connection, with its last sent value.

    `last_sent` is read and written only by the functions that build the frames of that kind.
    """

    echo: Json
    last_sent: object = None
    last_sent_ms: int | None = None

    @property
    def kind(self) -> str:
        """Return the subscription's type, such as `l2Book`."""
        return str(self.echo["type"])

    @property
    def coin(self) -> str:
        """Return the coin; "None" for a kind without one."""
        return str(self.echo.get("coin"))

    @property
    def user(self) -> str | None:
        """Return the user in lower case, if any."""
        user = self.echo.get("user")
        return None if user is None else str(user)

    @property
    def text(self) -> str:
        """Return the echo as the venue quotes it.

        It identifies the subscription.
        """
        return json.dumps(self.echo, separators=(",", ":"))


def read_subscription(request: object, markets: Markets, *, web_data2: bool) -> Subscription:
    """Parse what the client asks for.

    Errors: UnreadableSubscription, InvalidSubscription, UnknownCoin.
    Source: docs *Subscriptions*. That a missing field is unreadable rather than invalid is decided here: the venue
    parses into a type of its own, as it does over HTTP.
    """
    kind = request.get("type") if isinstance(request, Mapping) else None
    if not isinstance(kind, str) or kind not in _FIELDS or (kind == "webData2" and not web_data2):
        raise UnreadableSubscription
    assert isinstance(request, Mapping)
    echo: Json = {"type": kind}
    for read in _FIELDS[kind]:
        echo |= read(request)
    if "coin" in echo:
        _check_coin(str(echo["coin"]), markets)
    return Subscription(echo)


def _check_coin(coin: str, markets: Markets) -> None:
    try:
        markets.pair(coin)
    except KeyError:
        raise UnknownCoin(coin) from None


def _read_user(request: Request) -> Json:
    user = request.get("user")
    if not isinstance(user, str) or not _ADDRESS.fullmatch(user):
        raise UnreadableSubscription
    return {"user": f"0x{user.lower().removeprefix('0x')}"}


def _read_coin(request: Request) -> Json:
    coin = request.get("coin")
    if not isinstance(coin, str):
        raise UnreadableSubscription
    return {"coin": coin}


def _read_interval(request: Request) -> Json:
    interval = request.get("interval")
    if not isinstance(interval, str):
        raise UnreadableSubscription
    if interval not in INTERVALS:
        raise InvalidSubscription
    return {"interval": interval}


def _read_depth(request: Request) -> Json:
    """Parse how levels are aggregated.

    Both fields are null for the raw book.
    """
    sig_figs, mantissa = (_read_integer(request.get(name)) for name in ("nSigFigs", "mantissa"))
    if not is_aggregation(sig_figs, mantissa):
        raise InvalidSubscription
    return {"nSigFigs": sig_figs, "mantissa": mantissa} | _read_flag(request, "fast", absent=None)


def _read_integer(value: object) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise UnreadableSubscription
    return value


def _read_flag(request: Request, name: str, *, absent: bool | None) -> Json:
    """Parse a flag.

    If `absent` is None, an unset flag is not echoed.
    """
    value = request.get(name)
    if value is None:
        value = absent
    if value is not None and not isinstance(value, bool):
        raise UnreadableSubscription
    return {name: value} if value or absent is not None else {}


def _read_aggregation(request: Request) -> Json:
    return _read_flag(request, "aggregateByTime", absent=False)


def _read_portfolio(request: Request) -> Json:
    return _read_flag(request, "isPortfolioMargin", absent=None)


def _read_dex(request: Request) -> Json:
    """Parse the name of a perp dex.

    Only the first dex exists here. Its name is empty and may be left out.
    """
    dex = request.get("dex")
    if dex is not None and not isinstance(dex, str):
        raise UnreadableSubscription
    if dex:
        raise InvalidSubscription
    return {} if dex is None else {"dex": dex}


_Reader = Callable[[Request], Json]
_FIELDS: dict[str, tuple[_Reader, ...]] = {
    "allMids": (_read_dex,),
    "l2Book": (_read_coin, _read_depth),
    "bbo": (_read_coin,),
    "trades": (_read_coin,),
    # The interval comes first in the echo, as captured.
    "candle": (_read_interval, _read_coin),
    "activeAssetCtx": (_read_coin,),
    "spotAssetCtxs": (),
    "assetCtxs": (_read_dex,),
    "allDexsAssetCtxs": (),
    "allDexsClearinghouseState": (_read_user,),
    "activeAssetData": (_read_user, _read_coin),
    "userFills": (_read_user, _read_aggregation),
    "userEvents": (_read_user,),
    "orderUpdates": (_read_user,),
    "userHistoricalOrders": (_read_user,),
    "userFundings": (_read_user,),
    "userNonFundingLedgerUpdates": (_read_user,),
    "userTwapSliceFills": (_read_user,),
    "userTwapHistory": (_read_user,),
    "twapStates": (_read_user, _read_dex),
    "openOrders": (_read_user, _read_dex),
    "spotState": (_read_user, _read_portfolio),
    "clearinghouseState": (_read_user, _read_dex),
    "notification": (_read_user,),
    "webData2": (_read_user,),
    "webData3": (_read_user,),
}
