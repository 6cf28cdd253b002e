"""Frames of `bbo` and `trades`: recorded ones are read exactly, spoilt ones are refused row by row."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

import pytest

from mm_trio.messages.market_messages import read_best_prices, read_trades
from mm_trio.model.errors import ProtocolError
from mm_trio.model.observations import BestPrices, MarketTrade

D = Decimal
COIN = "HYPE"
# As a public client library recorded them of the venue in November and December 2025.
BBO: dict[str, Any] = {
    "channel": "bbo",
    "data": {
        "coin": "HYPE",
        "time": 1766566375292,
        "bbo": [{"px": "23.757", "sz": "42.09", "n": 1}, {"px": "23.758", "sz": "100.26", "n": 2}],
    },
}
TRADE: dict[str, Any] = {
    "coin": "HYPE",
    "side": "B",
    "px": "35.276",
    "sz": "5.78",
    "time": 1764835613064,
    "hash": "0x0000000000000000000000000000000000000000000000000000000000000000",
    "tid": 716095722814130,
    "users": ["0x8cdba352268065be9d5444e1f82b8fe83717bbd5", "0x13558BE785661958932ceac35ba20de187275a42"],
}
READ = MarketTrade(
    1764835613064,
    716095722814130,
    D("35.276"),
    D("5.78"),
    "buy",
    "0x8cdba352268065be9d5444e1f82b8fe83717bbd5",
    "0x13558be785661958932ceac35ba20de187275a42",
)


def changed(raw: dict[str, Any], **fields: object) -> dict[str, Any]:
    return copy.deepcopy(raw) | fields


def bbo(**fields: object) -> dict[str, Any]:
    return {"channel": "bbo", "data": changed(BBO["data"], **fields)}


def trades(*rows: object) -> dict[str, Any]:
    return {"channel": "trades", "data": list(rows)}


def test_best_prices_are_read_exactly() -> None:
    assert read_best_prices(BBO, COIN) == BestPrices(1766566375292, D("23.757"), D("42.09"), D("23.758"), D("100.26"))


def test_an_empty_side_is_no_price() -> None:
    read = read_best_prices(bbo(bbo=[None, {"px": "2", "sz": "1", "n": 1}]), COIN)

    assert (read.bid, read.bid_size, read.ask, read.ask_size) == (None, None, D(2), D(1))


@pytest.mark.parametrize(
    "spoilt",
    [
        None,
        [],
        {"channel": "bbo"},
        bbo(coin="PURR/USDC"),
        bbo(time=None),
        bbo(time="1766566375292"),
        bbo(time=2**50),
        bbo(time=-1),
        bbo(bbo=None),
        bbo(bbo=[None]),
        bbo(bbo=[None, None, None]),
        bbo(bbo=[{"px": "1"}, None]),
        bbo(bbo=[{"px": "-1", "sz": "1"}, None]),
        bbo(bbo=[{"px": "NaN", "sz": "1"}, None]),
        bbo(bbo=[{"px": "1", "sz": "0"}, None]),
        bbo(bbo=[{"px": "2", "sz": "1"}, {"px": "2", "sz": "1"}]),
        bbo(bbo=[{"px": "3", "sz": "1"}, {"px": "2", "sz": "1"}]),
    ],
)
def test_spoilt_best_prices_are_refused(spoilt: object) -> None:
    with pytest.raises(ProtocolError):
        read_best_prices(spoilt, COIN)


def test_a_trade_is_read_exactly() -> None:
    assert read_trades(trades(TRADE), COIN) == ((READ,), ())


def test_a_trade_without_users_names_nobody() -> None:
    row = changed(TRADE)
    del row["users"]
    (trade,), _ = read_trades(trades(row), COIN)

    assert (trade.buyer, trade.seller) == (None, None)


@pytest.mark.parametrize(
    "fields",
    [
        {"coin": "BTC"},
        {"side": "buy"},
        {"px": "0"},
        {"sz": None},
        {"sz": True},
        {"time": 1.5},
        {"tid": "716095722814130"},
        {"tid": 2**63},
        {"tid": -1},
        {"users": "0x8cdba352268065be9d5444e1f82b8fe83717bbd5"},
        {"users": ["0x8cdba352268065be9d5444e1f82b8fe83717bbd5"]},
        {"users": ["0x8cdba352268065be9d5444e1f82b8fe83717bbd5", "\ud800"]},
        {"users": ["0x8cdba352268065be9d5444e1f82b8fe83717bbd5", 7]},
    ],
)
def test_a_spoilt_trade_is_counted_and_its_neighbours_stay(fields: dict[str, object]) -> None:
    good, bad = read_trades(trades(TRADE, changed(TRADE, **fields), TRADE), COIN)

    assert good == (READ, READ)
    assert len(bad) == 1


@pytest.mark.parametrize("row", [None, 1, "x", []])
def test_a_row_that_is_nothing_spoils_no_other(row: object) -> None:
    good, bad = read_trades(trades(row, TRADE), COIN)

    assert (len(good), len(bad)) == (1, 1)


@pytest.mark.parametrize("frame", [None, {}, {"data": None}, {"data": {}}, {"data": "x"}])
def test_a_frame_without_rows_is_refused(frame: object) -> None:
    with pytest.raises(ProtocolError):
        read_trades(frame, COIN)
