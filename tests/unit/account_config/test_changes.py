"""Two configurations of one account are compared grid by grid, and what needs a start is refused."""

from __future__ import annotations

from typing import Any

import pytest
from account_config_kit import make_document, make_market, one_market, parse_account, two_markets

from mm_trio.account_config.changes import AccountChange, compare_accounts


def compare(old: dict[str, Any], new: dict[str, Any]) -> AccountChange:
    return compare_accounts(parse_account(old), parse_account(new))


def test_the_same_configuration_changes_nothing() -> None:
    assert compare(two_markets(), two_markets()).is_empty


def test_each_grid_is_added_removed_changed_or_unchanged() -> None:
    old = make_document(make_market("@1"), make_market("@2"), make_market("@3"))
    new = make_document(make_market("@4"), make_market("@3"), make_market("@2", allocation={"token": "1", "usdc": "2"}))

    change = compare(old, new)

    assert {kind: [grid.coin for grid in change.list_kind(kind)] for kind in ("added", "removed", "changed")} == {
        "added": ["@4"],
        "removed": ["@1"],
        "changed": ["@2"],
    }
    assert [grid.coin for grid in change.list_kind("unchanged")] == ["@3"]


def test_a_changed_grid_names_its_values() -> None:
    new = make_market("@1", allocation={"token": "250", "usdc": "7"}, limits={"price_low": "1"})

    (grid,) = compare(make_document(make_market("@1")), make_document(new)).grids

    assert grid.describe() == "allocation.usdc 5000 -> 7, limits added"


def test_limits_of_the_account_may_change() -> None:
    change = compare(make_document(make_market("@1")), make_document(make_market("@1"), limits={"budget_floor": 5}))

    assert change.limits_changed
    assert not change.is_empty
    assert change.refusals == ()


def test_tuning_that_is_of_a_grid_may_change() -> None:
    change = compare(make_document(make_market("@1")), make_document(make_market("@1"), tuning={"min_notional": 11}))

    assert change.refusals == ()
    assert [grid.describe() for grid in change.grids] == ["tuning.min_notional 10 -> 11"]


@pytest.mark.parametrize(
    "sections, words",
    [
        ({"account": {"account": "0x" + "1" * 40}}, "[account] account 0xabab"),
        ({"account": {"account": "0x" + "ab" * 20, "network": "testnet"}}, "[account] network sandbox -> testnet: "),
        ({"tuning": {"interval_s": 1}}, "[tuning] interval_s 3.0 -> 1.0: it is read when a maker starts"),
        ({"guard": {"dead_man": "venue"}}, "[guard] dead_man off -> venue"),
        ({"record": {"keep_days": 3}}, "[record] keep_days 90 -> 3"),
    ],
)
def test_what_needs_a_start_is_refused(sections: dict[str, Any], words: str) -> None:
    (refusal,) = compare(make_document(make_market("@1")), make_document(make_market("@1"), **sections)).refusals

    assert refusal.startswith(words)
    assert refusal.endswith("leave it as it was, or end the maker and start it with the new file")


def test_another_form_of_the_file_is_refused() -> None:
    (refusal,) = compare(one_market(), make_document(make_market("@107"))).refusals

    assert refusal.startswith("one [market] table -> [[market]] tables: the journal lies elsewhere then")
