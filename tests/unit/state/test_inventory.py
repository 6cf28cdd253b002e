"""Ledger of both tokens: moved by fills at once, checked against balances, never above what we own."""

from __future__ import annotations

import pytest
from core_kit import dec

from mm_trio.model.journal_entries import Adjusted, Allocated, Entry, Summed, forget
from mm_trio.model.orders import FillResult
from mm_trio.state.inventory import BALANCE_CONFIRM_S, BalanceVerdict, Inventory

EQUAL, ASK_AGAIN, ADOPTED = BalanceVerdict.EQUAL, BalanceVerdict.ASK_AGAIN, BalanceVerdict.ADOPTED


def whole(token: str | int = 50, usdc: str | int = 1000) -> Inventory:
    return Inventory(5, account_token=token, account_usdc=usdc)


def effective(ledger: Inventory) -> tuple[str, str]:
    return str(ledger.effective_token), str(ledger.effective_usdc)


def test_without_an_allocation_the_whole_account_is_offered() -> None:
    assert effective(whole()) == ("50", "1000")


def test_with_an_allocation_the_smaller_of_both_is_offered() -> None:
    assert effective(Inventory(5, 20, 2000, account_token=50, account_usdc=1000)) == ("20", "1000")


@pytest.mark.parametrize("allocation", [(None, None), ("50", "1000")])
def test_a_fill_moves_what_is_offered_at_once_on_both_sides(allocation: tuple[str | None, str | None]) -> None:
    """With the peer the proceeds wait for the next balance: its account cap is stale by up to a minute."""
    ledger = Inventory(5, *allocation, account_token=50, account_usdc=1000)
    ledger.on_ask_fill("20.06", 5, fee="0.04")
    assert effective(ledger) == ("45", "1100.26")

    ledger.on_bid_fill(20, "2.5", fee="0.001")

    assert effective(ledger) == ("47.499", "1050.26")


@pytest.mark.parametrize(
    "fee_token, after_ask, after_bid",
    [
        (None, ("45", "1099"), ("54", "900")),
        ("quote", ("45", "1099"), ("55", "899")),
        ("base", ("44", "1100"), ("54", "900")),
    ],
)
def test_a_fee_is_taken_from_what_is_received_unless_told(
    fee_token: str | None, after_ask: tuple[str, str], after_bid: tuple[str, str]
) -> None:
    asked, bid = whole(), whole()
    told = {} if fee_token is None else {"fee_token": fee_token}

    asked.on_ask_fill(20, 5, 1, **told)  # type: ignore[arg-type]
    bid.on_bid_fill(20, 5, 1, **told)  # type: ignore[arg-type]

    assert (effective(asked), effective(bid)) == (after_ask, after_bid)


def test_a_rebate_is_a_fee_below_zero() -> None:
    ledger = whole()
    ledger.on_ask_fill(20, 5, "-0.01")

    assert effective(ledger) == ("45", "1100.01")


def test_a_fee_in_any_other_token_is_refused_by_name() -> None:
    ledger = whole()
    with pytest.raises(ValueError, match="fee_token must be 'base' or 'quote', got 'USDC'"):
        ledger.on_ask_fill(20, 5, 1, "USDC")  # type: ignore[arg-type]

    assert effective(ledger) == ("50", "1000")


def test_floats_leave_no_dust() -> None:
    ledger = Inventory(0.1, 1.0, account_token=1.0)
    for _ in range(10):
        ledger.on_ask_fill(20.0, 0.1)

    assert ledger.effective_token == 0


def test_a_token_of_many_decimals_is_never_rounded() -> None:
    """A sum of Decimals keeps 28 digits by itself."""
    amount = "1234567890123456.000000000000000000000001"
    ledger = Inventory(5, amount, amount, account_token=amount, account_usdc=amount)
    ledger.on_ask_fill("0.123456789012345", "1.23456789012345", fee="0.000000000000000000001", fee_token="base")
    ledger.on_bid_fill("0.123456789012345", "1.23456789012345", fee="0.000000000000000000001", fee_token="quote")

    token, usdc = (dec(f"1234567890123455.{digits}") for digits in ("999999999999999999999001",) * 2)
    assert (ledger.account_token, ledger.account_usdc) == (token, usdc)
    assert (ledger.virtual_token, ledger.virtual_usdc) == (token, usdc)

    ledger.on_allocated(Allocated(dec("1234567890123457.000000000000000000000001"), None))

    assert ledger.virtual_token == dec("1234567890123456.999999999999999999999001")


def test_no_less_than_nothing_is_offered() -> None:
    ledger = Inventory(5, 10, 10, account_token=10, account_usdc=10)
    ledger.on_ask_fill(20, 15)
    ledger.on_bid_fill(20, 25)
    ledger.on_balance_update(-1, -1)

    assert effective(ledger) == ("0", "0")


def test_with_an_allocation_a_balance_moves_the_account_and_never_the_allocation() -> None:
    ledger = Inventory(5, 20, 400, account_token=50, account_usdc=1000)
    ledger.on_balance_update(500, 5000)
    assert effective(ledger) == ("20", "400")

    ledger.on_balance_update(5, 100)
    assert effective(ledger) == ("5", "100")


@pytest.mark.parametrize("arguments", [{"order_sz": "x"}, {"account_usdc": "NaN"}, {"allocated_token": "many"}])
def test_what_is_no_number_is_refused_by_name(arguments: dict[str, str]) -> None:
    (name,) = arguments
    with pytest.raises(ValueError, match=f"{name} must be a finite number"):
        Inventory(**{"order_sz": "5"} | arguments)


# --- balances ---------------------------------------------------------------------------------


def test_a_bare_balance_takes_effect_at_once() -> None:
    ledger = whole()

    check = ledger.on_balance_update(60, 900)

    assert (check.verdict, check.token_change, check.usdc_change) == (ADOPTED, dec(10), dec(-100))
    assert effective(ledger) == ("60", "900")


@pytest.mark.parametrize("asked_s", [None, 100.0])
def test_an_equal_balance_changes_nothing(asked_s: float | None) -> None:
    assert whole().on_balance_update("50.0", "1000", asked_s=asked_s).verdict is EQUAL


def test_a_balance_that_lacks_a_fill_does_not_undo_it() -> None:
    ledger = whole()
    ledger.on_ask_fill(20, 5)

    check = ledger.on_balance_update(50, 1000, asked_s=100.0, quiet_since_s=99.9)

    assert check.verdict is ASK_AGAIN
    assert effective(ledger) == ("45", "1100")


@pytest.mark.parametrize(
    "second_asked_s, quiet_since_s, verdict",
    [
        (102.0, 98.0, ADOPTED),
        (102.0, None, ADOPTED),
        (101.9, 90.0, ASK_AGAIN),  # asked too soon after the first
        (102.0, 98.1, ASK_AGAIN),  # a fill within the 2 s before the first
        (102.0, 101.0, ASK_AGAIN),  # a fill between the two
        (500.0, 300.0, ASK_AGAIN),
    ],
)
def test_a_difference_is_believed_only_when_a_second_quiet_look_shows_one_too(
    second_asked_s: float, quiet_since_s: float | None, verdict: BalanceVerdict
) -> None:
    ledger = whole()
    first = ledger.on_balance_update(40, 1000, asked_s=100.0, quiet_since_s=0.0)

    second = ledger.on_balance_update(41, 1000, asked_s=second_asked_s, quiet_since_s=quiet_since_s)

    assert (first.verdict, second.verdict) == (ASK_AGAIN, verdict)
    assert effective(ledger)[0] == ("41" if verdict is ADOPTED else "50")


def test_an_unquiet_look_is_the_first_look_of_the_next_pair() -> None:
    ledger = whole()
    ledger.on_balance_update(40, 1000, asked_s=100.0, quiet_since_s=0.0)
    ledger.on_balance_update(40, 1000, asked_s=104.0, quiet_since_s=101.0)

    check = ledger.on_balance_update(40, 1000, asked_s=104.0 + BALANCE_CONFIRM_S, quiet_since_s=101.0)

    assert check.verdict is ADOPTED


def test_an_equal_look_in_between_ends_the_suspicion() -> None:
    ledger = whole()
    ledger.on_balance_update(40, 1000, asked_s=100.0, quiet_since_s=0.0)
    ledger.on_balance_update(50, 1000, asked_s=103.0, quiet_since_s=0.0)

    assert ledger.on_balance_update(40, 1000, asked_s=106.0, quiet_since_s=0.0).verdict is ASK_AGAIN


# --- the operator's allocation ------------------------------------------------------------------


def test_a_changed_allocation_moves_the_ledger_by_what_it_gained_or_lost() -> None:
    ledger = Inventory(5, 20, 400, account_token=50, account_usdc=1000)
    ledger.on_ask_fill(20, 5)

    ledger.on_allocated(Allocated(dec(30), dec(100)))

    assert (ledger.virtual_token, ledger.virtual_usdc) == (dec(25), dec(200))
    assert ledger.allocation == (dec(30), dec(100))


def test_the_same_allocation_again_changes_nothing() -> None:
    ledger = Inventory(5, 20, 400, account_token=50, account_usdc=1000)
    ledger.on_bid_fill(20, 5)
    before = (ledger.virtual_token, ledger.virtual_usdc)

    ledger.on_allocated(Allocated(dec(20), dec(400)))

    assert (ledger.virtual_token, ledger.virtual_usdc) == before


def test_an_allocation_that_is_lifted_or_new_is_as_the_operator_says() -> None:
    ledger = Inventory(5, 20, None, account_token=50, account_usdc=1000)
    ledger.on_ask_fill(20, 5)

    ledger.on_allocated(Allocated(None, dec(70)))

    assert (ledger.virtual_token, ledger.virtual_usdc) == (None, dec(70))
    assert effective(ledger) == ("45", "70")


@pytest.mark.parametrize(
    "allocation, account, guarded",
    [
        ((None, None), (50, 1000), {"sell", "buy"}),
        ((50, 1000), (50, 1000), {"sell", "buy"}),
        ((60, 2000), (50, 1000), {"sell", "buy"}),
        ((49, 1000), (50, 1000), {"buy"}),
        ((50, 999), (50, 1000), {"sell"}),
        ((0, 0), (50, 1000), set()),
    ],
)
def test_a_side_is_guarded_where_the_account_holds_no_more_than_the_ledger(
    allocation: tuple[int | None, int | None], account: tuple[int, int], guarded: set[str]
) -> None:
    assert Inventory(5, *allocation, *account).find_guarded_sides() == guarded


def test_no_side_with_an_allocation_is_guarded_where_somebody_may_pay_in() -> None:
    """The account may hold more by now than the last balance said, and then the venue refuses nothing."""
    ledger = Inventory(5, 100, None, 90, 5000)
    ledger.start_recording(forget, expects_transfers=True)

    assert ledger.find_guarded_sides() == {"buy"}


def test_a_fill_is_booked_with_its_fee_in_whichever_of_our_tokens_it_was_taken() -> None:
    sums = []
    for side in ("buy", "sell"):
        for fee_token in (None, "base", "quote", "USDT0"):
            ledger = whole()
            ledger.book(FillResult(side, 3, dec(20), dec(5), True, fee=dec(1), fee_token=fee_token))
            sums.append((int(ledger.account_token), int(ledger.account_usdc)))

    assert sums == [(54, 900), (54, 900), (55, 899), (55, 900), (45, 1099), (44, 1100), (45, 1099), (45, 1100)]


# --- what is recorded ---------------------------------------------------------------------------


def test_what_moved_the_account_by_no_fill_is_recorded_as_the_difference() -> None:
    ledger, recorded = whole(), list[Entry]()
    ledger.record = recorded.append

    ledger.on_balance_update(60, 900)
    ledger.on_balance_update(60, 900)  # equal: nothing happened
    ledger.on_balance_update(61, 900, asked_s=100.0, quiet_since_s=0.0)  # not believed yet
    ledger.on_allocated(Allocated(dec(7), None))

    assert recorded == [Adjusted(dec(10), dec(-100), "balance"), Allocated(dec(7), None)]


def test_a_fill_is_recorded_where_it_is_bound_and_not_here() -> None:
    ledger, recorded = whole(), list[Entry]()
    ledger.record = recorded.append

    ledger.on_ask_fill(20, 5)

    assert recorded == []


@pytest.mark.parametrize("allocation", [(None, None), (20, None), (20, 400)])
def test_a_summary_recreates_the_ledger(allocation: tuple[int | None, int | None]) -> None:
    ledger = Inventory(5, *allocation, account_token=50, account_usdc=1000)
    ledger.on_ask_fill("20.06", 15, fee="0.04")
    ledger.on_bid_fill("19.94", "2.5", fee="0.001")
    again = Inventory(5)

    for entry in ledger.summarise():
        if isinstance(entry, Allocated):
            again.on_allocated(entry)
        elif isinstance(entry, Summed):
            again.on_summed(entry)

    assert again.summarise() == ledger.summarise()
    assert effective(again) == effective(ledger)
    assert again.find_guarded_sides() == ledger.find_guarded_sides()


def test_a_supposed_change_leaves_the_ledger_as_it_is() -> None:
    """And is not recorded."""
    recorded: list[Entry] = []
    inventory = Inventory(5, 100, 1000, account_token=90, account_usdc=1000)
    inventory.start_recording(recorded.append, expects_transfers=True)

    supposed = inventory.suppose(Adjusted(dec(5), dec(-200), "balance"))

    assert effective(supposed) == ("95", "800")
    assert effective(inventory) == ("90", "1000")
    assert recorded == []
