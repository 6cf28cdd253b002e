"""What a maker may sign: the kinds that it needs, post-only, on its own pair."""

from __future__ import annotations

from typing import Any

import pytest

from mm_trio.limits.actions import find_action_fault

ASSET = 10_107
ORDER: dict[str, Any] = {"a": ASSET, "b": True, "p": "20", "s": "5", "r": False, "t": {"limit": {"tif": "Alo"}}}


def placing(**changed: Any) -> dict[str, Any]:
    return {"type": "order", "orders": [ORDER, ORDER | changed], "grouping": "na"}


def modifying(**changed: Any) -> dict[str, Any]:
    return {"type": "batchModify", "modifies": [{"oid": 7, "order": ORDER | changed}]}


@pytest.mark.parametrize(
    "action",
    [
        placing(),
        modifying(),
        {"type": "cancel", "cancels": [{"a": ASSET, "o": 7}], "f": True},
        {"type": "cancel", "cancels": [{"a": ASSET, "o": 7}]},
        {"type": "cancelByCloid", "cancels": [{"asset": ASSET, "cloid": "0x1"}], "f": True},
        {"type": "noop"},
        {"type": "scheduleCancel"},
        {"type": "scheduleCancel", "time": 1_790_000_000_000},
    ],
)
def test_what_a_maker_needs_may_be_signed(action: dict[str, Any]) -> None:
    assert find_action_fault(action, assets={ASSET}) is None


@pytest.mark.parametrize(
    "action, told",
    [
        ({}, "its kind is None"),
        ({"type": "usdSend"}, "its kind is 'usdSend'"),
        ({"type": "noop", "orders": []}, "its kind is 'noop'"),
        ({"type": "scheduleCancel", "time": "1"}, "its kind is 'scheduleCancel'"),
        ({"type": "scheduleCancel", "time": 1, "orders": []}, "its kind is 'scheduleCancel'"),
        (placing(a=10_108), "for the asset 10108"),
        (placing(a="10107"), "for the asset '10107'"),
        (placing(a=True), "for the asset True"),
        (placing(t={"limit": {"tif": "Gtc"}}), "not a plain post-only one"),
        (placing(t={"trigger": {"isMarket": True}}), "not a plain post-only one"),
        (placing(r=True), "not a plain post-only one"),
        (placing() | {"builder": {"b": "0x", "f": 10}}, "has {'grouping': 'na', 'builder'"),
        (placing() | {"grouping": "positionTpsl"}, "has {'grouping': 'positionTpsl'}"),
        (modifying(a=0), "for the asset 0"),
        (modifying(t={"limit": {"tif": "Ioc"}}), "not a plain post-only one"),
        ({"type": "cancel", "cancels": [{"a": 5, "o": 7}]}, "for the asset 5"),
        ({"type": "cancelByCloid", "cancels": [{"asset": 5, "cloid": "0x1"}]}, "for the asset 5"),
    ],
)
def test_anything_else_is_not_signed_and_the_reason_names_it(action: dict[str, Any], told: str) -> None:
    fault = find_action_fault(action, assets={ASSET})

    assert fault is not None
    assert told in fault


@pytest.mark.parametrize("asset", [ASSET, 10_001])
def test_whoever_only_cancels_signs_cancels_of_any_pair(asset: int) -> None:
    for action in (
        {"type": "cancel", "cancels": [{"a": asset, "o": 7}], "f": True},
        {"type": "cancelByCloid", "cancels": [{"asset": asset, "cloid": "0x1"}], "f": True},
        {"type": "noop"},
    ):
        assert find_action_fault(action, assets=None) is None


@pytest.mark.parametrize("action", [placing(), modifying(), {"type": "usdSend"}])
def test_whoever_only_cancels_signs_nothing_else(action: dict[str, Any]) -> None:
    told = find_action_fault(action, assets=None)

    assert told is not None
    assert "signed are cancel, cancelByCloid and an empty noop alone" in told


def test_a_maker_of_several_pairs_signs_for_each_of_them() -> None:
    for action in (placing(), placing(a=10_001)):
        assert find_action_fault(action, assets={ASSET, 10_001}) is None


def test_a_maker_of_several_pairs_signs_for_no_other() -> None:
    told = find_action_fault(placing(a=10_002), assets={ASSET, 10_001})

    assert told == f"it is for the asset 10002; this maker signs for its own pairs alone, 10001, {ASSET}"
