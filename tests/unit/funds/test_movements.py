"""Explanations of differences: their sum is exactly the difference, and each event counts once."""

from __future__ import annotations

import random
from collections.abc import Iterable
from decimal import Decimal, localcontext

import pytest
from builders import dec

from mm_trio.funds.movements import LATE_LOOKS, MOST_COUNTED, MOST_TOLD, RECENT_MS, FundEvent, Movements
from mm_trio.model.journal_entries import Adjusted, Moved, MoveKind
from mm_trio.model.market import Balances
from mm_trio.state.inventory import Inventory

Amounts = tuple[Decimal, Decimal]
NOTHING = (dec(0), dec(0))


def event(
    token: str | int,
    usdc: str | int,
    kind: MoveKind = MoveKind.TRANSFER,
    *,
    ref: str = "0xab",
    ms: int = 1000,
    certain: bool = True,
) -> FundEvent:
    return FundEvent(Moved(dec(token), dec(usdc), kind, ms, ref), certain)


def deposit(usdc: str | int, *, ref: str = "0xde", ms: int = 1000) -> FundEvent:
    return event(0, usdc, MoveKind.DEPOSIT, ref=ref, ms=ms, certain=False)


def told(*events: FundEvent) -> Movements:
    movements = Movements()
    movements.on_look(Balances(*NOTHING), now_ms=500)
    movements.on_opened()
    movements.on_told(events)
    return movements


def explain(movements: Movements, token: str | int, usdc: str | int) -> list[tuple[str, str, str]]:
    """The entries of a difference, once the ledger has them: kind and amounts."""
    entries = movements.explain(dec(token), dec(usdc))
    count(movements, entries)
    return describe(entries)


def count(movements: Movements, entries: Iterable[Moved | Adjusted]) -> None:
    for entry in entries:
        if isinstance(entry, Moved):
            movements.on_moved(entry)


def describe(entries: Iterable[Moved | Adjusted]) -> list[tuple[str, str, str]]:
    names = [entry.kind if isinstance(entry, Moved) else "unexplained" for entry in entries]
    return [(name, f"{e.token:f}", f"{e.usdc:f}") for name, e in zip(names, entries, strict=True)]


# --- one difference -----------------------------------------------------------------------------


def test_an_event_that_fits_leaves_nothing_unexplained() -> None:
    assert explain(told(event(-2, 0)), -2, 0) == [("transfer", "-2", "0")]


def test_what_no_event_explains_is_told_as_that() -> None:
    assert explain(told(event(-2, 0)), -5, 7) == [("transfer", "-2", "0"), ("unexplained", "-3", "7")]


def test_without_an_event_all_is_unexplained() -> None:
    assert explain(told(), 0, 12) == [("unexplained", "0", "12")]


@pytest.mark.parametrize(
    "difference, kinds",
    [
        (500, ["deposit"]),
        (20, ["deposit"]),
        (520, ["deposit", "deposit"]),
        (519, ["unexplained"]),
        (-500, ["unexplained"]),
    ],
)
def test_a_deposit_counts_where_a_difference_is_exactly_its_own(difference: int, kinds: list[str]) -> None:
    """It may have gone to the margin, which is no part of the spot balance."""
    movements = told(deposit(500), deposit(20, ref="0xdf"))

    assert [kind for kind, *_ in explain(movements, 0, difference)] == kinds


def test_a_deposit_to_the_margin_and_its_transfer_count_once() -> None:
    movements = told(deposit(500), event(0, 500, ref="0xcc"))

    assert explain(movements, 0, 500) == [("transfer", "0", "500")]


def test_a_sale_of_dust_fetched_what_the_balance_shows() -> None:
    dust = event("-0.004", "0.08", MoveKind.DUST)

    assert explain(told(dust), "-0.004", "0.03") == [("dust", "-0.004", "0.03")]


def test_a_sale_of_dust_fetched_no_more_than_it_may() -> None:
    dust = event("-0.004", "0.08", MoveKind.DUST)

    assert explain(told(dust), "-0.004", 5) == [("dust", "-0.004", "0.08"), ("unexplained", "0.000", "4.92")]


def test_what_others_begin_to_hold_is_a_movement() -> None:
    movements = told()
    movements.on_look(Balances(dec(3), dec(0)), now_ms=2000)

    assert explain(movements, -3, 0) == [("foreign hold", "-3", "0")]


def test_what_others_give_free_comes_back() -> None:
    movements = told()
    movements.on_look(Balances(dec(3), dec(10)), now_ms=2000)
    explain(movements, -3, -10)
    movements.on_look(Balances(dec(1), dec(10)), now_ms=3000)

    assert explain(movements, 2, 0) == [("foreign hold", "2", "0")]


def test_a_hand_trade_out_of_a_hold_moves_both() -> None:
    movements = told()
    movements.on_look(Balances(dec(0), dec(100)), now_ms=2000)
    explain(movements, 0, -100)
    movements.on_told([event(5, -100, MoveKind.HAND_TRADE)])
    movements.on_look(Balances(dec(0), dec(0)), now_ms=3000)

    assert explain(movements, 5, 0) == [("foreign hold", "0", "100"), ("hand trade", "5", "-100")]


# --- once ---------------------------------------------------------------------------------------


def test_an_event_told_again_counts_once() -> None:
    movements = told(event(-2, 0))
    explain(movements, -2, 0)
    movements.on_told([event(-2, 0)])

    assert explain(movements, -2, 0) == [("unexplained", "-2", "0")]


def test_an_event_of_a_recorded_entry_does_not_count_again() -> None:
    before = Movements()
    before.on_moved(Moved(dec(-2), dec(0), MoveKind.TRANSFER, 1000, "0xab"))
    movements = Movements()
    movements.on_accounted(before.summarise())
    movements.on_told([event(-2, 0)])

    assert explain(movements, -2, 0) == [("unexplained", "-2", "0")]


def test_an_event_before_the_first_balance_is_part_of_it() -> None:
    assert explain(told(event(-2, 0, ms=500)), -2, 0) == [("unexplained", "-2", "0")]


def test_a_fill_that_turns_out_to_be_ours_is_no_hand_trade() -> None:
    movements = told(event(5, -100, MoveKind.HAND_TRADE, ref="77:9"))
    movements.on_own("77:9")

    assert explain(movements, 5, -100) == [("unexplained", "5", "-100")]


def test_a_checkpoint_is_bounded_and_still_counts_once() -> None:
    movements = told()
    for n in range(MOST_COUNTED + 50):
        movements.on_moved(Moved(dec(1), dec(0), MoveKind.HAND_TRADE, 1000 + n, f"{n}:1"))
    movements.on_told([event(1, 0, MoveKind.HAND_TRADE, ref=f"{n}:1", ms=1000 + n) for n in range(MOST_COUNTED + 50)])

    assert len(movements.summarise().refs) <= MOST_COUNTED
    assert explain(movements, 1, 0) == [("unexplained", "1", "0")]


def test_events_of_one_instant_beyond_the_bound_count_once() -> None:
    movements = told()
    for n in range(MOST_COUNTED + 1):
        movements.on_moved(Moved(dec(1), dec(0), MoveKind.HAND_TRADE, 1000, f"{n}:1"))
    movements.on_told([event(1, 0, ref="0:1", ms=1000)])

    assert explain(movements, 1, 0) == [("unexplained", "1", "0")]


def test_old_references_are_forgotten_and_their_time_kept() -> None:
    movements = told()
    movements.on_moved(Moved(dec(1), dec(0), MoveKind.TRANSFER, 1000, "0xold"))
    movements.on_moved(Moved(dec(1), dec(0), MoveKind.TRANSFER, 1000 + RECENT_MS, "0xnew"))

    assert movements.summarise().refs == ("0xnew",)
    assert movements.ask_from_ms == 1001


def test_what_waits_for_a_balance_is_bounded() -> None:
    movements = told(*[event(1, 0, ref=str(n), ms=1000 + n) for n in range(MOST_TOLD + 10)])

    assert len(movements.explain(dec(MOST_TOLD), dec(0))) == MOST_TOLD


# --- told late ----------------------------------------------------------------------------------


def test_a_reason_told_late_takes_back_what_was_unexplained() -> None:
    movements = told()
    explain(movements, -2, 0)
    movements.on_told([event(-2, 0)])

    late = movements.explain_late()
    assert describe(late) == [("transfer", "-2", "0"), ("unexplained", "2", "0")]


def test_a_deposit_told_late_is_found_too() -> None:
    movements = told()
    explain(movements, 0, 500)
    movements.on_told([deposit(500)])

    assert describe(movements.explain_late()) == [("deposit", "0", "500"), ("unexplained", "0", "-500")]


def test_a_late_reason_that_does_not_fit_waits_for_the_next_difference() -> None:
    movements = told()
    explain(movements, -2, 0)
    movements.on_told([event(-3, 0)])

    assert movements.explain_late() == []
    assert explain(movements, -1, 0) == [("transfer", "-3", "0"), ("unexplained", "2", "0")]


def test_a_deposit_that_an_earlier_difference_hid_is_found_with_the_next() -> None:
    movements = told()
    explain(movements, -4, 500)
    movements.on_told([event(-4, 0), deposit(500), event(-1, 0, ref="0xac")])

    assert sorted(explain(movements, -1, 0)) == [
        ("deposit", "0", "500"),
        ("transfer", "-1", "0"),
        ("transfer", "-4", "0"),
        ("unexplained", "4", "-500"),
    ]


def test_nobody_waits_for_a_reason_for_ever() -> None:
    movements = told()
    explain(movements, -2, 0)
    for _ in range(LATE_LOOKS):
        assert movements.wants_reasons
        movements.explain_late()

    assert not movements.wants_reasons


# --- always -------------------------------------------------------------------------------------


def test_the_sum_is_exactly_the_difference_whatever_is_told() -> None:
    rng = random.Random(18)
    for _ in range(300):
        ledger = Inventory(1)
        ledger.movements.on_look(Balances(*NOTHING), now_ms=500)
        ledger.movements.on_opened()
        for n in range(rng.randint(1, 6)):
            ledger.movements.on_told(_draw_event(rng, n) for _ in range(rng.randint(0, 4)))
            ledger.movements.on_look(Balances(_draw(rng), _draw(rng)), now_ms=1000 + n)
            token, usdc = _draw(rng), _draw(rng)
            entries = ledger.movements.explain(token, usdc)
            count(ledger.movements, entries)

            assert _add_up(entries) == (token, usdc)
            assert all(entry.token or entry.usdc for entry in entries)
            assert _add_up(ledger.movements.explain_late()) == NOTHING


def test_a_ledger_of_long_numbers_follows_the_balance_exactly() -> None:
    ledger = Inventory(1, account_token="12345678901234567890.123456789012345678")
    ledger.movements.on_told([event("0.000000000000000001", 0)])
    target = dec("12345678901234567890.123456789012345680")

    for asked_s in (100.0, 103.0):
        ledger.on_balance_update(target, 0, asked_s=asked_s, quiet_since_s=0.0)

    assert ledger.account_token == target


def _draw(rng: random.Random) -> Decimal:
    return Decimal(rng.randint(-(10**6), 10**6)).scaleb(-rng.randint(0, 18))


def _draw_event(rng: random.Random, n: int) -> FundEvent:
    kind = rng.choice([MoveKind.TRANSFER, MoveKind.DEPOSIT, MoveKind.HAND_TRADE, MoveKind.DUST])
    usdc = abs(_draw(rng)) if kind is MoveKind.DUST else _draw(rng)
    move = Moved(_draw(rng), usdc, kind, 1000 + n, f"{rng.randint(0, 40)}")
    return FundEvent(move, kind is not MoveKind.DEPOSIT)


def _add_up(entries: Iterable[Moved | Adjusted]) -> Amounts:
    with localcontext(prec=100):
        entries = tuple(entries)
        return sum((e.token for e in entries), dec(0)), sum((e.usdc for e in entries), dec(0))
