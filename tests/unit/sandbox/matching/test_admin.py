from __future__ import annotations

from dataclasses import replace

import pytest
from sandbox_kit import (
    HYPE,
    HYPE_ASSET,
    HYPE_TOKEN,
    MAKER,
    NOBODY,
    PURR_ASSET,
    PURR_TOKEN,
    TAKER,
    USDC_TOKEN,
    buy,
    cancel,
    cloid,
    dec,
    error_of,
    fund,
    make_exchange,
    modify,
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
from mm_trio.sandbox.model.commands import (
    Answered,
    BalancesChanged,
    CancelByOid,
    Command,
    ConvertDust,
    DelistPair,
    Deposit,
    Effect,
    ExhaustBudget,
    Fill,
    FillMade,
    ForgetRecords,
    HoldElsewhere,
    ItemError,
    LedgerChanged,
    Noop,
    PassTime,
    PlaceOrders,
    Refused,
    RelistPair,
    ReserveRequestWeight,
    Resting,
    SetAccountMode,
    SetPostOnly,
    Tif,
    Transfer,
    Withdraw,
)
from mm_trio.sandbox.model.limits import Limits

DAY_MS = 86_400_000


def fills_of(effects: tuple[Effect, ...]) -> list[Fill]:
    return [effect.fill for effect in effects if isinstance(effect, FillMade)]


# Account modes


def test_margin_takes_what_no_order_holds() -> None:
    exchange = make_exchange()
    rest(exchange, MAKER, sell("20", "2"))
    total = exchange.account(MAKER).total(HYPE_TOKEN)

    effects = exchange.apply(1, HoldElsewhere(MAKER, HYPE_TOKEN, total))

    view = exchange.account(MAKER)
    assert effects == (BalancesChanged(MAKER),)
    assert (view.elsewhere(HYPE_TOKEN), view.available(HYPE_TOKEN)) == (total - 2, dec("0"))


def test_what_margin_frees_is_there_again() -> None:
    exchange = make_exchange()
    before = exchange.account(MAKER)
    exchange.apply(1, HoldElsewhere(MAKER, HYPE_TOKEN, dec("7")))

    exchange.apply(2, HoldElsewhere(MAKER, HYPE_TOKEN, dec("0")))

    assert exchange.account(MAKER) == before


def test_a_withdrawal_cannot_take_margin() -> None:
    exchange = make_exchange()
    total = exchange.account(MAKER).total(HYPE_TOKEN)
    exchange.apply(1, HoldElsewhere(MAKER, HYPE_TOKEN, dec("7")))

    assert isinstance(exchange.apply(2, Withdraw(MAKER, HYPE_TOKEN, total))[0], Refused)


@pytest.mark.parametrize("amount", ["-1", "NaN", "Infinity"])
def test_an_amount_of_margin_that_cannot_be_is_refused(amount: str) -> None:
    assert isinstance(make_exchange().apply(1, HoldElsewhere(MAKER, HYPE_TOKEN, dec(amount)))[0], Refused)


def test_a_unified_account_has_its_actions_counted_by_the_day() -> None:
    exchange = make_exchange(limits=replace(Limits(), actions_per_day=2))
    exchange.apply(1, SetAccountMode(MAKER, "unified"))
    answers = [exchange.apply(ms, Noop(MAKER))[0] for ms in (1, 2, 3, DAY_MS)]

    assert [isinstance(answer, Refused) for answer in answers] == [False, False, True, False]


def test_a_standard_account_has_no_such_day() -> None:
    exchange = make_exchange(limits=replace(Limits(), actions_per_day=1))

    assert not any(isinstance(exchange.apply(ms, Noop(MAKER))[0], Refused) for ms in (1, 2, 3))


# Request weight


def test_reserved_weight_is_used_up_before_the_budget() -> None:
    exchange = make_exchange()
    assert run(exchange, ReserveRequestWeight(MAKER, 300)) == ()
    view = exchange.account(MAKER)
    assert (view.n_requests, view.surplus, view.request_cap) == (0, 299, 10_000)

    run(exchange, CancelByOid(MAKER, ((HYPE_ASSET, 1),) * 200))
    assert (exchange.account(MAKER).n_requests, exchange.account(MAKER).surplus) == (0, 99)
    run(exchange, CancelByOid(MAKER, ((HYPE_ASSET, 1),) * 200))
    assert (exchange.account(MAKER).n_requests, exchange.account(MAKER).surplus) == (101, 0)


def test_reserved_weight_lets_an_exhausted_address_send_again() -> None:
    exchange = make_exchange()
    exchange.apply(50, ExhaustBudget(MAKER))
    exchange.apply(50, Noop(MAKER))
    assert refusal(exchange, Noop(MAKER), now_ms=51)

    exchange.apply(52, ReserveRequestWeight(TAKER, 10, destination=MAKER.upper().replace("X", "x")))

    assert run(exchange, Noop(MAKER), now_ms=53) == ()


def test_weight_is_reserved_for_an_account_and_above_zero() -> None:
    exchange = make_exchange()

    assert refusal(exchange, ReserveRequestWeight(MAKER, 1, destination=NOBODY)) == (
        f"Must deposit before performing actions. User: {NOBODY}"
    )
    assert refusal(exchange, ReserveRequestWeight(MAKER, 0)) == "Request weight must be above zero."


def test_an_exhausted_address_has_one_action_each_ten_seconds() -> None:
    exchange = make_exchange()
    exchange.apply(100, Noop(MAKER))
    exchange.apply(100, ExhaustBudget(MAKER))

    view = exchange.account(MAKER)
    assert view.n_requests == view.request_cap == 10_000
    assert "(10000 > 9999)" in refusal(exchange, Noop(MAKER), now_ms=10_099)
    assert run(exchange, Noop(MAKER), now_ms=10_100) == ()


# Records


def test_an_ended_order_can_be_forgotten_by_oid_or_cloid_and_a_resting_one_not() -> None:
    exchange = make_exchange()
    first, second, third = (rest(exchange, MAKER, sell("20", "1", tag=tag)) for tag in (1, 2, 3))
    cancel(exchange, first)
    cancel(exchange, second)

    for key in (first, cloid(2), third, 77, cloid(99)):
        exchange.apply(2, ForgetRecords(MAKER, key))

    assert [record.oid for record in exchange.records(MAKER)] == [third]
    assert exchange.find_record(MAKER, cloid(1)) is None
    assert status_of(exchange, cloid(3)) == "open"


def test_all_ended_orders_can_be_forgotten_at_once() -> None:
    exchange = make_exchange()
    oids = [rest(exchange, MAKER, sell("20", "1")) for _ in range(3)]
    cancel(exchange, oids[0])
    cancel(exchange, oids[1])

    exchange.apply(2, ForgetRecords(MAKER))

    assert [record.oid for record in exchange.records(MAKER)] == [oids[2]]


# Halts and upgrades


def test_a_delisting_ends_what_rests_in_that_pair_and_refuses_what_comes() -> None:
    exchange = make_exchange()
    ours, theirs = rest(exchange, MAKER, sell("20", "1")), rest(exchange, TAKER, buy("19", "1"))
    elsewhere = rest(exchange, MAKER, sell("0.2", "100", asset=PURR_ASSET))

    exchange.apply(2, DelistPair(HYPE_ASSET))

    assert status_of(exchange, ours) == "delistedCanceled"
    assert status_of(exchange, theirs, address=TAKER) == "delistedCanceled"
    assert status_of(exchange, elsewhere) == "open"
    assert exchange.account(MAKER).hold(HYPE_TOKEN) == 0
    statuses = place(exchange, MAKER, sell("20", "1"), sell("0.2", "100", asset=PURR_ASSET))
    assert statuses[0] == ItemError("Trading is halted.")
    assert isinstance(statuses[1], Resting)


def test_a_relisted_pair_trades_again() -> None:
    exchange = make_exchange()
    exchange.apply(2, DelistPair(HYPE_ASSET))
    exchange.apply(2, RelistPair(HYPE_ASSET))

    assert status_of(exchange, rest(exchange, MAKER, sell("20", "1"))) == "open"


def test_a_pair_that_is_not_listed_cannot_be_delisted() -> None:
    assert outcome(make_exchange().apply(1, DelistPair(19999))) == Refused("Invalid spot")


def test_after_an_upgrade_only_post_only_orders_pass_each_on_its_own() -> None:
    exchange = make_exchange()
    resting = rest(exchange, MAKER, sell("20", "1"))
    exchange.apply(2, SetPostOnly(True))
    assert exchange.post_only

    tifs: tuple[Tif, ...] = ("Gtc", "Alo", "Ioc")
    statuses = place(exchange, TAKER, *(buy("20" if tif == "Ioc" else "19", "1", tif) for tif in tifs))

    words = ItemError("Only post-only orders allowed immediately after network upgrade")
    assert (statuses[0], type(statuses[1]), statuses[2]) == (words, Resting, words)
    assert isinstance(modify(exchange, resting, sell("21", "1", "Gtc")), Resting)  # A modify is made post-only.
    exchange.apply(2, SetPostOnly(False))
    take(exchange, buy("21", "1", "Gtc"))


# Funds


def test_a_transfer_moves_what_is_free_and_opens_the_account_of_its_receiver() -> None:
    exchange = make_exchange()
    rest(exchange, MAKER, sell("20", "990"))

    effects = exchange.apply(5, Transfer(MAKER, NOBODY.upper().replace("X", "x"), HYPE_TOKEN, dec("10")))

    assert exchange.account(MAKER).available(HYPE_TOKEN) == 0
    assert exchange.account(NOBODY).total(HYPE_TOKEN) == 10
    assert {effect.address for effect in effects if isinstance(effect, BalancesChanged)} == {MAKER, NOBODY}
    rows = [effect.row for effect in effects if isinstance(effect, LedgerChanged)]
    assert [(row.address, row.kind, row.sender, row.receiver) for row in rows] == [
        (MAKER, "send", MAKER, NOBODY),
        (NOBODY, "send", MAKER, NOBODY),
    ]
    assert exchange.ledger(NOBODY) == (rows[1],)
    assert exchange.account(MAKER).n_requests == 1  # The order's own: moving funds costs nothing.


@pytest.mark.parametrize(
    "command, text",
    [
        (Transfer(MAKER, TAKER, HYPE_TOKEN, dec("1000.01")), "Insufficient balance for transfer"),
        (Transfer(MAKER, MAKER, HYPE_TOKEN, dec("1")), "Insufficient balance for transfer"),
        (Transfer(MAKER, TAKER, HYPE_TOKEN, dec("-1")), "Amount must be above zero"),
        (Transfer(MAKER, TAKER, HYPE_TOKEN, dec("0")), "Amount must be above zero"),
        (Transfer(MAKER, TAKER, HYPE_TOKEN, dec("NaN")), "Amount must be above zero"),
        (Transfer(MAKER, TAKER, 77, dec("1")), "Token is not listed"),
        (Transfer(NOBODY, TAKER, HYPE_TOKEN, dec("1")), f"Must deposit before performing actions. User: {NOBODY}"),
        (Withdraw(MAKER, HYPE_TOKEN, dec("1001")), "Insufficient balance for withdrawal"),
        (Withdraw(MAKER, HYPE_TOKEN, dec("-1")), "Amount must be above zero"),
        (Deposit(MAKER, HYPE_TOKEN, dec("-1")), "Amount must be above zero"),
        (Deposit(MAKER, 77, dec("1")), "Token is not listed"),
    ],
)
def test_funds_that_cannot_move_stay_where_they_are(command: Command, text: str) -> None:
    exchange = make_exchange()
    before = exchange.account(MAKER), exchange.account(TAKER)

    assert outcome(exchange.apply(1, command)) == Refused(text)
    assert (exchange.account(MAKER), exchange.account(TAKER)) == before


# Dust


def exchange_with_dust() -> Exchange:
    """Build a book around 20, and an account with less than one lot."""
    exchange = make_exchange()
    rest(exchange, MAKER, sell("20.5", "5"))
    rest(exchange, TAKER, buy("19.75", "5"))
    exchange.apply(0, Deposit(NOBODY, HYPE_TOKEN, dec("0.0099")))
    return exchange


def test_dust_is_sold_by_the_system_for_the_middle_and_without_a_fee() -> None:
    exchange = exchange_with_dust()

    (fill,) = fills_of(exchange.apply(5, ConvertDust()))

    assert (fill.direction, fill.is_buy, fill.crossed) == ("Spot Dust Conversion", False, True)
    assert (fill.price, fill.size, fill.start_position) == (dec("20.125"), dec("0.0099"), dec("0.0099"))
    assert (fill.hash, fill.tid, fill.fee, fill.fee_token) == ("0x" + "0" * 64, 0, dec("0"), "USDC")
    assert (fill.cloid, exchange.find_record(NOBODY, fill.oid)) == (None, None)
    assert exchange.account(NOBODY).total(HYPE_TOKEN) == 0
    assert exchange.account(NOBODY).total(USDC_TOKEN) == dec("0.1992375")
    assert (exchange.dust_collected(HYPE_TOKEN), exchange.dust_collected(USDC_TOKEN)) == (
        dec("0.0099"),
        dec("-0.1992375"),
    )
    assert exchange.fills(NOBODY) == (fill,)
    assert exchange.trades(HYPE) == ()


def test_dust_is_no_volume_and_no_part_of_the_book() -> None:
    exchange = exchange_with_dust()
    before = exchange.book(HYPE)

    exchange.apply(5, ConvertDust())

    assert exchange.account(NOBODY).volume == 0
    assert exchange.book(HYPE) == before


@pytest.mark.parametrize("amount", ["0.01", "1.005", "0"])
def test_a_lot_or_more_is_no_dust(amount: str) -> None:
    exchange = exchange_with_dust()
    exchange.apply(0, Deposit(NOBODY, HYPE_TOKEN, dec(amount) - dec("0.0099")) if dec(amount) else Noop(NOBODY))
    if not dec(amount):
        exchange.apply(0, Withdraw(NOBODY, HYPE_TOKEN, dec("0.0099")))

    assert fills_of(exchange.apply(5, ConvertDust())) == []


def test_what_is_worth_more_than_one_is_no_dust() -> None:
    exchange = make_exchange()
    rest(exchange, MAKER, sell("21", "5", asset=PURR_ASSET))
    rest(exchange, TAKER, buy("19", "5", asset=PURR_ASSET))
    exchange.apply(0, Deposit(NOBODY, PURR_TOKEN, dec("0.9")))

    assert fills_of(exchange.apply(5, ConvertDust())) == []


def test_without_both_sides_of_a_book_dust_has_no_price() -> None:
    exchange = make_exchange()
    rest(exchange, MAKER, sell("20.5", "5"))
    exchange.apply(0, Deposit(NOBODY, HYPE_TOKEN, dec("0.005")))

    assert fills_of(exchange.apply(5, ConvertDust())) == []


def test_dust_is_sold_once_at_each_midnight_where_that_is_switched_on() -> None:
    def play(*, on: bool) -> list[int]:
        exchange = Exchange(dust_conversion=on)
        fund(exchange, MAKER, TAKER)
        rest(exchange, MAKER, sell("20.5", "5"))
        rest(exchange, TAKER, buy("19.75", "5"))
        exchange.apply(DAY_MS - 2, Deposit(NOBODY, HYPE_TOKEN, dec("0.005")))
        times = (DAY_MS - 1, DAY_MS, DAY_MS + 1)
        return [len(fills_of(exchange.apply(now_ms, PassTime()))) for now_ms in times]

    assert play(on=True) == [0, 1, 0]
    assert play(on=False) == [0, 0, 0]


def test_whoever_lets_time_pass_is_told_of_the_next_midnight_where_dust_is_sold_then() -> None:
    exchange, other = Exchange(dust_conversion=True), Exchange()
    assert exchange.next_due_ms() is None
    for each in (exchange, other):
        each.apply(DAY_MS + 5, PassTime())

    assert (exchange.next_due_ms(), other.next_due_ms()) == (2 * DAY_MS, None)


def test_no_command_of_the_owners_costs_a_client_anything() -> None:
    exchange = Exchange(limits=replace(Limits(), base_requests=1))
    fund(exchange, MAKER)
    for command in (ConvertDust(), PassTime(), SetPostOnly(False), DelistPair(PURR_ASSET), ForgetRecords(MAKER)):
        exchange.apply(1, command)

    assert exchange.account(MAKER).n_requests == 0
    assert isinstance(outcome(exchange.apply(1, PlaceOrders(MAKER, (sell("20", "1"),)))), Answered)


def test_an_upgrade_refuses_an_ioc_before_its_balance_is_looked_at() -> None:
    exchange = make_exchange()
    exchange.apply(0, Deposit(NOBODY, PURR_TOKEN, dec("1")))
    exchange.apply(1, SetPostOnly(True))

    assert error_of(place(exchange, NOBODY, buy("20", "1", "Ioc"))) == (
        "Only post-only orders allowed immediately after network upgrade"
    )
