from __future__ import annotations

from dataclasses import fields, replace
from decimal import Decimal

import pytest
from sandbox_kit import (
    HYPE_ASSET,
    MAKER,
    NOBODY,
    TAKER,
    USDC_TOKEN,
    buy,
    dec,
    error_of,
    fund,
    make_exchange,
    outcome,
    place,
    refusal,
    rest,
    run,
    sell,
    status_of,
    take,
)

from mm_trio.sandbox.matching.exchange import Exchange
from mm_trio.sandbox.model.commands import Answered, CancelByOid, Deposit, ItemError, PlaceOrders, Resting
from mm_trio.sandbox.model.limits import Limits
from mm_trio.sandbox.model.markets import DEFAULT_MARKETS, USDC, Pair, Token


def limited(limits: Limits) -> Exchange:
    exchange = Exchange(limits=limits)
    fund(exchange, MAKER, TAKER)
    return exchange


def test_every_limit_that_can_be_switched_off_is_off_and_rows_are_still_bounded() -> None:
    off = Limits.off()
    switchable = [each.name for each in fields(Limits) if "None" in str(each.type)]

    assert [name for name in switchable if getattr(off, name) is not None] == ["order_records", "fills_kept"]


def test_scaled_limits_keep_their_kind_and_never_reach_zero() -> None:
    scaled = Limits().scaled(0.001)

    assert (scaled.base_requests, scaled.ws_users, scaled.order_value) == (10, 1, Decimal(5000))
    assert (scaled.max_items, scaled.order_records, scaled.fills_kept) == (200, 2000, 10_000)
    assert Limits(base_requests=None).scaled(2).base_requests is None


@pytest.mark.parametrize("factor", [0, -1, Decimal("NaN")])
def test_limits_are_scaled_by_numbers_above_zero_only(factor: Decimal) -> None:
    with pytest.raises(ValueError, match="above zero"):
        Limits().scaled(factor)


def test_the_short_words_change_the_limits_that_they_name() -> None:
    limits = Exchange(order_records=5, fills_kept=6, max_open_orders=7).limits

    assert limits == replace(Limits(), order_records=5, fills_kept=6, open_orders=7)


def test_five_million_traded_allow_one_more_open_order() -> None:
    exchange = limited(replace(Limits(), open_orders=2, open_orders_step=1000))
    rest(exchange, TAKER, sell("20", "100"))
    statuses = place(exchange, MAKER, *(buy("19", "1") for _ in range(3)))
    assert statuses[2] == ItemError("Too many open orders")
    assert [record.status for record in exchange.records(MAKER)].count("tooManyOpenOrdersRejected") == 1

    take(exchange, buy("20", "50", "Ioc"), address=MAKER)

    assert [type(status) for status in place(exchange, MAKER, buy("19", "1"), buy("19", "1"))] == [Resting, ItemError]


def test_open_orders_are_never_more_than_the_most() -> None:
    exchange = limited(replace(Limits(), open_orders=1, open_orders_step=1, open_orders_most=2))
    rest(exchange, TAKER, sell("20", "100"))
    take(exchange, buy("20", "50", "Ioc"), address=MAKER)

    statuses = place(exchange, MAKER, *(buy("19", "1") for _ in range(3)))

    assert statuses[2] == ItemError("Too many open orders")


def test_an_ioc_passes_with_all_places_on_the_book_taken() -> None:
    exchange = make_exchange(max_open_orders=1)
    rest(exchange, TAKER, sell("20", "1"))
    rest(exchange, MAKER, buy("19", "1"))

    assert take(exchange, buy("20", "1", "Ioc"), address=MAKER).size == 1


def test_an_order_of_more_than_five_million_is_too_large_and_leaves_the_rest_of_its_batch() -> None:
    exchange = make_exchange()
    exchange.apply(0, Deposit(MAKER, USDC_TOKEN, dec("10000000")))

    large, small = place(exchange, MAKER, buy("20", "250000.01"), buy("20", "250000"))

    assert large == ItemError("Order value too large. Max is $5000000.")
    assert isinstance(small, Resting)


def test_an_order_of_more_than_half_of_a_known_supply_refuses_its_batch() -> None:
    scarce = Token("SCARCE", 900, 2, 8, "0x5a000000000000000000000000000900", total_supply=Decimal(1000))
    exchange = Exchange(DEFAULT_MARKETS.with_pair(Pair("@900", 900, scarce, USDC)))
    exchange.apply(0, Deposit(MAKER, 900, dec("1000")))

    text = error_of(place(exchange, MAKER, sell("20", "1", asset=10900), sell("20", "500.01", asset=10900)))

    assert text == "Order size cannot be larger than half of total supply"
    assert exchange.open_orders(MAKER) == ()
    rest(exchange, MAKER, sell("20", "500", asset=10900))


@pytest.mark.parametrize("most, refused", [(2, True), (3, False), (None, False)])
def test_a_batch_has_so_many_items_at_most(most: int | None, refused: bool) -> None:
    exchange = limited(replace(Limits(), max_items=most))
    three = CancelByOid(MAKER, ((HYPE_ASSET, 1),) * 3)

    if refused:
        assert refusal(exchange, three) == "Signed action over weight limit of 2."
    else:
        assert len(run(exchange, three)) == 3


def test_without_a_budget_nobody_is_ever_refused_and_the_cap_shown_is_far_away() -> None:
    exchange = limited(Limits.off())
    for _ in range(120):
        assert isinstance(outcome(exchange.apply(5, CancelByOid(MAKER, ((HYPE_ASSET, 1),) * 200))), Answered)

    view = exchange.account(MAKER)
    assert view.n_requests == 24_000
    assert view.request_cap >= 1_000_000_000


def test_the_budget_scales() -> None:
    exchange = limited(replace(Limits(), base_requests=3))
    for _ in range(3):
        run(exchange, CancelByOid(MAKER, ((HYPE_ASSET, 1),)), now_ms=50)

    assert "(3 > 2)" in refusal(exchange, PlaceOrders(MAKER, (sell("20", "1"),)), now_ms=51)


def test_a_batch_longer_than_what_is_left_of_the_budget_passes_whole() -> None:
    exchange = limited(replace(Limits(), base_requests=3))
    run(exchange, CancelByOid(MAKER, ((HYPE_ASSET, 1),) * 2), now_ms=50)

    assert len(place(exchange, MAKER, *(sell("20", "1") for _ in range(4)), now_ms=51)) == 4


def test_fills_are_kept_by_count() -> None:
    exchange = make_exchange(fills_kept=3)
    rest(exchange, MAKER, sell("20", "10"))
    for _ in range(5):
        take(exchange, buy("20", "1", "Ioc"))

    assert len(exchange.fills(MAKER)) == 3


def test_a_record_outlives_nineteen_hundred_ninety_nine_later_ones_and_no_more() -> None:
    exchange = make_exchange()
    (first, *_) = [rest(exchange, MAKER, sell("20", "1"))]
    run(exchange, CancelByOid(MAKER, ((HYPE_ASSET, first),)))
    for _ in range(10):
        statuses = place(exchange, MAKER, *(buy("19", "0.01") for _ in range(200)))
        assert all(isinstance(status, ItemError) for status in statuses)
        if len(exchange.records(MAKER)) < 2000:
            assert status_of(exchange, first) == "canceled"

    assert exchange.find_record(MAKER, first) is None
    assert len(exchange.records(MAKER)) == 2000


def test_someone_without_an_account_pays_the_usual_fees() -> None:
    exchange = make_exchange(maker_fee="0.0001", taker_fee="0.0002")

    rates = exchange.fee_rates(NOBODY)

    assert (rates.maker, rates.taker) == (dec("0.0001"), dec("0.0002"))
