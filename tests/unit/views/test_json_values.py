"""Frozen values as JSON, and back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from math import inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terminal_ui_kit import make_fill, make_grid_row, make_row, make_view

from mm_trio.halts.standing import Standing, State
from mm_trio.views.json_values import JsonUnread, from_json, to_json
from mm_trio.views.values import AccountView, BudgetView, MakerView

amounts = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20)
floats = st.floats(allow_nan=False, allow_infinity=False)


def pass_on(value: Any) -> Any:
    """Send a value through text, as a socket does."""
    return from_json(type(value), json.loads(json.dumps(to_json(value), allow_nan=False)))


@given(price=amounts.filter(bool), share=floats, age_s=floats, hours_left=st.none() | st.just(inf) | floats)
def test_a_view_of_a_maker_is_the_same_after_the_way(
    price: Decimal, share: float, age_s: float, hours_left: float | None
) -> None:
    view = make_view(
        asks=(make_row(10, f"{price:f}", share=share, status="in doubt"),),
        bids=(),
        boundary_level=None,
        fills=(make_fill(age_s, side="buy"), make_fill(age_s, value=price)),
        budget=BudgetView(remaining=-3, items=0, items_per_1000=None, hours_left=hours_left),
    )

    assert pass_on(view) == view


def test_a_view_of_several_markets_is_the_same_after_the_way() -> None:
    row = make_grid_row(state="paused", why="a limit", boundary_price=None, spread_bps=None, token=Decimal("1E+3"))
    view = AccountView(title="sandbox", uptime_s=1.25, rows=(row, row), budget_left=7, why=None)

    assert pass_on(view) == view


def test_amounts_are_strings_of_plain_digits() -> None:
    written = to_json(make_row(10, "1E+3", resting=Decimal("0.00000001")))

    assert (written["price"], written["resting"], written["level_index"]) == ("1000", "0.00000001", 10)


def test_a_standing_is_the_same_after_the_way() -> None:
    standing = Standing(state=State.HALTED, since_ms=5, why="max_net_spend", rests=("a", "b"))

    assert pass_on(standing) == standing
    assert to_json(standing)["state"] == "halted"


def test_what_a_newer_version_adds_is_ignored() -> None:
    view = make_view()

    assert from_json(MakerView, to_json(view) | {"weather": "fair"}) == view


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"coin": 5}, "MakerView.coin is '5', not a string"),
        ({"n_asks": True}, "MakerView.n_asks is 'True', not a whole number"),
        ({"asks": {}}, "MakerView.asks is '{}', not a list"),
        ({"inventory": []}, "MakerView.inventory is '[]', not an object"),
        ({"order_size": "five"}, "MakerView.order_size is 'five', not a number"),
        ({"order_size": "NaN"}, "not a finite number"),
        ({"order_size": 5.1}, "not a number in a string"),
        ({"uptime_s": "soon"}, "MakerView.uptime_s is 'soon', not a number"),
        ({"fills": [{}]}, "MakerView.fills[0] has no age_s"),
    ],
)
def test_json_of_another_shape_names_the_field(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(JsonUnread) as caught:
        from_json(MakerView, to_json(make_view()) | changed)

    assert said in str(caught.value)


def test_a_word_that_is_not_allowed_names_those_that_are() -> None:
    raw = to_json(make_view())
    raw["health"]["state"] = "asleep"

    with pytest.raises(JsonUnread, match=r"health\.state is 'asleep', not one of starting, quoting"):
        from_json(MakerView, raw)
    with pytest.raises(JsonUnread, match=r"Standing\.state is 'asleep', not one of active, paused"):
        from_json(Standing, to_json(Standing(state=State.ACTIVE)) | {"state": "asleep"})


def test_a_value_of_another_kind_is_a_mistake_of_ours() -> None:
    @dataclass(frozen=True)
    class Odd:
        what: complex

    with pytest.raises(TypeError, match="complex"):
        to_json(Odd(what=1j))
