"""Looks at a token that several grids use: what proves a difference, and what each grid is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

import pytest

from mm_trio.funds.look_rule import CONFIRM_S, LookRule
from mm_trio.funds.token_parts import Part
from mm_trio.funds.token_pool import Look, LookVerdict, TokenBalance, TokenPool
from mm_trio.model.numbers import to_decimal
from mm_trio.state.inventory import BALANCE_CONFIRM_S, BalanceVerdict, Inventory

CENT = Decimal("0.01")
EQUAL, ASK_AGAIN, ADOPTED = LookVerdict.EQUAL, LookVerdict.ASK_AGAIN, LookVerdict.ADOPTED


def part(name: str = "A", amount: float = 100) -> Part:
    return Part(name=name, amount=to_decimal(amount), entitled=to_decimal(amount))


def make_parts(*amounts: float) -> list[Part]:
    return [part(name, amount) for name, amount in zip("ABCDE", amounts, strict=False)]


def look(pool: TokenPool, parts: list[Part], total: float, *, at_s: float, held: float = 0) -> Look:
    return pool.look(parts, TokenBalance(to_decimal(total), to_decimal(held)), asked_s=at_s)


def shown(of: Look) -> dict[str, float]:
    return amounts({name: balance.total for name, balance in of.shown.items()})


def amounts(of: Mapping[str, Decimal]) -> dict[str, float]:
    return {name: float(amount) for name, amount in of.items()}


def test_a_token_of_one_grid_is_shown_as_the_venue_shows_it() -> None:
    balance = TokenBalance(Decimal(1000), Decimal(7))

    seen = TokenPool(unit=CENT).look([part()], balance, asked_s=10.0)

    assert (seen.verdict, dict(seen.shown)) == (LookVerdict.ONE_GRID, {"A": balance})


def test_each_grid_is_shown_its_own_part_of_a_larger_account() -> None:
    seen = look(TokenPool(unit=CENT), make_parts(100, 200), 1000, at_s=10)

    assert (seen.verdict, shown(seen)) == (EQUAL, {"A": 100, "B": 200})


def test_what_a_grid_took_while_it_was_alone_is_given_back() -> None:
    pool, parts = TokenPool(unit=CENT), [replace(part("A", 100), amount=Decimal(400)), part("B", 200)]

    seen = [look(pool, parts, 500, at_s=at_s) for at_s in (10, 10 + CONFIRM_S)]

    assert [each.verdict for each in seen] == [ASK_AGAIN, ADOPTED]
    assert amounts(seen[1].adopted) == {"A": 100}


def test_one_look_at_a_shortage_changes_nothing() -> None:
    seen = look(TokenPool(unit=CENT), make_parts(100, 200), 150, at_s=10)

    assert (seen.verdict, shown(seen), float(seen.missing)) == (ASK_AGAIN, {"A": 100, "B": 200}, 150)


def test_two_quiet_looks_spread_a_shortage() -> None:
    pool, parts = TokenPool(unit=CENT), make_parts(100, 200)
    look(pool, parts, 150, at_s=10)

    seen = look(pool, parts, 150, at_s=12)

    assert (seen.verdict, amounts(seen.adopted), shown(seen)) == (ADOPTED, {"A": 50, "B": 100}, {"A": 50, "B": 100})


def test_a_shortage_that_was_taken_over_is_spread_once() -> None:
    pool, parts = TokenPool(unit=CENT), make_parts(100, 200)
    look(pool, parts, 150, at_s=10)
    adopted = look(pool, parts, 150, at_s=12).adopted
    parts = [replace(part, amount=adopted[part.name]) for part in parts]

    assert [look(pool, parts, 150, at_s=at_s).verdict for at_s in (14, 16, 18)] == [EQUAL] * 3


@pytest.mark.parametrize("unquiet_s, verdict", [(8.0, ADOPTED), (8.1, ASK_AGAIN)])
def test_a_fill_near_the_first_look_is_no_quiet_time(unquiet_s: float, verdict: LookVerdict) -> None:
    """Also one of a grid that lost nothing: its frame may be late."""
    pool, parts = TokenPool(unit=CENT), make_parts(100, 0)
    parts[1] = replace(parts[1], unquiet_s=unquiet_s)
    look(pool, parts, 50, at_s=10)

    assert look(pool, parts, 50, at_s=12).verdict is verdict


def test_a_look_during_which_an_order_changed_is_no_look() -> None:
    pool, parts = TokenPool(unit=CENT), make_parts(100, 100)
    look(pool, [parts[0], replace(parts[1], changed_s=10.1)], 50, at_s=10)

    assert look(pool, parts, 50, at_s=12).verdict is ASK_AGAIN


def test_three_equal_differences_prove_what_busy_grids_lack() -> None:
    pool, verdicts = TokenPool(unit=CENT), []
    for at_s in (10, 12, 14):
        parts = [replace(part, unquiet_s=at_s) for part in make_parts(100 + at_s, 100)]
        verdicts.append(look(pool, parts, 150 + at_s, at_s=at_s).verdict)

    assert verdicts == [ASK_AGAIN, ASK_AGAIN, ADOPTED]


@pytest.mark.parametrize(
    "differences, times",
    [((50, 50.01, 50), (10, 12, 14)), ((50, 50, 0, 50), (10, 12, 14, 16)), ((50, 50, 50), (10, 11, 13.9))],
)
def test_other_differences_or_hasty_looks_prove_nothing(
    differences: tuple[float, ...], times: tuple[float, ...]
) -> None:
    pool, verdicts = TokenPool(unit=CENT), []
    for missing, at_s in zip(differences, times, strict=True):
        parts = [replace(part, unquiet_s=at_s) for part in make_parts(100, 100)]
        verdicts.append(look(pool, parts, 200 - missing, at_s=at_s).verdict)

    assert ADOPTED not in verdicts


def test_an_order_in_doubt_proves_nothing() -> None:
    pool, parts = TokenPool(unit=CENT), [replace(part, has_doubts=True) for part in make_parts(100, 100)]

    assert {look(pool, parts, 50, at_s=at_s).verdict for at_s in (10, 12, 14, 16)} == {ASK_AGAIN}


@pytest.mark.parametrize("old_s", [0.5, 1.9])
def test_looks_older_than_the_last_fill_are_no_shortage(old_s: float) -> None:
    """One level sells again and again, and each look just misses that."""
    pool, verdicts = TokenPool(unit=CENT), []
    for sold, at_s in enumerate((10, 12, 14, 16), start=1):
        pool.on_moved(Decimal(20), now_s=at_s - old_s)
        parts = [replace(part, unquiet_s=at_s - old_s) for part in make_parts(100 + 20 * sold, 100)]
        verdicts.append(look(pool, parts, 200 + 20 * (sold - 1), at_s=at_s).verdict)

    assert ADOPTED not in verdicts


def test_looks_newer_than_the_next_fill_are_no_shortage() -> None:
    """One level buys again and again, and each look holds that before its frame comes."""
    pool, verdicts = TokenPool(unit=CENT), []
    for bought, at_s in enumerate((10, 12, 14, 16)):
        parts = [replace(part, unquiet_s=at_s - 1.5) for part in make_parts(200 - 20 * bought, 100)]
        verdicts.append(look(pool, parts, 300 - 20 * (bought + 1), at_s=at_s).verdict)
        pool.on_moved(Decimal(-20), now_s=at_s + 0.5)

    assert ADOPTED not in verdicts


def test_what_others_hold_is_nobodys() -> None:
    """The hold of 130 is 30 of A's orders, and 100 of somebody else."""
    parts = make_parts(100, 100)
    parts[0] = replace(parts[0], hold_least=Decimal(30), hold_most=Decimal(30))

    assert look(TokenPool(unit=CENT), parts, 300, at_s=10, held=130).verdict is EQUAL
    assert look(TokenPool(unit=CENT), parts, 299, at_s=10, held=130).missing == 1


def test_a_hold_that_may_be_ours_is_no_shortage() -> None:
    parts = make_parts(100, 100)
    parts[1] = replace(parts[1], hold_most=Decimal(40))

    assert look(TokenPool(unit=CENT), parts, 200, at_s=10, held=40).verdict is EQUAL


@pytest.mark.parametrize("was_pushed, verdict", [(False, ADOPTED), (True, ASK_AGAIN)])
def test_a_pushed_balance_may_be_older_than_an_order(was_pushed: bool, verdict: LookVerdict) -> None:
    pool, parts = TokenPool(unit=CENT), [replace(part, changed_s=9.0) for part in make_parts(100, 100)]
    for at_s in (10, 12):
        seen = pool.look(
            parts, TokenBalance(Decimal(50), Decimal(0)), asked_s=at_s, was_pushed=was_pushed and at_s == 10
        )

    assert seen.verdict is verdict


def test_shortages_that_come_and_go_are_looked_at_less_often() -> None:
    """The second one within a minute is proven by looks twice as far apart."""
    pool, parts, waits = TokenPool(unit=CENT), make_parts(100, 100), []
    for at_s in (10, 12, 20, 22, 30):
        waits.append(pool.confirm_s)
        look(pool, parts, 150, at_s=at_s)

    assert waits == [2, 2, 2, 2, 4]


def test_without_a_time_parts_take_over_a_balance_at_once() -> None:
    seen = TokenPool(unit=CENT).look(make_parts(100, 100), TokenBalance(Decimal(50)), asked_s=None)

    assert (seen.verdict, amounts(seen.adopted)) == (ADOPTED, {"A": 25, "B": 25})


def test_a_pool_waits_as_long_as_a_ledger_does() -> None:
    assert CONFIRM_S == BALANCE_CONFIRM_S


def test_two_looks_prove_what_they_prove_to_one_ledger() -> None:
    """Other margin with each look, now and then none, at different times after fills."""
    ledger, rule, verdicts = Inventory(1, account_usdc=1000), LookRule(), []
    for step in range(300):
        asked_s, quiet_s = 2.5 * step, 2.5 * (step - step % 7)
        usdc = 1000 + step if step // 9 % 3 else ledger.account_usdc
        check = ledger.on_balance_update(0, usdc, asked_s=asked_s, quiet_since_s=quiet_s)
        if check.verdict is BalanceVerdict.EQUAL:
            rule.on_equal()
            continue
        is_proven = rule.is_proven(check.usdc_change, asked_s=asked_s, quiet_since_s=quiet_s, has_doubts=False)
        verdicts.append((is_proven, check.verdict is BalanceVerdict.ADOPTED))
        if is_proven:
            rule.on_adopted(asked_s)

    assert [of_pool for of_pool, _ in verdicts] == [of_ledger for _, of_ledger in verdicts]
    assert (True, True) in verdicts
