from __future__ import annotations

import pytest
from sandbox_kit import (
    HYPE,
    HYPE_ASSET,
    HYPE_TOKEN,
    MAKER,
    NOBODY,
    PURR_ASSET,
    TAKER,
    USDC_TOKEN,
    buy,
    cancel,
    cloid,
    dec,
    error_of,
    make_exchange,
    place,
    rest,
    run,
    sell,
    status_of,
    take,
)

from mm_trio.sandbox.model.commands import (
    CancelByCloid,
    CancelByOid,
    Cancelled,
    Deposit,
    Fill,
    FillMade,
    ItemError,
    NewOrder,
    OrderChanged,
    PlaceOrders,
    Resting,
)


def fills_of(effects: tuple[object, ...]) -> list[Fill]:
    return [effect.fill for effect in effects if isinstance(effect, FillMade)]


def test_a_resting_bid_holds_quote_and_a_resting_ask_holds_base() -> None:
    exchange = make_exchange()
    rest(exchange, MAKER, buy("19.5", "4"))
    rest(exchange, MAKER, sell("20.5", "3"))

    assert exchange.account(MAKER).hold(USDC_TOKEN) == dec("78")
    assert exchange.account(MAKER).hold(HYPE_TOKEN) == dec("3")
    assert exchange.best_bid_ask(HYPE) == (dec("19.5"), dec("20.5"))


def test_a_cancel_releases_the_hold_and_keeps_the_remaining_size_on_record() -> None:
    exchange = make_exchange()
    oid = rest(exchange, MAKER, sell("20", "3"))
    take(exchange, buy("20", "1", "Ioc"))

    assert cancel(exchange, oid) == Cancelled()
    assert exchange.account(MAKER).hold(HYPE_TOKEN) == 0
    record = exchange.find_record(MAKER, oid)
    assert record is not None
    assert (record.status, record.size, record.original_size) == ("canceled", dec("2"), dec("3"))


@pytest.mark.parametrize("case", ["unknown", "cancelled", "filled", "wrong asset", "of another"])
def test_every_impossible_cancel_has_the_same_words(case: str) -> None:
    exchange = make_exchange()
    oid, asset = rest(exchange, TAKER if case == "of another" else MAKER, sell("20", "1")), HYPE_ASSET
    if case == "unknown":
        oid = 1
    elif case == "cancelled":
        cancel(exchange, oid)
    elif case == "filled":
        take(exchange, buy("20", "1", "Ioc"))
    elif case == "wrong asset":
        asset = PURR_ASSET

    assert cancel(exchange, oid, asset=asset) == ItemError(
        f"Order was never placed, already canceled, or filled. asset={asset}"
    )


def test_a_mixed_cancel_answers_item_by_item() -> None:
    exchange = make_exchange()
    oid = rest(exchange, MAKER, sell("20", "1"))

    statuses = run(exchange, CancelByOid(MAKER, ((HYPE_ASSET, 5), (HYPE_ASSET, oid), (HYPE_ASSET, oid))))

    assert [type(status) for status in statuses] == [ItemError, Cancelled, ItemError]


def test_a_cloid_cancels_the_order_that_carries_it() -> None:
    exchange = make_exchange()
    oid = rest(exchange, MAKER, sell("20", "1", tag=7))

    assert run(exchange, CancelByCloid(MAKER, ((HYPE_ASSET, cloid(7)),))) == (Cancelled(),)
    assert status_of(exchange, oid) == "canceled"


def test_a_cloid_that_rests_cannot_be_used_again_until_it_is_over() -> None:
    exchange = make_exchange()
    first = rest(exchange, MAKER, sell("20", "1", tag=7))

    assert error_of(place(exchange, MAKER, sell("21", "1", tag=7))) == "Duplicate cloid. asset=10107"
    cancel(exchange, first)
    second = rest(exchange, MAKER, sell("21", "1", tag=7))
    record = exchange.find_record(MAKER, cloid(7))
    assert record is not None
    assert record.oid == second


def test_an_ioc_walks_the_book_and_drops_the_rest() -> None:
    exchange = make_exchange()
    for price in ("20", "20.5"):
        rest(exchange, MAKER, sell(price, "2"))

    filled = take(exchange, buy("21", "5", "Ioc"))

    assert (filled.size, filled.average_price) == (dec("4"), dec("20.25"))
    assert exchange.best_bid_ask(HYPE) == (None, None)
    assert exchange.open_orders(TAKER) == ()
    assert status_of(exchange, filled.oid, address=TAKER) == "canceled"


def test_a_gtc_answers_filled_and_its_rest_stays_under_the_same_oid() -> None:
    exchange = make_exchange()
    rest(exchange, MAKER, sell("20", "2"))

    filled = take(exchange, buy("20", "5", "Gtc"))

    (left,) = exchange.open_orders(TAKER)
    assert (filled.size, left.oid, left.size, left.original_size) == (
        dec("2"),
        filled.oid,
        dec("3"),
        dec("5"),
    )


def test_the_average_price_is_cut_to_the_decimals_of_a_price() -> None:
    exchange = make_exchange()
    rest(exchange, MAKER, sell("20", "1"))
    rest(exchange, MAKER, sell("20.01", "2"))

    assert take(exchange, buy("21", "3", "Ioc")).average_price == dec("20.006666")


def test_equal_prices_trade_in_order_of_arrival_and_better_ones_first() -> None:
    exchange = make_exchange()
    oids = [rest(exchange, MAKER, sell(price, "1")) for price in ("20.5", "20", "20")]

    take(exchange, buy("21", "3", "Ioc"))

    assert [fill.oid for fill in exchange.fills(MAKER)] == [oids[1], oids[2], oids[0]]


def test_one_self_trade_cancels_the_resting_order_and_lets_the_taker_go_on() -> None:
    exchange = make_exchange()
    own = rest(exchange, TAKER, sell("20", "1"))
    rest(exchange, MAKER, sell("20", "1"))

    effects = exchange.apply(1, PlaceOrders(TAKER, (buy("20", "1", "Ioc"),)))

    assert status_of(exchange, own, address=TAKER) == "selfTradeCanceled"
    assert {fill.address for fill in fills_of(effects)} == {MAKER, TAKER}
    assert exchange.account(TAKER).hold(HYPE_TOKEN) == 0


def test_an_ioc_that_meets_only_its_owner_matches_nothing() -> None:
    exchange = make_exchange()
    own = rest(exchange, TAKER, sell("20", "1"))

    text = error_of(place(exchange, TAKER, buy("20", "1", "Ioc")))

    assert text == "Order could not immediately match against any resting orders. asset=10107"
    assert status_of(exchange, own, address=TAKER) == "selfTradeCanceled"


def test_an_ioc_beyond_its_purse_fills_the_lots_it_can_pay() -> None:
    exchange = make_exchange()
    exchange.apply(0, Deposit(NOBODY, USDC_TOKEN, dec("50")))
    rest(exchange, MAKER, sell("20", "10"))

    assert take(exchange, buy("20", "10", "Ioc"), address=NOBODY).size == dec("2.5")
    assert exchange.account(NOBODY).total(USDC_TOKEN) == 0


def test_an_ioc_does_not_cancel_its_owners_orders_beyond_what_it_can_pay() -> None:
    exchange = make_exchange()
    exchange.apply(0, Deposit(NOBODY, USDC_TOKEN, dec("50")))
    exchange.apply(0, Deposit(NOBODY, HYPE_TOKEN, dec("1")))
    rest(exchange, MAKER, sell("20", "10"))
    own = rest(exchange, NOBODY, sell("20", "1"))

    take(exchange, buy("20", "10", "Ioc"), address=NOBODY)

    assert status_of(exchange, own, address=NOBODY) == "open"


def test_orders_of_one_pair_never_meet_those_of_another() -> None:
    exchange = make_exchange()
    rest(exchange, MAKER, sell("0.2", "100", asset=PURR_ASSET))

    assert isinstance(place(exchange, TAKER, buy("20", "1", "Gtc"))[0], Resting)


def test_each_side_pays_its_own_rate_in_what_it_receives() -> None:
    exchange = make_exchange()
    rest(exchange, MAKER, sell("20", "2"))

    effects = exchange.apply(9, PlaceOrders(TAKER, (buy("20", "2", "Ioc"),)))

    taker, maker = fills_of(effects)
    assert (taker.fee, taker.fee_token, taker.crossed) == (dec("0.0014"), "HYPE", True)
    assert (maker.fee, maker.fee_token, maker.crossed) == (dec("0.016"), "USDC", False)
    assert exchange.account(TAKER).total(HYPE_TOKEN) == dec("1001.9986")
    assert exchange.account(MAKER).total(USDC_TOKEN) == dec("100039.984")
    assert exchange.fees_collected(USDC_TOKEN) == dec("0.016")


def test_both_fills_of_a_trade_share_its_id_and_hash_and_know_where_they_started() -> None:
    exchange = make_exchange()
    rest(exchange, MAKER, sell("20", "2", tag=3))

    taker, maker = fills_of(exchange.apply(9, PlaceOrders(TAKER, (buy("20", "2", "Ioc"),))))

    assert (taker.tid, taker.hash) == (maker.tid, maker.hash)
    assert taker.start_position == maker.start_position == dec("1000")
    assert (taker.cloid, maker.cloid) == (None, cloid(3))
    assert maker.tid < 1 << 50


def test_trade_ids_do_not_grow() -> None:
    exchange = make_exchange()
    rest(exchange, MAKER, sell("20", "10"))
    for _ in range(10):
        take(exchange, buy("20", "1", "Ioc"))

    tids = [fill.tid for fill in exchange.fills(MAKER)]
    assert tids != sorted(tids)
    assert len(set(tids)) == 10


def test_a_partial_fill_is_no_change_of_status() -> None:
    exchange = make_exchange()
    oid = rest(exchange, MAKER, sell("20", "2"))

    effects = exchange.apply(2, PlaceOrders(TAKER, (buy("20", "1", "Ioc"),)))

    assert all(effect.record.oid != oid for effect in effects if isinstance(effect, OrderChanged))
    record = exchange.find_record(MAKER, oid)
    assert record is not None
    assert (record.status, record.size) == ("open", dec("2"))
    assert exchange.open_orders(MAKER)[0].size == dec("1")


def test_the_same_commands_have_the_same_effects() -> None:
    def play() -> str:
        exchange = make_exchange()
        effects = exchange.apply(1, PlaceOrders(MAKER, (sell("20", "2"), buy("19", "2"))))
        return repr((*effects, *exchange.apply(2, PlaceOrders(TAKER, (buy("20", "1", "Ioc"),)))))

    assert play() == play()


def purr(order: NewOrder) -> NewOrder:
    return NewOrder(PURR_ASSET, order.is_buy, order.price, order.size, order.tif)


@pytest.mark.parametrize(
    "order, text, status",
    [
        (
            buy("0.3", "100"),
            "Post only order would have immediately matched, bbo was 0.1@0.2. asset=10000",
            "badAloPxRejected",
        ),
        (
            buy("0.15", "100", "Ioc"),
            "Order could not immediately match against any resting orders. asset=10000",
            "iocCancelRejected",
        ),
        (buy("0.15", "66"), "Order must have minimum value of 10 USDC. asset=10000", "minTradeNtlRejected"),
        (
            buy("0.3", "49", "Ioc"),  # Its value counts at the best price, 0.2.
            "Order must have minimum value of 10 USDC. asset=10000",
            "minTradeNtlRejected",
        ),
        (
            sell("0.15", "1001"),
            "Insufficient spot balance asset=10000",
            "insufficientSpotBalanceRejected",
        ),
        (
            buy("0.15", "700000"),
            "Insufficient spot balance asset=10000",
            "insufficientSpotBalanceRejected",
        ),
    ],
)
def test_each_runtime_refusal_has_its_words_and_leaves_a_record(order: NewOrder, text: str, status: str) -> None:
    exchange = make_exchange()
    rest(exchange, TAKER, sell("0.2", "100", asset=PURR_ASSET))
    rest(exchange, TAKER, buy("0.1", "100", asset=PURR_ASSET))
    before = exchange.account(MAKER).balances

    assert error_of(place(exchange, MAKER, purr(order))) == text
    assert [record.status for record in exchange.records(MAKER)] == [status]
    assert exchange.account(MAKER).balances == before


def test_the_quote_token_names_the_minimum() -> None:
    exchange = make_exchange()
    exchange.apply(0, Deposit(MAKER, 268, dec("100")))

    text = error_of(place(exchange, MAKER, buy("1", "5", asset=10207)))

    assert text == "Order must have minimum value of 10 USDT0. asset=10207"


def test_reduce_only_means_nothing_on_spot() -> None:
    exchange = make_exchange()
    order = NewOrder(HYPE_ASSET, True, dec("20"), dec("1"), "Gtc", reduce_only=True)

    assert error_of(place(exchange, MAKER, order)) == "Reduce-only is invalid for spot trading."


def test_there_is_an_end_to_open_orders() -> None:
    exchange = make_exchange(max_open_orders=2)

    statuses = place(exchange, MAKER, *(sell(f"2{i}", "1") for i in range(3)))

    assert statuses[2] == ItemError("Too many open orders")


def test_the_rest_of_a_batch_goes_on_after_a_runtime_refusal() -> None:
    exchange = make_exchange()

    statuses = place(exchange, MAKER, sell("20", "1"), sell("20", "0.1"), sell("21", "1"))

    assert [type(status) for status in statuses] == [Resting, ItemError, Resting]


def test_filled_means_gone_from_the_book_with_nothing_left() -> None:
    exchange = make_exchange()
    oid = rest(exchange, MAKER, sell("20", "1"))

    take(exchange, buy("20", "1", "Gtc"))

    record = exchange.find_record(MAKER, oid)
    assert record is not None
    assert (record.status, record.size) == ("filled", dec("0"))


NO_MATCH = "Order could not immediately match against any resting orders. asset=10107"
NO_BALANCE = "Insufficient spot balance asset=10107"
TOO_SMALL = "Order must have minimum value of 10 USDC. asset=10107"


@pytest.mark.parametrize(
    "ask, usdc, size, text",
    [
        (None, "0", "0.1", NO_MATCH),  # Comes before the balance, which is zero, and the value, which is 2.
        ("20", "0", "0.1", NO_BALANCE),  # Comes before the value.
        ("20", "1", "0.4", TOO_SMALL),  # Comes before the check how much one quote unit can pay for.
        ("20", "0.1", "1", NO_BALANCE),  # The balance cannot pay for a single lot.
    ],
)
def test_an_ioc_is_looked_at_in_the_measured_order(ask: str | None, usdc: str, size: str, text: str) -> None:
    exchange = make_exchange()
    exchange.apply(0, Deposit(NOBODY, USDC_TOKEN, dec(usdc)))
    if ask is not None:
        rest(exchange, MAKER, sell(ask, "10"))

    assert error_of(place(exchange, NOBODY, buy("20", size, "Ioc"))) == text


def test_an_ioc_is_worth_its_whole_size_at_the_first_price_it_meets() -> None:
    exchange = make_exchange()
    rest(exchange, MAKER, sell("19.5", "0.52"))
    rest(exchange, MAKER, sell("22", "10"))

    # The order is worth 9.945 at 19.5, though 11.22 at 22.
    assert error_of(place(exchange, TAKER, buy("22", "0.51", "Ioc"))) == TOO_SMALL
    assert take(exchange, buy("22", "0.52", "Ioc")).size == dec("0.52")


def test_a_resting_order_is_worth_its_size_at_its_own_price() -> None:
    exchange = make_exchange()

    assert error_of(place(exchange, MAKER, sell("20", "0.49"))) == TOO_SMALL
    rest(exchange, MAKER, sell("20", "0.5"))


def test_an_order_that_cannot_be_paid_whole_does_not_rest_in_part() -> None:
    exchange = make_exchange()

    assert error_of(place(exchange, MAKER, buy("20", "5000.01"))) == NO_BALANCE
    assert exchange.open_orders(MAKER) == ()
    rest(exchange, MAKER, buy("20", "5000"))


def test_a_post_only_order_never_meets_its_owners_own_orders_either() -> None:
    exchange = make_exchange()
    rest(exchange, MAKER, sell("20", "1"))

    assert error_of(place(exchange, MAKER, buy("20", "1"))) == (
        "Post only order would have immediately matched, bbo was 0@20. asset=10107"
    )
    assert len(exchange.open_orders(MAKER)) == 1


def test_a_cancel_may_be_a_fast_one_and_is_the_same_cancel() -> None:
    exchange = make_exchange()
    first, second = rest(exchange, MAKER, sell("20", "1")), rest(exchange, MAKER, sell("20", "1", tag=2))

    assert run(exchange, CancelByOid(MAKER, ((HYPE_ASSET, first),), fast=True)) == (Cancelled(),)
    assert run(exchange, CancelByCloid(MAKER, ((HYPE_ASSET, cloid(2)),), fast=True)) == (Cancelled(),)
    assert [status_of(exchange, oid) for oid in (first, second)] == ["canceled", "canceled"]


def test_a_cloid_finds_the_newest_order_that_had_it() -> None:
    exchange = make_exchange()
    oids = []
    for _ in range(3):
        oids.append(rest(exchange, MAKER, sell("20", "1", tag=7)))
        cancel(exchange, oids[-1])

    record = exchange.find_record(MAKER, cloid(7))
    assert record is not None
    assert record.oid == oids[-1]


def test_a_filled_gtc_may_be_far_from_over_and_its_record_says_open() -> None:
    exchange = make_exchange()
    rest(exchange, MAKER, sell("20", "2"))

    filled = take(exchange, buy("20", "5", "Gtc"))

    record = exchange.find_record(TAKER, filled.oid)
    assert record is not None
    assert (record.status, record.size, record.original_size) == ("open", dec("3"), dec("5"))


def test_orders_of_a_pair_quoted_in_another_token_hold_that_token() -> None:
    exchange = make_exchange()
    exchange.apply(0, Deposit(MAKER, 268, dec("100")))
    rest(exchange, MAKER, buy("20", "5", asset=10207))

    view = exchange.account(MAKER)
    assert (view.hold(268), view.hold(USDC_TOKEN)) == (dec("100"), dec("0"))
