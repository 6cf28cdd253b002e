from __future__ import annotations

import pytest
from sandbox_kit import (
    HYPE_TOKEN,
    MAKER,
    PURR_ASSET,
    TAKER,
    buy,
    cancel,
    cloid,
    dec,
    make_exchange,
    modify,
    outcome,
    refusal,
    rest,
    sell,
    status_of,
    take,
)

from mm_trio.sandbox.messages import (
    Answered,
    ItemError,
    ModifyOrders,
    NewOrder,
    OrderChanged,
    Resting,
)

INVALID = "Attempted to modify to invalid new order"
DEAD = "Cannot modify canceled or filled order"
CROSSED = "Post only order would have immediately matched, bbo was 19@20. asset=10107"


def test_a_modify_gives_a_new_oid_and_ends_the_old_order() -> None:
    exchange = make_exchange()
    old = rest(exchange, MAKER, sell("20", "2", tag=1))

    status = modify(exchange, old, sell("21", "3", tag=1))

    assert isinstance(status, Resting)
    assert status.oid != old
    assert status_of(exchange, old) == "canceled"
    assert exchange.account(MAKER).hold(HYPE_TOKEN) == dec("3")
    record = exchange.find_record(MAKER, cloid(1))
    assert record is not None
    assert record.oid == status.oid


def test_the_cancel_of_the_old_order_may_be_told_after_the_new_one_is_open() -> None:
    exchange = make_exchange()
    old = rest(exchange, MAKER, sell("20", "2", tag=1))

    effects = exchange.apply(2, ModifyOrders(MAKER, ((cloid(1), sell("21", "3", tag=1)),)))

    changes = [effect.record for effect in effects if isinstance(effect, OrderChanged)]
    assert [(record.status, record.oid == old) for record in changes] == [("open", False), ("canceled", True)]


@pytest.mark.parametrize("end", ["filled", "cancelled", "unknown"])
def test_a_dead_target_gets_an_error_and_no_new_order(end: str) -> None:
    exchange = make_exchange()
    oid = rest(exchange, MAKER, sell("20", "1"))
    if end == "filled":
        take(exchange, buy("20", "1", "Ioc"))
    elif end == "cancelled":
        cancel(exchange, oid)
    else:
        cancel(exchange, oid)
        oid = 17

    assert modify(exchange, oid, sell("21", "1")) == ItemError(DEAD)
    assert exchange.open_orders(MAKER) == ()


@pytest.mark.parametrize(
    "order",
    [
        buy("19", "1"),
        sell("21", "1", "Ioc"),
        sell("0.2", "100", asset=PURR_ASSET),
        NewOrder(10107, False, dec("21"), dec("1"), "Gtc", reduce_only=True),
    ],
)
def test_an_invalid_new_order_leaves_the_old_one_resting(order: NewOrder) -> None:
    exchange = make_exchange()
    oid = rest(exchange, MAKER, sell("20", "1"))

    assert modify(exchange, oid, order) == ItemError(INVALID)
    assert status_of(exchange, oid) == "open"
    assert exchange.account(MAKER).hold(HYPE_TOKEN) == dec("1")


def test_a_static_error_leaves_the_old_one_resting() -> None:
    exchange = make_exchange()
    oid = rest(exchange, MAKER, sell("20", "1"))

    assert modify(exchange, oid, sell("21", "1.001")) == ItemError("Order has invalid size.")
    assert status_of(exchange, oid) == "open"


@pytest.mark.parametrize("tif", ["Alo", "Gtc"])
def test_a_new_price_that_crosses_is_an_error_and_the_old_order_is_gone(tif: str) -> None:
    exchange = make_exchange()
    rest(exchange, TAKER, buy("19", "1"))
    oid = rest(exchange, MAKER, sell("20", "1"))
    crossing = NewOrder(10107, False, dec("18"), dec("1"), "Alo" if tif == "Alo" else "Gtc")

    status = modify(exchange, oid, crossing)

    # the old order has left the book when the new one is looked at
    assert status == ItemError(CROSSED.replace("@20", "@0"))
    assert status_of(exchange, oid) == "canceled"
    assert exchange.open_orders(MAKER) == ()


def test_too_small_a_balance_for_the_new_order_loses_the_old_one() -> None:
    exchange = make_exchange()
    oid = rest(exchange, MAKER, sell("20", "1"))

    assert modify(exchange, oid, sell("21", "1001")) == ItemError("Insufficient spot balance asset=10107")
    assert status_of(exchange, oid) == "canceled"
    assert exchange.account(MAKER).hold(HYPE_TOKEN) == 0


def test_a_partial_fill_before_a_modify_is_not_subtracted() -> None:
    exchange = make_exchange()
    oid = rest(exchange, MAKER, sell("20", "2"))
    take(exchange, buy("20", "1", "Ioc"))

    modify(exchange, oid, sell("21", "2"))

    assert [order.size for order in exchange.open_orders(MAKER)] == [dec("2")]


def single(oid: int, order: NewOrder) -> ModifyOrders:
    return ModifyOrders(MAKER, ((oid, order),), single=True)


def test_the_single_modify_tells_no_oid() -> None:
    exchange = make_exchange()
    oid = rest(exchange, MAKER, sell("20", "1"))

    assert outcome(exchange.apply(2, single(oid, sell("21", "1")))) == Answered("default", ())


def test_the_single_modify_errs_at_the_top_level() -> None:
    exchange = make_exchange()
    oid = rest(exchange, MAKER, sell("20", "1"))
    rest(exchange, TAKER, sell("20", "1"))
    rest(exchange, TAKER, buy("19", "1"))

    assert refusal(exchange, single(5, sell("21", "1"))) == DEAD
    assert refusal(exchange, single(oid, sell("21", "1.001"))) == "Order has invalid size."
    assert refusal(exchange, single(oid, buy("19", "1"))) == INVALID
    assert status_of(exchange, oid) == "open"
    assert refusal(exchange, single(oid, sell("18", "1"))) == (f"Error placing new order during modify: {CROSSED}")
    assert status_of(exchange, oid) == "canceled"


def test_a_batch_of_modifies_costs_its_items() -> None:
    exchange = make_exchange()
    exchange.apply(2, ModifyOrders(MAKER, ((1, sell("20", "1")), (2, sell("21", "1")))))

    assert exchange.account(MAKER).n_requests == 2
