"""What a client may subscribe to, and how its wish is read.

A subscription is kept as the venue echoes it: known fields only, completed, addresses in lower case. Two wishes are
the same subscription if their echoes are.
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

_ADDRESS = re.compile(r"(0x)?[0-9a-fA-F]{40}")  # measured over HTTP: the prefix may be left out

Request = Mapping[str, object]


class UnreadableSubscription(Exception):
    """Of no known type, or a field is missing or of another type: no request at all to the venue."""


class InvalidSubscription(Exception):
    """Well formed, and asks for what is not offered."""


class UnknownCoin(Exception):
    """The venue hangs up without a frame."""


@dataclass(slots=True, eq=False)
class Subscription:
    """One subscription of one connection: its echo, and what its client was last told and when.

    `told` belongs to whoever makes the frames of that kind.
    """

    echo: Json
    last_sent: object = None
    last_sent_ms: int | None = None

    @property
    def kind(self) -> str:
        return str(self.echo["type"])

    @property
    def coin(self) -> str:
        return str(self.echo.get("coin"))

    @property
    def user(self) -> str | None:
        """Lower case; None for a subscription that is about nobody."""
        user = self.echo.get("user")
        return None if user is None else str(user)

    @property
    def text(self) -> str:
        """The echo as the venue quotes it, which is also its identity."""
        return json.dumps(self.echo, separators=(",", ":"))


def read_subscription(request: object, markets: Markets, *, web_data2: bool) -> Subscription:
    """What the client asks for. Errors: the three of this module.

    Source: docs *Subscriptions*. That a missing field is unreadable rather than invalid is decided here: the venue
    parses into a type of its own, as it does on its HTTP side.
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
    """How levels are put together; both null for the book as it is."""
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
    """A flag; where `absent` is None, one that is not set is not echoed."""
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
    """The name of a perp dex. There is the first one alone, whose name is empty, and it may be left out."""
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
    "candle": (_read_interval, _read_coin),  # in this order, as captured
    "activeAssetCtx": (_read_coin,),
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
