"""Replay of recorded fills from files."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from captures_kit import CAPTURED, MADE_UP, Messages

from mm_trio.sandbox.api.gateway import Gateway
from mm_trio.sandbox.matching.book import BookView
from mm_trio.sandbox.matching.exchange import Exchange
from mm_trio.sandbox.model.commands import CancelByOid, Deposit, NewOrder, PlaceOrders
from mm_trio.sandbox.model.markets import DEFAULT_MARKETS, USDC, Pair, Token
from mm_trio.sandbox.traffic.takers import trade_forever
from mm_trio.sandbox.traffic.tape import (
    TapeRow,
    TapeTakers,
    compute_due_times,
    cut_pauses,
    group_sweeps,
    read_tape,
    tape_market,
)

HIP2_FILLS = Path("rest/hypercore_hip2like_maker_fills_testnet_selected.json")
TRADES = Pair("@1226", 1226, Token("TRADES", 900, 2, 8, "0x5a000000000000000000000000000900"), USDC)
MAKER, TAKER = "0x" + "1" * 40, "0x" + "2" * 40
EMPTY_BOOK = BookView((), ())


def raw(**changes: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "coin": "@1226",
        "px": "0.000885",
        "sz": "20627.0",
        "side": "A",
        "time": 1_787_919_435_042,
        "dir": "Sell",
        "crossed": False,
        "fee": "0.0",
        "feeToken": "USDC",
        "oid": 5,
        "tid": 6,
    }
    return row | changes


def row(time_ms: int, side: str, price: str, size: str = "100", fee: str = "0") -> TapeRow:
    return TapeRow(
        time_ms=time_ms,
        is_buy=side == "B",
        price=Decimal(price),
        size=Decimal(size),
        fee=Decimal(fee),
        fee_token="TRADES" if side == "B" else "USDC",
    )


def write(path: Path, document: object) -> Path:
    file = path / "tape.json"
    file.write_text(document if isinstance(document, str) else json.dumps(document))
    return file


# --- Reading ---


def test_a_tape_is_the_coins_rows_oldest_first(tmp_path: Path) -> None:
    file = write(tmp_path, [raw(time=2, px="0.000888"), raw(coin="@5", px="no number"), raw(time=1)])

    rows = read_tape(file, "@1226")

    assert [(r.time_ms, r.price) for r in rows] == [(1, Decimal("0.000885")), (2, Decimal("0.000888"))]
    assert str(rows[0].size) == "20627"


def test_rows_of_one_instant_keep_their_order_in_an_old_first_file(tmp_path: Path) -> None:
    file = write(tmp_path, [raw(time=1, px="1"), raw(time=1, px="2"), raw(time=3, px="3")])

    assert [str(r.price) for r in read_tape(file, "@1226")] == ["1", "2", "3"]


def test_rows_of_one_instant_are_turned_round_in_a_newest_first_file(tmp_path: Path) -> None:
    file = write(tmp_path, [raw(time=3, px="3"), raw(time=1, px="2"), raw(time=1, px="1")])

    assert [str(r.price) for r in read_tape(file, "@1226")] == ["1", "2", "3"]


def test_dust_conversions_are_no_trades(tmp_path: Path) -> None:
    file = write(tmp_path, [raw(), raw(dir="Spot Dust Conversion", px="0.0")])

    assert len(read_tape(file, "@1226")) == 1


@pytest.mark.parametrize(
    "document, reason",
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ({}, "must hold a JSON list of fills, holds dict"),
        ([], "has no fill of @1226"),
        ([raw(coin="@5")], "has no fill of @1226"),
        ([raw(), 5], "row 1: must be an object, is int"),
        ([{k: v for k, v in raw().items() if k != "px"}], "row 0: missing field 'px'"),
        ([raw(px=0.5)], "row 0: px must be a decimal in a string, is 0.5"),
        ([raw(px="NaN")], "row 0: px must be a decimal"),
        ([raw(sz="0.0")], "row 0: sz must be above 0"),
        ([raw(sz="-1")], "row 0: sz must be above 0"),
        ([raw(side="S")], "row 0: side must be A or B, is 'S'"),
        ([raw(time="1")], "row 0: time must be a number of milliseconds"),
        ([raw(time=True)], "row 0: time must be a number of milliseconds"),
        ([raw(crossed=True)], "row 0: the account was the taker"),
    ],
)
def test_a_bad_tape_is_refused_with_its_reason(tmp_path: Path, document: object, reason: str) -> None:
    file = write(tmp_path, document)

    with pytest.raises(ValueError, match=r"tape\.json: ") as caught:
        read_tape(file, "@1226")
    assert reason in str(caught.value)


def test_a_tape_that_is_not_there_is_a_value_error_too(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be read: No such file"):
        read_tape(tmp_path / "none.json", "@1226")


# --- Timing and market ---


def test_compressing_keeps_the_rhythm() -> None:
    rows = [row(1000, "A", "1"), row(2000, "A", "1"), row(5000, "B", "1")]

    assert compute_due_times(rows, 2.0) == (0.0, 0.5, 2.0)


def test_a_tape_of_one_instant_is_due_at_once() -> None:
    assert compute_due_times([row(1000, "A", "1"), row(1000, "A", "2")], 5.0) == (0.0, 0.0)
    assert compute_due_times([], 5.0) == ()


def test_the_tape_tells_what_its_market_needs() -> None:
    market = tape_market([row(1, "B", "0.5", "20"), row(2, "A", "0.6", "3.25"), row(3, "A", "0.7", "20")])

    assert (market.base, market.quote) == ("TRADES", "USDC")
    assert market.sz_decimals == 2
    assert market.order_size == 20
    assert market.is_fee_free
    assert market.min_notional == Decimal("1.95")


def test_a_fee_in_one_row_makes_a_market_with_fees() -> None:
    assert not tape_market([row(1, "B", "0.5"), row(2, "A", "0.6", fee="0.01")]).is_fee_free


def test_a_token_that_no_fill_names_stays_unknown() -> None:
    assert tape_market([row(1, "A", "0.5")]).base is None


def test_the_fills_of_one_order_add_up_to_its_size() -> None:
    first = row(1, "A", "0.5", "70")
    rows = [replace(first, oid=7), replace(first, size=Decimal(80), oid=7), replace(first, size=Decimal(90), oid=8)]

    assert tape_market(rows).order_size == 150


def test_pauses_are_cut_by_whole_periods() -> None:
    rows = [row(at_ms, "A", "1") for at_ms in (1000, 3500, 12_700, 15_700, 21_800)]

    cut = cut_pauses(rows, period_ms=3000)

    assert [each.time_ms for each in cut] == [1000, 3500, 6700, 9700, 12_800]


def test_rows_of_one_instant_and_side_are_one_taker() -> None:
    rows = [row(1, "A", "1"), row(1, "A", "2"), row(1, "B", "0.9"), row(2, "B", "0.9")]

    assert [len(sweep) for sweep in group_sweeps(rows)] == [2, 1, 1]


def test_a_row_tells_its_order_and_the_balance_before_it(tmp_path: Path) -> None:
    (one,) = read_tape(write(tmp_path, [raw(startPosition="48785997.9600000009")]), "@1226")

    assert (one.oid, one.balance) == (5, Decimal("48785997.9600000009"))


def test_two_fee_tokens_on_one_side_are_no_market() -> None:
    mixed = [row(1, "A", "1"), TapeRow(**{**_fields(row(2, "A", "1")), "fee_token": "USDT0"})]

    with pytest.raises(ValueError, match="2 fee tokens: USDC, USDT0"):
        tape_market(mixed)
    with pytest.raises(ValueError, match="the tape is empty"):
        tape_market([])


def _fields(value: TapeRow) -> dict[str, Any]:
    return {name: getattr(value, name) for name in TapeRow.__slots__}


# --- Takers ---


def test_a_sweep_is_one_action_with_the_makers_best_price_first() -> None:
    rows = [row(1, "A", "0.6"), row(5, "B", "0.4"), row(5, "B", "0.5"), row(5, "A", "0.7")]
    takers = TapeTakers(rows, TRADES, duration_s=8.0)
    flow = []
    while (pause_s := takers.pause_s()) is not None:
        flow.append((pause_s, [(o.is_buy, str(o.price)) for o in takers.decide(EMPTY_BOOK)]))

    assert flow == [
        (0.0, [(True, "0.6")]),
        (8.0, [(False, "0.5"), (False, "0.4")]),
        (0.0, [(True, "0.7")]),
    ]


def test_two_instants_stay_two_actions_however_short_the_duration() -> None:
    takers = TapeTakers([row(1, "A", "1"), row(2, "A", "1")], TRADES, duration_s=0.0)

    assert len(takers.decide(EMPTY_BOOK)) == 1
    assert takers.pause_s() == 0.0


def open_market() -> tuple[Exchange, Gateway]:
    exchange = Exchange(DEFAULT_MARKETS.with_pair(TRADES), maker_fee="0", taker_fee="0", min_notional="1")
    gateway = Gateway(exchange, now_ms=lambda: 1_795_000_000_000)
    for address in (MAKER, TAKER):
        gateway.apply(Deposit(address, TRADES.base.index, Decimal(1_000_000)))
        gateway.apply(Deposit(address, USDC.index, Decimal(1_000_000)))
    return exchange, gateway


async def replay(rows: tuple[TapeRow, ...], *, order_size: Decimal) -> list[tuple[bool, Decimal, Decimal]]:
    """Replay a tape and return the maker's fills.

    The maker rests a whole order at each recorded price just before its instant.
    """
    exchange, gateway = open_market()
    instants = iter(sorted({r.time_ms for r in rows}))

    async def quote_before_the_next_taker(_seconds: float) -> None:
        resting = tuple((TRADES.asset, record.oid) for record in exchange.open_orders(MAKER))
        gateway.apply(CancelByOid(MAKER, resting))
        now = next(instants)
        quotes = {(r.is_buy, r.price) for r in rows if r.time_ms == now}
        orders = [NewOrder(TRADES.asset, is_buy, price, order_size, "Alo") for is_buy, price in sorted(quotes)]
        gateway.apply(PlaceOrders(MAKER, tuple(orders)))

    takers = TapeTakers(rows, TRADES, duration_s=1.0)
    await trade_forever(gateway, takers, address=TAKER, coin="@1226", sleep=quote_before_the_next_taker)
    return [(fill.is_buy, fill.price, fill.size) for fill in exchange.fills(MAKER)]


async def test_a_sweep_gives_the_maker_exactly_the_recorded_fills() -> None:
    rows = (row(1, "A", "0.9", "20"), row(2, "B", "0.7", "12.5"), row(2, "B", "0.8", "20"))

    fills = await replay(rows, order_size=Decimal(20))

    assert fills == [
        (False, Decimal("0.9"), Decimal(20)),
        (True, Decimal("0.8"), Decimal(20)),
        (True, Decimal("0.7"), Decimal("12.5")),
    ]


# --- A page of fills, made up and captured ---

# The size of a whole order, and of a part with its price.
SIZES = {MADE_UP: ("4210", "973.61", "0.003298"), CAPTURED: ("20627", "3142.96", "0.000882")}


@pytest.fixture
def page(messages: Messages) -> tuple[TapeRow, ...]:
    return read_tape(messages.venue / HIP2_FILLS, "@1226")


def test_a_page_of_fills_tells_its_market(messages: Messages, page: tuple[TapeRow, ...]) -> None:
    market = tape_market(page)
    whole, part, price = map(Decimal, SIZES[messages])

    assert (market.base, market.quote, market.is_fee_free) == ("TRADES", "USDC", True)
    assert (market.sz_decimals, market.order_size) == (2, whole)
    assert market.min_notional == price * part


async def test_a_page_of_fills_replays_to_the_last_digit(messages: Messages, page: tuple[TapeRow, ...]) -> None:
    fills = await replay(page, order_size=Decimal(SIZES[messages][0]))

    assert fills == [(r.is_buy, r.price, r.size) for r in page]
