from __future__ import annotations

from decimal import Decimal

import pytest
from sandbox_kit import (
    HYPE_TOKEN,
    MAKER,
    PURR_ASSET,
    PURR_TOKEN,
    TAKER,
    USDC_TOKEN,
    buy,
    dec,
    fund,
    make_exchange,
    place,
    rest,
    sell,
    take,
)

from mm_trio.sandbox.matching import fees
from mm_trio.sandbox.matching.exchange import Exchange
from mm_trio.sandbox.matching.fees import DayVolume, Rates
from mm_trio.sandbox.model.commands import Deposit, PassTime, SetFees

DAY_MS = 86_400_000
BASE = Rates(Decimal("0.0004"), Decimal("0.0007"))


@pytest.mark.parametrize(
    "weighted, maker, taker",
    [
        ("0", "0.0004", "0.0007"),
        ("4999999.99", "0.0004", "0.0007"),
        ("5000000", "0.0003", "0.0006"),
        ("25000000", "0.0002", "0.0005"),
        ("100000000", "0.0001", "0.0004"),
        ("500000000", "0", "0.00035"),
        ("2000000000", "0", "0.0003"),
        ("7000000000", "0", "0.00025"),
    ],
)
def test_each_tier_has_its_rates(weighted: str, maker: str, taker: str) -> None:
    assert fees.choose_rates(BASE, dec(weighted)) == Rates(dec(maker), dec(taker))


def test_fourteen_full_days_count_and_today_does_not() -> None:
    days = {day: DayVolume(day, Decimal(0), Decimal(10), Decimal(10)) for day in (85, 86, 99, 100)}

    assert fees.weigh_volume(days, today=100) == 40  # Days 86 and 99, counted double.


def test_a_tier_begins_with_the_day_after_its_volume() -> None:
    exchange = Exchange(fee_tiers=True)
    for address in (MAKER, TAKER):
        for token, amount in ((USDC_TOKEN, "10000000"), (HYPE_TOKEN, "200000")):
            exchange.apply(1, Deposit(address, token, dec(amount)))
    rest(exchange, MAKER, sell("20", "125000"))
    take(exchange, buy("20", "125000", "Ioc"))
    assert exchange.fee_rates(MAKER) == BASE

    exchange.apply(DAY_MS, PassTime())
    assert exchange.fee_rates(MAKER) == exchange.fee_rates(TAKER) == Rates(dec("0.0003"), dec("0.0006"))

    place(exchange, MAKER, sell("20", "10"), now_ms=DAY_MS)
    place(exchange, TAKER, buy("20", "10", "Ioc"), now_ms=DAY_MS)
    assert [exchange.fills(address)[-1].fee for address in (TAKER, MAKER)] == [dec("0.006"), dec("0.06")]
    exchange.apply(16 * DAY_MS, PassTime())
    assert exchange.fee_rates(MAKER) == BASE


def test_an_address_can_have_rates_of_its_own_and_lose_them_again() -> None:
    exchange = make_exchange()
    exchange.apply(1, SetFees(MAKER, dec("0"), None))
    rest(exchange, MAKER, sell("20", "4"))
    take(exchange, buy("20", "2", "Ioc"))
    exchange.apply(1, SetFees(MAKER, None, None))
    take(exchange, buy("20", "2", "Ioc"))

    assert [fill.fee for fill in exchange.fills(MAKER)] == [dec("0"), dec("0.016")]
    assert [fill.fee for fill in exchange.fills(TAKER)] == [dec("0.0014"), dec("0.0014")]


def test_a_rebate_is_paid_out_of_what_fees_brought_in() -> None:
    exchange = make_exchange(maker_fee="-0.00003")
    rest(exchange, MAKER, sell("20", "2"))
    take(exchange, buy("20", "2", "Ioc"))

    assert exchange.fills(MAKER)[0].fee == dec("-0.0012")
    assert exchange.account(MAKER).total(USDC_TOKEN) == dec("100040.0012")
    assert exchange.fees_collected(USDC_TOKEN) == dec("-0.0012")


def test_the_rebate_of_a_buy_is_paid_in_quote() -> None:
    """As on mainnet: a maker bought 35 PURR at 0.19247 for a rebate of 0.1 bps, and the row has 0.00006736 USDC."""
    exchange = make_exchange(maker_fee="-0.00001")
    rest(exchange, MAKER, buy("0.19247", "100", asset=PURR_ASSET))
    take(exchange, sell("0.19247", "65", "Ioc", asset=PURR_ASSET))
    before = exchange.account(MAKER)

    take(exchange, sell("0.19247", "60", "Ioc", asset=PURR_ASSET))

    fill = exchange.fills(MAKER)[-1]
    after = exchange.account(MAKER)
    assert (fill.fee, fill.fee_token) == (dec("-0.00006736"), "USDC")
    assert after.total(PURR_TOKEN) - before.total(PURR_TOKEN) == 35
    assert after.total(USDC_TOKEN) - before.total(USDC_TOKEN) == dec("-6.73645") + dec("0.00006736")
    assert exchange.fees_collected(PURR_TOKEN) == 0


def test_between_two_quote_tokens_a_taker_pays_a_fifth_and_a_fifth_of_the_volume_counts() -> None:
    exchange = make_exchange()
    for address in (MAKER, TAKER):
        exchange.apply(0, Deposit(address, 268, dec("1000")))  # USDT0, the quote of another pair.
    rest(exchange, MAKER, sell("1", "100", asset=10166))

    take(exchange, buy("1", "100", "Ioc", asset=10166))

    assert exchange.fills(TAKER)[0].fee == dec("0.014")
    assert exchange.fills(MAKER)[0].fee == dec("0.04")
    (day,) = exchange.day_volumes(TAKER)
    assert (day.add, day.cross, day.counted) == (dec("0"), dec("100"), dec("20"))
    assert exchange.account(TAKER).volume == 100


def test_a_rebate_between_two_quote_tokens_is_cut_as_well() -> None:
    assert fees.cut_for_quote_pair(Rates(dec("-0.00003"), dec("0.0007"))) == Rates(dec("-0.000006"), dec("0.00014"))


def test_no_fees_at_all_leave_both_sides_with_whole_amounts() -> None:
    exchange = Exchange(maker_fee="0", taker_fee="0")
    fund(exchange, MAKER, TAKER)
    rest(exchange, MAKER, sell("20", "2"))
    take(exchange, buy("20", "2", "Ioc"))

    assert exchange.account(TAKER).total(HYPE_TOKEN) == 1002
    assert exchange.account(MAKER).total(USDC_TOKEN) == 100_040


def test_days_are_told_oldest_first_and_no_more_than_the_tier_asks_for() -> None:
    exchange = make_exchange()
    for day in range(40):
        place(exchange, MAKER, sell("20", "1"), now_ms=day * DAY_MS)
        place(exchange, TAKER, buy("20", "1", "Ioc"), now_ms=day * DAY_MS)

    days = [volume.day for volume in exchange.day_volumes(TAKER)]
    assert days == list(range(25, 40))
