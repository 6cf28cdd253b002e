"""How a token is parted among grids: shortages, what comes back, allocations."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mm_trio.funds.token_parts import Part, check_allocations, plan_allocations, spread
from mm_trio.model.errors import ConfigError
from mm_trio.model.numbers import to_decimal

CENT = Decimal("0.01")


def part(name: str, amount: float, entitled: float | None = None) -> Part:
    return Part(name=name, amount=to_decimal(amount), entitled=to_decimal(amount if entitled is None else entitled))


def spread_cents(usable: float, *parts: Part) -> dict[str, float]:
    return {name: float(amount) for name, amount in spread(parts, to_decimal(usable), unit=CENT).items()}


@pytest.mark.parametrize("usable", [300, 300.01, 5000])
def test_what_is_above_all_parts_belongs_to_nobody(usable: float) -> None:
    assert spread_cents(usable, part("A", 100), part("B", 200)) == {"A": 100, "B": 200}


def test_a_shortage_is_spread_in_proportion_to_the_parts() -> None:
    assert spread_cents(150, part("A", 100), part("B", 200), part("C", 0)) == {"A": 50, "B": 100, "C": 0}


def test_shares_of_a_shortage_are_rounded_down() -> None:
    assert spread_cents(100, part("A", 50), part("B", 50), part("C", 50)) == {"A": 33.33, "B": 33.33, "C": 33.33}


def test_what_rounding_left_over_is_not_given_back() -> None:
    """It would come back cent by cent, each one a change of the ledger."""
    short = [part(name, 33.33, 50) for name in "ABC"]

    assert spread_cents(100, *short) == {"A": 33.33, "B": 33.33, "C": 33.33}


@pytest.mark.parametrize(
    "usable, a, b", [(180, 52.5, 127.5), (280, 90, 190), (1000, 90, 190), (160, 45, 115), (150, 41.25, 108.75)]
)
def test_what_comes_back_is_shared_up_to_what_grids_are_entitled_to(usable: float, a: float, b: float) -> None:
    """A lacks 50 of 90, B 100 of 190... whatever the account has more than that stays nobody's."""
    short = part("A", 41.25, 90), part("B", 108.75, 190)

    shares = spread_cents(usable, *short)

    assert sum(shares.values()) == pytest.approx(min(usable, 280), abs=0.02)
    assert shares["A"] == pytest.approx(41.25 + 48.75 * (min(usable, 280) - 150) / 130, abs=0.02)
    assert shares["B"] == pytest.approx(108.75 + 81.25 * (min(usable, 280) - 150) / 130, abs=0.02)


def test_a_grid_is_never_given_more_than_it_is_entitled_to() -> None:
    assert spread_cents(1000, part("A", 0, 70), part("B", 200)) == {"A": 70, "B": 200}


def test_a_grid_above_its_allocation_offers_its_allocation_alone() -> None:
    """A ledger that was alone on its account has the whole account."""
    assert part("A", 5000, 1000).owned == 1000


def test_a_part_below_zero_takes_nothing_from_the_sum() -> None:
    """What it owes was spent: the others have less."""
    assert spread_cents(90, part("A", -10, 50), part("B", 100)) == {"A": 0, "B": 90}


@pytest.mark.parametrize("usable", [0, -5])
def test_an_empty_account_leaves_each_grid_nothing(usable: float) -> None:
    assert spread_cents(usable, part("A", 10), part("B", 0)) == {"A": 0, "B": 0}


def test_nothing_is_spread_among_grids_without_a_part() -> None:
    assert spread_cents(-5, part("A", 0), part("B", 0)) == {"A": 0, "B": 0}


def test_a_new_grid_has_its_allocation() -> None:
    planned = plan_allocations([part("A", 80, 90), part("B", 0)], {"B": Decimal(50)})

    assert planned == {"A": 80, "B": 50}


def test_a_larger_allocation_adds_its_growth_to_the_part() -> None:
    assert plan_allocations([part("A", 80, 90)], {"A": Decimal(20)}) == {"A": 100}


def test_a_smaller_allocation_takes_only_what_is_above_it() -> None:
    assert plan_allocations([part("A", 80, 90)], {"A": Decimal(-5)}) == {"A": 80}
    assert plan_allocations([part("A", 80, 90)], {"A": Decimal(-40)}) == {"A": 50}


def test_a_removed_grid_leaves_its_part_to_nobody() -> None:
    assert plan_allocations([part("A", 80, 90)], {"A": Decimal(-90)}) == {"A": 0}


def test_a_grid_that_is_no_longer_alone_gives_up_the_rest() -> None:
    assert plan_allocations([part("A", 5000, 1000), part("B", 0)]) == {"A": 1000, "B": 0}


def test_allocations_that_fit_exactly_are_taken() -> None:
    check_allocations({"A": Decimal(60), "B": Decimal(40)}, token="USDC", total=Decimal(130), held=Decimal(30))


def test_allocations_above_what_is_free_are_refused_with_each_share() -> None:
    with pytest.raises(ConfigError) as refused:
        check_allocations({"B": Decimal(40), "A": Decimal("60.5")}, token="USDC", total=Decimal(130), held=Decimal(30))

    assert str(refused.value) == (
        "allocations of USDC sum up to 100.5 (A 60.5, B 40), and 100 is free on the account, 30 of its 130 held by "
        "other orders or as margin; allocate from 0 to 100 together, or deposit 0.5 USDC more"
    )


def test_an_allocation_below_zero_is_refused() -> None:
    """It would make room for another one."""
    with pytest.raises(ConfigError, match="allocation of USDC to B: -1 is below zero; allocate from 0 to 100"):
        check_allocations({"A": Decimal(101), "B": Decimal(-1)}, token="USDC", total=Decimal(100), held=Decimal(0))
