"""A venue in process and short words for it, for the tests of the SDK-shaped stand-in."""

from __future__ import annotations

from typing import Any

from sandbox_kit import HYPE, TAKER, Clock, buy, make_exchange, make_front
from troubled_venue import TroubledVenue

from mm_trio.sandbox.api.gateway import Gateway
from mm_trio.sandbox.inprocess.info import InProcessInfo, InProcessVenue
from mm_trio.sandbox.model.commands import PlaceOrders


class Cloid:
    """In the shape of the SDK's."""

    def __init__(self, raw: str) -> None:
        self._raw = raw

    def to_raw(self) -> str:
        return self._raw


def make_venue() -> TroubledVenue:
    return TroubledVenue(make_front())


def make_clocked_venue(**options: int | str) -> tuple[TroubledVenue, Clock]:
    """A venue whose time the test moves; `options` are the exchange's."""
    clock = Clock()
    return TroubledVenue(Gateway(make_exchange(**options), now_ms=clock)), clock


def request(**changes: object) -> dict[str, Any]:
    return {
        "coin": HYPE,
        "is_buy": False,
        "sz": 1.0,
        "limit_px": 20.0,
        "order_type": {"limit": {"tif": "Alo"}},
        "reduce_only": False,
    } | changes


def oid_of(answer: dict[str, Any]) -> int:
    """The oid of the first order of an answer, which rests."""
    oid: int = answer["response"]["data"]["statuses"][0]["resting"]["oid"]
    return oid


def take(venue: InProcessVenue, size: str = "1") -> None:
    venue.gateway.apply(PlaceOrders(TAKER, (buy("20", size, "Ioc"),)))


def listen(info: InProcessInfo, **subscription: object) -> list[dict[str, Any]]:
    frames: list[dict[str, Any]] = []
    info.subscribe(subscription, frames.append)
    return frames
