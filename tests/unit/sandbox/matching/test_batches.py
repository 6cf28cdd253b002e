from __future__ import annotations

import pytest
from sandbox_kit import (
    HYPE_ASSET,
    HYPE_TOKEN,
    MAKER,
    NOBODY,
    PURR_TOKEN,
    TAKER,
    USDC_TOKEN,
    buy,
    cancel,
    cloid,
    dec,
    error_of,
    make_exchange,
    place,
    refusal,
    rest,
    run,
    sell,
    status_of,
    take,
)

from mm_trio.sandbox.model.commands import (
    CancelByOid,
    Deposit,
    NewOrder,
    Noop,
    PlaceOrders,
    Resting,
    ScheduleCancel,
    Withdraw,
)


@pytest.mark.parametrize(
    "bad, text",
    [
        (sell("20", "1.005"), "Order has invalid size."),
        (sell("20.1234", "1"), "Price must be divisible by tick size. asset=10107"),
    ],
)
def test_one_static_error_refuses_the_whole_batch_with_a_single_status(bad: NewOrder, text: str) -> None:
    exchange = make_exchange()

    assert error_of(place(exchange, MAKER, sell("20", "1"), bad, sell("21", "1"))) == text
    assert exchange.open_orders(MAKER) == ()
    assert exchange.records(MAKER) == ()


def test_the_price_band_follows_the_last_trade() -> None:
    exchange = make_exchange()
    rest(exchange, MAKER, sell("20", "2"))
    take(exchange, buy("20", "1", "Ioc"))

    text = error_of(place(exchange, MAKER, buy("4", "5")))

    assert text == "Order price cannot be more than 80% away from the reference price"


def test_an_empty_batch_has_words_too() -> None:
    assert error_of(place(make_exchange(), MAKER)) == "Orders are empty."


def test_more_than_two_hundred_items_are_refused_and_cost_nothing() -> None:
    exchange = make_exchange()
    cancels = CancelByOid(MAKER, ((HYPE_ASSET, 1),) * 201)

    assert refusal(exchange, cancels) == "Signed action over weight limit of 200."
    assert exchange.account(MAKER).n_requests == 0


def test_an_unknown_asset_is_refused_at_the_top() -> None:
    exchange = make_exchange()

    assert refusal(exchange, PlaceOrders(MAKER, (buy("20", "1", asset=19999),))) == "Invalid spot"
    assert refusal(exchange, CancelByOid(MAKER, ((19999, 1),))) == "Invalid spot"


def test_a_stale_action_is_refused_and_costs_five() -> None:
    exchange = make_exchange()
    late = PlaceOrders(MAKER, (sell("20", "1"),), expires_after=999)

    assert refusal(exchange, late, now_ms=1000) == "Action already expired"
    assert exchange.account(MAKER).n_requests == 5
    assert exchange.open_orders(MAKER) == ()


def test_whoever_has_no_account_must_deposit_first() -> None:
    text = refusal(make_exchange(), Noop(NOBODY.upper().replace("X", "x")))

    assert text == f"Must deposit before performing actions. User: {NOBODY}"


def test_a_withdrawal_cannot_take_what_an_order_holds() -> None:
    exchange = make_exchange()
    rest(exchange, MAKER, sell("20", "990"))

    assert refusal(exchange, Withdraw(MAKER, HYPE_TOKEN, dec("11")))
    exchange.apply(1, Withdraw(MAKER, HYPE_TOKEN, dec("10")))
    assert exchange.account(MAKER).available(HYPE_TOKEN) == 0


def test_an_unscheduled_cancel_needs_volume() -> None:
    text = refusal(make_exchange(), ScheduleCancel(MAKER, None))

    assert text == ("Cannot set scheduled cancel time until enough volume traded. Required: $1000000. Traded: $0.00.")


def test_a_scheduled_cancel_takes_every_order_once_its_time_has_come() -> None:
    exchange = make_exchange()
    for token, amount in ((USDC_TOKEN, "2000000"), (HYPE_TOKEN, "100000")):
        exchange.apply(0, Deposit(MAKER, token, dec(amount)))
        exchange.apply(0, Deposit(TAKER, token, dec(amount)))
    rest(exchange, MAKER, sell("20", "50001"))
    take(exchange, buy("20", "50000", "Ioc"))
    run(exchange, ScheduleCancel(MAKER, 10_000), now_ms=1000)
    (resting,) = exchange.open_orders(MAKER)

    exchange.apply(9_999, Noop(TAKER))
    assert status_of(exchange, resting.oid) == "open"
    exchange.apply(10_000, Noop(TAKER))
    assert status_of(exchange, resting.oid) == "scheduledCancel"


def test_a_batch_costs_its_items_even_those_that_fail() -> None:
    exchange = make_exchange()
    place(exchange, MAKER, sell("20", "1"), sell("20", "0.1"))
    run(exchange, CancelByOid(MAKER, ((HYPE_ASSET, 1),) * 3))

    assert exchange.account(MAKER).n_requests == 5


def test_a_spent_budget_is_refused_with_the_exact_numbers() -> None:
    exchange = make_exchange()
    for _ in range(50):
        run(exchange, CancelByOid(MAKER, ((HYPE_ASSET, 1),) * 200), now_ms=50)

    assert refusal(exchange, PlaceOrders(MAKER, (sell("20", "1"),)), now_ms=51) == (
        "Too many cumulative requests sent (10000 > 9999) for cumulative volume traded $0.00. "
        "Place taker orders to free up 1 request per USDC traded."
    )
    assert exchange.account(MAKER).n_requests == 10_000


def test_cancels_have_a_wider_lane() -> None:
    exchange = make_exchange()
    for _ in range(100):
        run(exchange, CancelByOid(MAKER, ((HYPE_ASSET, 1),) * 200), now_ms=50)

    assert "(20000 > 19999)" in refusal(exchange, CancelByOid(MAKER, ((HYPE_ASSET, 1),)), now_ms=51)


def test_with_the_budget_spent_one_action_passes_each_ten_seconds_and_a_refusal_does_not_restart_it() -> None:
    exchange = make_exchange()
    for _ in range(50):
        run(exchange, CancelByOid(MAKER, ((HYPE_ASSET, 1),) * 200), now_ms=50)
    order = PlaceOrders(MAKER, (sell("20", "1"),))

    refusal(exchange, order, now_ms=9_000)
    assert isinstance(run(exchange, order, now_ms=10_050)[0], Resting)
    refusal(exchange, order, now_ms=10_060)


def test_volume_buys_requests_for_both_sides_of_a_trade() -> None:
    exchange = make_exchange()
    rest(exchange, MAKER, sell("20.5", "10"))
    take(exchange, buy("20.5", "7", "Ioc"))

    for address in (MAKER, TAKER):
        view = exchange.account(address)
        assert (view.volume, view.request_cap) == (dec("143.5"), 10_143)


def test_records_of_finished_orders_are_kept_by_count_and_resting_ones_always() -> None:
    exchange = make_exchange(order_records=2)
    resting = rest(exchange, MAKER, sell("30", "1"))
    finished = [rest(exchange, MAKER, sell("20", "1", tag=n)) for n in range(3)]
    for oid in finished:
        cancel(exchange, oid)

    assert exchange.find_record(MAKER, finished[0]) is None
    assert exchange.find_record(MAKER, cloid(0)) is None
    assert status_of(exchange, finished[2]) == "canceled"
    assert status_of(exchange, resting) == "open"


def test_addresses_are_the_same_in_any_letter_case() -> None:
    exchange = make_exchange()
    rest(exchange, MAKER.upper().replace("X", "x"), sell("20", "1"))

    assert len(exchange.open_orders(MAKER)) == 1
    assert exchange.account(MAKER).hold(PURR_TOKEN) == 0


def test_an_action_is_in_time_until_the_block_is_later_than_it_says() -> None:
    exchange = make_exchange()
    order = PlaceOrders(MAKER, (sell("20", "1"),), expires_after=1000)

    assert isinstance(run(exchange, order, now_ms=1000)[0], Resting)
    assert refusal(exchange, order, now_ms=1001) == "Action already expired"


def test_an_action_without_items_costs_one() -> None:
    exchange = make_exchange()
    run(exchange, CancelByOid(MAKER, ()))
    run(exchange, Noop(MAKER))

    assert exchange.account(MAKER).n_requests == 2


def test_an_order_that_breaks_a_static_rule_leaves_no_record_and_one_that_breaks_another_does() -> None:
    exchange = make_exchange()
    place(exchange, MAKER, sell("20", "1.005"))
    assert exchange.records(MAKER) == ()

    place(exchange, MAKER, sell("20", "0.1"))
    assert [record.status for record in exchange.records(MAKER)] == ["minTradeNtlRejected"]
