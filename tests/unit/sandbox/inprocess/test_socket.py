"""Pairing of frames with callbacks, compared with the SDK itself."""

from __future__ import annotations

from typing import Any

import pytest
from hyperliquid.websocket_manager import subscription_to_identifier, ws_msg_to_identifier
from sandbox_kit import dec
from ws_kit import HYPE, MAKER, Venue

from mm_trio.sandbox.inprocess.socket import Feed, _identify_frame, _identify_subscription
from mm_trio.sandbox.model.commands import Deposit

WISHES: list[dict[str, Any]] = [
    {"type": "allMids"},
    *({"type": kind, "coin": HYPE} for kind in ("l2Book", "trades", "bbo", "activeAssetCtx")),
    {"type": "candle", "coin": HYPE, "interval": "1m"},
    *({"type": kind, "user": MAKER} for kind in ("userEvents", "userFills", "orderUpdates", "userFundings")),
    *({"type": kind, "user": MAKER} for kind in ("userNonFundingLedgerUpdates", "webData2")),
    {"type": "activeAssetData", "user": MAKER, "coin": HYPE},
    *({"type": kind, "user": MAKER} for kind in ("spotState", "openOrders", "webData3", "notification")),
]


@pytest.mark.parametrize("wish", WISHES, ids=lambda wish: str(wish["type"]))
def test_every_subscription_and_frame_has_the_sdks_identifier(wish: dict[str, Any]) -> None:
    venue = Venue(web_data2=True)
    venue.trade()
    line = venue.line()
    line.subscribe(**wish)
    venue.trade()
    venue.gateway.apply(Deposit(MAKER, 0, dec("1")))
    venue.on_clock(after_ms=60_000)

    assert _identify_subscription(wish) == subscription_to_identifier(wish)
    for frame in line.take():
        assert _identify_frame(frame) == (ws_msg_to_identifier(frame) or "nothing")


@pytest.mark.parametrize(
    "wish",
    [wish for wish in WISHES if wish["type"] in ("candle", "activeAssetCtx", "userNonFundingLedgerUpdates")],
    ids=lambda wish: str(wish["type"]),
)
def test_channels_that_only_the_sdk_names_reach_their_callback(wish: dict[str, Any]) -> None:
    venue = Venue()
    venue.trade()
    heard: list[Any] = []
    feed = Feed(venue.gateway, Feed.dispatch)

    feed.subscribe(wish, heard.append)
    n_at_first = len(heard)
    venue.trade()
    venue.gateway.apply(Deposit(MAKER, 0, dec("1")))
    venue.on_clock()

    assert n_at_first == 1
    assert len(heard) > n_at_first
