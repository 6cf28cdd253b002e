"""A stranger's script that makes a small market: what every feed of the SDK tells of it.

One trader quotes, another takes one of the orders whole. The frames are compared with what REST tells of the same.
"""

from __future__ import annotations

import queue
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from process_kit import Sandbox
from script_kit import DEADLINE_S, Frame, Listener, Script, open_listener, open_script, statuses

pytestmark = pytest.mark.e2e

BIDS, ASKS = (19.9, 19.8, 19.7), (20.1, 20.2, 20.3)
SIZE = 1.5
QUIET_S = 0.3  # long enough for a frame that must not come


@dataclass(frozen=True)
class Market:
    """Who quotes and who took, his socket, what it told first, and the news of the one fill."""

    script: Script
    taker: Script
    listener: Listener
    first: dict[str, Frame]
    news: Frame

    @property
    def fill(self) -> dict[str, Any]:
        (fill,) = self.news["data"]["fills"]
        assert isinstance(fill, dict)
        return fill

    def hear(self, kind: str, is_meant: Callable[[Frame], bool]) -> Frame:
        """The next message of a feed that is meant; fails when none comes."""
        end_s = time.monotonic() + DEADLINE_S
        while time.monotonic() < end_s:
            if is_meant(frame := self.listener.next(kind)):
                return frame
        raise AssertionError(f"{kind} never told it")


@pytest.fixture(scope="module")
def market(sandbox: Sandbox) -> Iterator[Market]:
    """A ladder of which the best ask was taken."""
    script, taker = open_script(sandbox.access), open_script(sandbox.access, number=1)
    of_user, of_coin = {"user": script.account}, {"coin": script.coin}
    with open_listener(sandbox.url) as listener:
        for kind in ("userFills", "orderUpdates", "userEvents", "webData2", "userFundings"):
            listener.listen(kind, **of_user)
        listener.listen("userNonFundingLedgerUpdates", **of_user)
        for kind in ("l2Book", "bbo", "trades", "activeAssetCtx"):
            listener.listen(kind, **of_coin)
        listener.listen("candle", interval="1m", **of_coin)
        listener.listen("activeAssetData", **of_user, **of_coin)
        listener.listen("allMids")
        first = {kind: listener.next(kind) for kind in ("userFills", "l2Book", "bbo", "allMids")}
        rows = [script.request(price, SIZE) for price in BIDS]
        rows += [script.request(price, SIZE, is_buy=False) for price in ASKS]
        statuses(script.exchange.bulk_orders(rows))
        statuses(taker.take(ASKS[0], SIZE, is_buy=True))
        yield Market(script, taker, listener, first, news=listener.next("userFills"))


def is_number(text: object) -> bool:
    return isinstance(text, str) and re.fullmatch(r"-?[0-9]+\.[0-9]+", text) is not None


# --- a fill, everywhere it is told ---


def test_a_fill_is_a_row_of_the_venue(market: Market) -> None:
    fill = market.fill

    assert re.fullmatch("0x[0-9a-f]{64}", fill["hash"])
    assert all(isinstance(fill[name], int) for name in ("time", "oid", "tid"))
    told = {name: fill[name] for name in ("hash", "time", "oid", "tid")}
    assert fill == told | {
        "coin": "@107",
        "px": "20.1",
        "sz": "1.5",
        "side": "A",
        "startPosition": "300.0",
        "dir": "Sell",
        "closedPnl": fill["closedPnl"],
        "crossed": False,
        "fee": "0.01206",  # 0.04 % of what was received
        "feeToken": "USDC",
        "twapId": None,
    }
    assert is_number(fill["closedPnl"])


def test_the_fills_feed_begins_with_a_snapshot_and_goes_on_without(market: Market) -> None:
    account = market.script.account

    assert market.first["userFills"]["data"] == {"isSnapshot": True, "user": account, "fills": []}
    assert market.news["channel"] == "userFills"
    assert market.news["data"]["user"] == account
    assert not market.news["data"].get("isSnapshot")


def test_the_events_feed_tells_the_fill_on_the_channel_of_the_user(market: Market) -> None:
    frame = market.hear("userEvents", lambda frame: "fills" in frame["data"])

    assert frame == {"channel": "user", "data": {"fills": [market.fill]}}


def test_the_orders_feed_tells_open_and_then_filled(market: Market) -> None:
    oid = market.fill["oid"]
    told: list[dict[str, Any]] = []
    while not told or told[-1]["status"] != "filled":
        frame = market.hear("orderUpdates", lambda frame: any(row["order"]["oid"] == oid for row in frame["data"]))
        assert frame == {"channel": "orderUpdates", "data": frame["data"]}  # no user
        told += [row for row in frame["data"] if row["order"]["oid"] == oid]

    opened, filled = told
    placed_ms = opened["statusTimestamp"]
    order = {"coin": "@107", "side": "A", "limitPx": "20.1", "sz": "1.5", "oid": oid, "timestamp": placed_ms}
    order |= {"origSz": "1.5"}
    assert opened == {"order": order, "status": "open", "statusTimestamp": placed_ms}
    assert filled == {"order": order | {"sz": "0.0"}, "status": "filled", "statusTimestamp": market.fill["time"]}


def test_the_trades_feed_tells_it_with_buyer_and_seller(market: Market) -> None:
    frame = market.hear("trades", lambda frame: any(row["tid"] == market.fill["tid"] for row in frame["data"]))

    same = {name: market.fill[name] for name in ("coin", "px", "sz", "time", "hash", "tid")}
    users = [market.taker.account, market.script.account]
    assert frame == {"channel": "trades", "data": [same | {"side": "B", "users": users}]}


def test_a_candle_counts_it(market: Market) -> None:
    data = market.hear("candle", lambda frame: frame["data"]["n"] == 1)["data"]

    begin_ms = market.fill["time"] // 60_000 * 60_000
    prices = dict.fromkeys("ochl", "20.1")
    about = {"t": begin_ms, "T": begin_ms + 59_999, "s": "@107", "i": "1m", "v": "1.5", "n": 1}
    assert data == about | prices


# --- the market's feeds ---


def test_the_book_feed_tells_the_levels(market: Market) -> None:
    first = market.first["l2Book"]["data"]
    frame = market.hear("l2Book", lambda frame: all(frame["data"]["levels"]))

    assert first == {"coin": "@107", "time": first["time"], "levels": [[], []]}
    data = frame["data"]
    levels = [[{"px": str(price), "sz": "1.5", "n": 1} for price in side] for side in (BIDS, ASKS[1:])]
    assert data in (
        {"coin": "@107", "time": data["time"], "levels": levels},
        {"coin": "@107", "time": data["time"], "levels": [levels[0], [levels[1][0] | {"px": "20.1"}, *levels[1]]]},
    )


def test_the_best_prices_are_told_and_an_empty_side_is_null(market: Market) -> None:
    first = market.first["bbo"]["data"]
    assert first == {"coin": "@107", "time": first["time"], "bbo": [None, None]}

    data = market.hear("bbo", lambda frame: None not in frame["data"]["bbo"])["data"]
    best = [{"px": str(side[0]), "sz": "1.5", "n": 1} for side in (BIDS, ASKS)]
    assert data == {"coin": "@107", "time": data["time"], "bbo": best}


def test_the_mids_feed_tells_the_middle(market: Market) -> None:
    frame = market.hear("allMids", lambda frame: frame["data"]["mids"].get("@107") == "20.05")

    assert set(frame["data"]) == {"mids"}
    assert market.script.info.all_mids()["@107"] == "20.05"


def test_the_context_of_a_spot_pair_comes_on_a_channel_of_its_own(market: Market) -> None:
    frame = market.hear("activeAssetCtx", lambda frame: frame["data"]["ctx"]["midPx"] == "20.05")

    assert (frame["channel"], frame["data"]["coin"]) == ("activeSpotAssetCtx", "@107")
    assert {"prevDayPx", "dayNtlVlm", "markPx", "circulatingSupply"} <= set(frame["data"]["ctx"])


# --- the socket itself ---


def test_the_retired_feed_is_refused_and_the_others_go_on(market: Market) -> None:
    with pytest.raises(queue.Empty):
        market.listener.heard["webData2"].get(timeout=QUIET_S)
    assert market.hear("allMids", lambda frame: True)


def test_a_new_connection_gets_the_fills_so_far_once(market: Market) -> None:
    with open_listener(market.script.url) as listener:
        listener.listen("userFills", user=market.script.account)
        once = listener.next("userFills")
        first = listener.heard["userFills"]
        listener.listen("userFills", user=market.script.account)
        listener.listen("allMids")
        listener.next("allMids")  # the venue has answered both by then

        assert once["data"] == {"isSnapshot": True, "user": market.script.account, "fills": [market.fill]}
        assert first.empty()


def test_the_order_that_an_own_one_met_is_told_as_cancelled_by_the_venue(market: Market) -> None:
    own = market.script.rest(20.07, is_buy=False)
    market.script.take(20.07, 1, is_buy=True)
    frame = market.hear("userEvents", lambda frame: "nonUserCancel" in frame["data"])

    assert frame == {"channel": "user", "data": {"nonUserCancel": [{"coin": "@107", "oid": own}]}}


def test_a_coin_that_is_not_listed_costs_the_connection(market: Market) -> None:
    with open_listener(market.script.url) as listener:
        # around the SDK's own check of names
        listener.info.ws_manager.subscribe({"type": "bbo", "coin": "@99999"}, lambda frame: None)
        listener.info.ws_manager.join(DEADLINE_S)

        assert not listener.info.ws_manager.is_alive()
