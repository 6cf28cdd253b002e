"""The plan in words, the drawing, and the values for programs."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from plan_kit import make_plan, make_view

from mm_trio.planning.income import BASE_TIER, Fees
from mm_trio.planning.plan_figures import Assumptions, PlanFigures, compute_figures
from mm_trio.planning.plan_report import Line, describe_plan, draw_ladder


def figures(fees: Fees = BASE_TIER, **assumed: Any) -> PlanFigures:
    return compute_figures(make_plan(), make_view(), Assumptions(fees=fees, fees_source="base tier", **assumed))


def text_of(lines: list[Line]) -> str:
    return "\n".join("".join(piece for piece, _ in line).rstrip() for line in lines)


def test_the_drawing_has_asks_above_the_inside_and_bids_below() -> None:
    assert text_of(draw_ladder(make_plan(), make_view())) == "\n".join(
        [
            "      level   price  size  of 5 HYPE",
            "  ask      7  20.421  5  ━━━━━━━━━━━━━━━━━━━━━━━━",
            "  ask      6   20.36  5  ━━━━━━━━━━━━━━━━━━━━━━━━",
            "  ask      5    20.3  5  ━━━━━━━━━━━━━━━━━━━━━━━━",
            "  ask      4   20.24  2  ━━━━━━━━━╸",
            "── opens at 20.21 USDC · spread 29.7 bps · market 20.21 ────────────",
            "  bid      3   20.18  5  ━━━━━━━━━━━━━━━━━━━━━━━━",
            "  bid      2   20.12  5  ━━━━━━━━━━━━━━━━━━━━━━━━",
            "  bid      1   20.06  5  ━━━━━━━━━━━━━━━━━━━━━━━━",
            "  bid      0      20  5  ━━━━━━━━━━━━━━━━━━━━━━━━",
        ]
    )


def test_a_long_ladder_shows_its_inside_and_counts_the_rest() -> None:
    plan = make_plan(top_px="27", target_px="23.5", tokens="300")

    drawing = text_of(draw_ladder(plan, make_view()))

    assert "more above, to 26.927" in drawing
    assert "more below, to 20" in drawing
    assert len(drawing.splitlines()) == 20


def test_every_figure_is_told_with_its_unit() -> None:
    told = text_of(describe_plan(figures(sigma=Decimal("0.05"), deployer_share=Decimal(1))))

    for part in (
        "8 levels of @107 from 20 to 20.421 USDC, 0.3 % apart",
        "best bid 20.18, best ask 20.24 USDC, 29.7 bps apart",
        "17 HYPE in 4 asks, 401.80 USDC in 4 bids",
        "20.421: 0 HYPE and 747.68 USDC, worth 747.68 USDC, 1.27 less than held",
        "20: 37 HYPE and 0.00 USDC, worth 740.00 USDC, 1.80 less than held",
        "within 0.5 %: 201.50 USDC of bids, 141.98 of asks",
        "3,333.33 HYPE",
        "8 for the first placement, of 10,000",
        "maker 4.00 bps, taker 7.00 bps (base tier)",
        "an order sold whole and bought back whole: -8.0 bps",
        "a part of an order that turns around: +22.0 bps",
        "break even at about 3.75 orders",
        "informed traders 66.16 USDC a day, fees included (volatility 5 % a day, given)",
        "lose 42.10 USDC a day to them (LVR)",
        "earns 3.00 bps in fees",
        "To do: take --gap-levels 1",
    ):
        assert part in told


@pytest.mark.parametrize(("gap", "is_told"), [(0, True), (1, False)])
def test_whole_orders_at_gap_0_are_told_in_the_terms_of_hip2(gap: int, is_told: bool) -> None:
    """Fifteen tokens are three orders, so five of the eight levels begin as bids."""
    plan = make_plan(tokens="15", gap_levels=gap)
    told = text_of(describe_plan(compute_figures(plan, make_view(), Assumptions(fees=BASE_TIER, fees_source="given"))))

    assert ("HIP-2 with 5 of its 8 levels seeded" in told) is is_told


def test_an_assumed_volatility_is_called_so() -> None:
    assert "assumed, see --sigma" in text_of(describe_plan(figures()))


def test_what_has_no_bound_is_told_in_words() -> None:
    free = Fees(Decimal("0.0004"), Decimal(0))

    assert "there is no bound" in text_of(describe_plan(figures(free)))


def test_values_for_programs_are_plain_and_exact() -> None:
    values = json.loads(json.dumps(figures().to_json()))

    assert (values["token"], values["usdc_needed"], values["opens_at"]) == ("17", "401.8", "20.21")
    assert values["income"]["sigma_is_assumed"] is True
    assert values["requests"] == {"first_placement": 8, "budget": 10000, "starts": 625, "fills": None}
    assert [warning["name"] for warning in values["warnings"]] == ["whole_orders_lose"]
