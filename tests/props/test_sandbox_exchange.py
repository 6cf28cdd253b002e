"""Invariants of the exchange after any commands, compared with a naive matching."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal

import pytest
from effort import FACTOR
from hypothesis import given, settings
from hypothesis import strategies as st

from mm_trio.sandbox.matching.exchange import Exchange
from mm_trio.sandbox.matching.history import Recorder, read_history, replay
from mm_trio.sandbox.model.commands import (
    Answered,
    CancelByCloid,
    CancelByOid,
    Command,
    ConvertDust,
    DelistPair,
    Deposit,
    Effect,
    Fill,
    FillMade,
    ModifyOrders,
    NewOrder,
    OrderChanged,
    OrderRecord,
    PlaceOrders,
    Refused,
    RelistPair,
    ReserveRequestWeight,
    SetFees,
    SetPostOnly,
    Tif,
    TradeMade,
    Transfer,
    Withdraw,
)

pytestmark = pytest.mark.timeout(60 * FACTOR)
many = settings(max_examples=100 * FACTOR, deadline=None)

ADDRESSES = tuple("0x" + digit * 40 for digit in "abc")
COINS = {10107: "@107", 10207: "@207"}  # one base token, two quote tokens
TOKENS = (0, 150, 268)
FIRST_OID = 1000

addresses = st.sampled_from(ADDRESSES)
assets = st.sampled_from(tuple(COINS))
oids = st.integers(FIRST_OID, FIRST_OID + 30)
cloids = st.integers(0, 5).map(lambda number: f"0x{number:032x}")
tifs: st.SearchStrategy[Tif] = st.sampled_from(("Alo", "Alo", "Gtc", "Gtc", "Ioc"))
orders = st.builds(
    NewOrder,
    asset=assets,
    is_buy=st.booleans(),
    price=st.integers(195, 205).map(lambda tenths: Decimal(tenths) / 10),
    size=st.integers(40, 700).map(lambda lots: Decimal(lots) / 100),
    tif=tifs,
    cloid=st.none() | cloids,
)
amounts = st.integers(1, 300).map(lambda cents: Decimal(cents) / 10)
commands: st.SearchStrategy[Command] = st.one_of(
    st.builds(PlaceOrders, addresses, st.lists(orders, min_size=1, max_size=4).map(tuple)),
    st.builds(PlaceOrders, addresses, st.lists(orders, min_size=1, max_size=1).map(tuple)),
    st.builds(CancelByOid, addresses, st.lists(st.tuples(assets, oids), max_size=3).map(tuple)),
    st.builds(CancelByCloid, addresses, st.lists(st.tuples(assets, cloids), max_size=3).map(tuple)),
    st.builds(
        ModifyOrders,
        addresses,
        st.lists(st.tuples(oids | cloids, orders), min_size=1, max_size=3).map(tuple),
        always_place=st.booleans(),
    ),
    st.builds(Withdraw, addresses, st.sampled_from(TOKENS), amounts),
)
sessions = st.lists(commands, min_size=1, max_size=25)
rates = st.none() | st.sampled_from((Decimal("-0.00003"), Decimal(0), Decimal("0.01")))
of_the_owner: st.SearchStrategy[Command] = st.one_of(
    st.builds(DelistPair, assets),
    st.builds(RelistPair, assets),
    st.builds(SetPostOnly, st.booleans()),
    st.builds(SetFees, addresses, rates, rates),
    st.builds(ConvertDust),
    st.builds(Deposit, addresses, st.sampled_from(TOKENS), st.integers(1, 9).map(lambda n: Decimal(n) / 1000)),
    st.builds(Transfer, addresses, addresses, st.sampled_from(TOKENS), amounts),
    st.builds(ReserveRequestWeight, addresses, st.integers(1, 9)),
)
eventful_sessions = st.lists(commands | commands | of_the_owner, min_size=1, max_size=30)


FUNDING = tuple(
    Deposit(address, token, Decimal(amount))
    for address in ADDRESSES
    for token, amount in ((0, 300), (150, 15), (268, 200))
)


def open_exchange() -> Exchange:
    exchange = Exchange(first_oid=FIRST_OID)
    for deposit in FUNDING:
        exchange.apply(0, deposit)
    return exchange


def sum_of_tokens(exchange: Exchange) -> dict[int, Decimal]:
    views = [exchange.account(address) for address in ADDRESSES]
    taken = {token: exchange.fees_collected(token) + exchange.dust_collected(token) for token in TOKENS}
    return {token: sum((view.total(token) for view in views), taken[token]) for token in TOKENS}


def fills_of(effects: Iterable[Effect]) -> list[Fill]:
    return [effect.fill for effect in effects if isinstance(effect, FillMade)]


def resting(exchange: Exchange) -> list[OrderRecord]:
    return [order for address in ADDRESSES for order in exchange.open_orders(address)]


@many
@given(eventful_sessions)
def test_no_token_is_made_or_lost(session: list[Command]) -> None:
    exchange = open_exchange()
    expected = sum_of_tokens(exchange)

    for command in session:
        effects = exchange.apply(1, command)
        if isinstance(command, Withdraw | Deposit) and not any(isinstance(effect, Refused) for effect in effects):
            expected[command.token] += command.amount if isinstance(command, Deposit) else -command.amount
        assert sum_of_tokens(exchange) == expected


@many
@given(eventful_sessions)
def test_what_is_held_is_exactly_what_rests(session: list[Command]) -> None:
    exchange = open_exchange()
    for command in session:
        exchange.apply(1, command)

        held: defaultdict[tuple[str, int], Decimal] = defaultdict(Decimal)
        for order in resting(exchange):
            pair = exchange.markets.pair(order.coin)
            token, amount = (pair.quote, order.price * order.size) if order.is_buy else (pair.base, order.size)
            held[order.address, token.index] += amount
        for address in ADDRESSES:
            view = exchange.account(address)
            assert all(view.hold(token) == held[address, token] <= view.total(token) for token in TOKENS)


@many
@given(eventful_sessions)
def test_the_book_is_the_resting_orders_and_never_crossed(session: list[Command]) -> None:
    exchange = open_exchange()
    for command in session:
        exchange.apply(1, command)

        for coin in COINS.values():
            bid, ask = exchange.best_bid_ask(coin)
            assert bid is None or ask is None or bid < ask
            book = exchange.book(coin)
            for levels, is_buy in ((book.bids, True), (book.asks, False)):
                orders_here = [o for o in resting(exchange) if o.coin == coin and o.is_buy == is_buy]
                assert sum(level.n_orders for level in levels) == len(orders_here)
                assert sum(level.size for level in levels) == sum(order.size for order in orders_here)
                prices = [level.price for level in levels]
                assert prices == sorted(prices, reverse=is_buy)


def match_naively(
    books: list[OrderRecord], owner: str, order: NewOrder, unfilled: Decimal
) -> list[tuple[int, Decimal]]:
    """Whom an order of that owner hits and by how much: best price first, then lowest oid."""
    opposite = [
        other
        for other in books
        if other.asset == order.asset
        and other.is_buy != order.is_buy
        and other.address != owner
        and (other.price <= order.price if order.is_buy else other.price >= order.price)
    ]
    hits = []
    for other in sorted(opposite, key=lambda o: (o.price if order.is_buy else -o.price, o.oid)):
        hits.append((other.oid, min(unfilled, other.size)))
        unfilled -= hits[-1][1]
        if not unfilled:
            break
    return hits


@many
@given(sessions)
def test_the_best_price_trades_first_and_the_eldest_of_equals(session: list[Command]) -> None:
    exchange = open_exchange()
    for command in session:
        before = resting(exchange)
        fills = fills_of(exchange.apply(1, command))
        if not isinstance(command, PlaceOrders) or len(command.orders) > 1:
            continue
        bought = sum((fill.size for fill in fills if fill.crossed), Decimal(0))

        hits = match_naively(before, command.address, command.orders[0], bought) if fills else []

        assert [(fill.oid, fill.size) for fill in fills if not fill.crossed] == hits


@many
@given(sessions)
def test_both_sides_of_a_trade_tell_the_same_story(session: list[Command]) -> None:
    exchange = open_exchange()
    for command in session:
        effects = exchange.apply(1, command)
        trades = [effect.trade for effect in effects if isinstance(effect, TradeMade)]
        fills = fills_of(effects)

        assert len(fills) == 2 * len(trades)
        for trade, taker, maker in zip(trades, fills[::2], fills[1::2], strict=True):
            assert (taker.crossed, maker.crossed) == (True, False)
            assert taker.is_buy == trade.is_buy != maker.is_buy
            assert {taker.address, maker.address} == {trade.buyer, trade.seller}
            assert taker.address != maker.address
            for fill in (taker, maker):
                assert (fill.coin, fill.price, fill.size, fill.tid, fill.hash) == (
                    trade.coin,
                    trade.price,
                    trade.size,
                    trade.tid,
                    trade.hash,
                )


@many
@given(sessions)
def test_every_item_has_a_status_or_the_batch_has_one(session: list[Command]) -> None:
    exchange = open_exchange()
    for command in session:
        effects = exchange.apply(1, command)
        if isinstance(command, Withdraw):
            continue
        answer = effects[0]
        items = (
            command.orders
            if isinstance(command, PlaceOrders)
            else command.modifies
            if isinstance(command, ModifyOrders)
            else command.cancels
            if isinstance(command, CancelByOid | CancelByCloid)
            else ()
        )

        assert isinstance(answer, Answered)
        assert len(answer.statuses) in (len(items), 1)


@many
@given(sessions)
def test_an_order_ends_once_and_its_balance_is_the_sum_of_its_fills(session: list[Command]) -> None:
    exchange = open_exchange()
    ended: set[int] = set()
    for command in session:
        for effect in exchange.apply(1, command):
            if isinstance(effect, OrderChanged):
                assert effect.record.oid not in ended
                if effect.record.status != "open":
                    ended.add(effect.record.oid)

    filled: defaultdict[int, Decimal] = defaultdict(Decimal)
    for address in ADDRESSES:
        for fill in exchange.fills(address):
            filled[fill.oid] += fill.size
        for order in (*exchange.open_orders(address), *exchange.records(address)):
            if order.status != "open" or order in exchange.open_orders(address):
                assert filled[order.oid] == order.original_size - order.size


@many
@given(eventful_sessions)
def test_the_same_session_has_the_same_effects_and_leads_to_the_same_state(session: list[Command]) -> None:
    first, second = open_exchange(), open_exchange()

    assert [first.apply(1, command) for command in session] == [second.apply(1, command) for command in session]
    assert first.digest() == second.digest()


@many
@given(eventful_sessions, st.integers(0, 30))
def test_a_copy_goes_on_as_its_original_does(session: list[Command], at: int) -> None:
    original = open_exchange()
    for command in session[:at]:
        original.apply(1, command)
    copied = original.copy()
    assert copied.digest() == original.digest()

    for command in session[at:]:
        assert copied.apply(1, command) == original.apply(1, command)
    assert copied.digest() == original.digest()


@many
@given(eventful_sessions)
def test_a_recorded_session_replays_to_the_same_state(session: list[Command]) -> None:
    exchange, lines = Exchange(first_oid=FIRST_OID), list[str]()
    recorder = Recorder(exchange, lines.append)
    for at, command in enumerate([*FUNDING, *session]):
        exchange.apply(at, command)
    recorder.close()

    assert replay(read_history(lines)).digest() == exchange.digest()
