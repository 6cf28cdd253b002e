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
    run,
    sell,
    status_of,
    take,
)

from mm_trio.sandbox.model.commands import (
    Answered,
    Filled,
    ItemError,
    ModifyOrders,
    NewOrder,
    OrderChanged,
    Resting,
    Tif,
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

    # The old order has left the book before the new one is checked.
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


def always(target: int | str, order: NewOrder, *, single: bool = False) -> ModifyOrders:
    return ModifyOrders(MAKER, ((target, order),), single=single, always_place=True)


@pytest.mark.parametrize("tif", ["Ioc", "Gtc"])
def test_with_leave_to_place_in_any_case_a_crossing_order_trades(tif: Tif) -> None:
    exchange = make_exchange()
    rest(exchange, TAKER, buy("19", "1"))
    oid = rest(exchange, MAKER, sell("20", "2"))

    (status,) = run(exchange, always(oid, sell("18", "2", tif)))

    assert isinstance(status, Filled)
    assert (status.size, status.average_price) == (dec("1"), dec("19"))
    assert status_of(exchange, oid) == "canceled"
    left = [(order.oid, order.size, order.tif) for order in exchange.open_orders(MAKER)]
    assert left == ([(status.oid, dec("1"), "Gtc")] if tif == "Gtc" else [])


def test_with_leave_to_place_in_any_case_a_gtc_stays_a_gtc_and_without_it_becomes_alo() -> None:
    exchange = make_exchange()
    first, second = rest(exchange, MAKER, sell("20", "1")), rest(exchange, MAKER, sell("20", "1"))

    run(exchange, always(first, sell("21", "1", "Gtc")))
    modify(exchange, second, sell("22", "1", "Gtc"))

    assert [order.tif for order in exchange.open_orders(MAKER)] == ["Gtc", "Alo"]


def test_an_ioc_replacement_that_meets_nothing_loses_the_old_order_too() -> None:
    exchange = make_exchange()
    oid = rest(exchange, MAKER, sell("20", "1"))
    words = "Order could not immediately match against any resting orders. asset=10107"

    assert run(exchange, always(oid, sell("20", "1", "Ioc"))) == (ItemError(words),)
    assert status_of(exchange, oid) == "canceled"


@pytest.mark.parametrize(
    "order", [buy("19", "1"), NewOrder(10107, False, dec("21"), dec("1"), "Gtc", reduce_only=True)]
)
def test_leave_to_place_in_any_case_does_not_change_what_makes_no_sense(order: NewOrder) -> None:
    exchange = make_exchange()
    oid = rest(exchange, MAKER, sell("20", "1"))

    assert run(exchange, always(oid, order)) == (ItemError(INVALID),)
    assert status_of(exchange, oid) == "open"


def test_the_single_modify_with_leave_to_place_tells_its_errors_at_the_top_too() -> None:
    exchange = make_exchange()
    oid = rest(exchange, MAKER, sell("20", "1"))

    text = refusal(exchange, always(oid, sell("20", "1", "Ioc"), single=True))

    assert text.startswith("Error placing new order during modify: Order could not immediately match")


def test_a_trigger_order_cannot_replace_anything() -> None:
    exchange = make_exchange()
    oid = rest(exchange, MAKER, sell("20", "1"))

    assert modify(exchange, oid, sell("21", "1", "Trigger")) == ItemError(
        "Placing trigger orders is not enabled on spot trading yet."
    )
    assert status_of(exchange, oid) == "open"


def test_a_new_price_outside_of_the_band_leaves_the_old_order_resting() -> None:
    exchange = make_exchange()
    rest(exchange, TAKER, buy("20", "1"))
    take(exchange, sell("20", "1", "Ioc"), address=MAKER)
    oid = rest(exchange, MAKER, sell("20", "1"))

    assert refusal(exchange, single(oid, sell("100.01", "1"))) == (
        "Order price cannot be more than 80% away from the reference price"
    )
    assert status_of(exchange, oid) == "open"


def test_one_bad_replacement_refuses_the_whole_batch_of_modifies() -> None:
    exchange = make_exchange()
    oids = [rest(exchange, MAKER, sell("20", "1")) for _ in range(2)]

    statuses = run(exchange, ModifyOrders(MAKER, ((oids[0], sell("21", "1")), (oids[1], sell("21", "1.001")))))

    assert statuses == (ItemError("Order has invalid size."),)
    assert [status_of(exchange, oid) for oid in oids] == ["open", "open"]


def test_a_dead_item_leaves_the_other_modifies_of_its_batch_alone() -> None:
    exchange = make_exchange()
    oid = rest(exchange, MAKER, sell("20", "1"))

    statuses = run(exchange, ModifyOrders(MAKER, ((5, sell("21", "1")), (oid, sell("21", "1")))))

    assert [type(status) for status in statuses] == [ItemError, Resting]


def test_a_replacement_may_carry_the_cloid_of_its_old_order_or_another() -> None:
    exchange = make_exchange()
    oid = rest(exchange, MAKER, sell("20", "1", tag=1))

    status = modify(exchange, cloid(1), sell("21", "1", tag=2))

    assert isinstance(status, Resting)
    assert [order.cloid for order in exchange.open_orders(MAKER)] == [cloid(2)]
    assert status_of(exchange, cloid(1)) == "canceled"
    assert status_of(exchange, oid) == "canceled"
