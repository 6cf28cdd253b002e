"""What holds for every plan: funds are never exceeded, it opens where it was asked to, and its file is the plan."""

from __future__ import annotations

import tomllib
from decimal import Decimal

from effort import FACTOR
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st
from plan_kit import make_view

from mm_trio.config.loading import parse_settings
from mm_trio.model.errors import ConfigError
from mm_trio.planning.income import BASE_TIER
from mm_trio.planning.ladder_plan import LadderPlan, find_ending, plan_ladder
from mm_trio.planning.plan_figures import Assumptions, compute_figures
from mm_trio.planning.plan_file import FilePlace, write_plan
from mm_trio.planning.plan_limits import find_limits
from mm_trio.planning.plan_report import describe_plan, draw_ladder
from mm_trio.planning.plan_request import PlanRequest

ACCOUNT = "0x" + "ab" * 20


@st.composite
def requests(draw: st.DrawFn) -> PlanRequest:
    """Ranges of a few up to some hundred levels, opened anywhere inside, with any gap and any funds."""
    start = Decimal(draw(st.integers(10_000, 99_999))).scaleb(draw(st.integers(-7, -1)))
    top = start * (1 + Decimal(draw(st.integers(2, 150))) / 100)
    notional = Decimal(draw(st.integers(11, 5_000)))
    sz_decimals = draw(st.integers(0, 3))
    lot = Decimal(1).scaleb(-sz_decimals)
    has_size = draw(st.booleans())
    target = start + (top - start) * draw(st.integers(0, 100)) / 100
    return PlanRequest(
        sz_decimals=sz_decimals,
        start_px=start,
        top_px=top,
        order_sz=max(lot, notional / start // lot * lot) if has_size else None,
        tokens=notional / start * draw(st.integers(1, 300)),
        usdc=draw(st.none() | st.integers(0, 10**6).map(Decimal)),
        target_px=target if not has_size or draw(st.booleans()) else None,
        gap_levels=draw(st.integers(0, 4)),
        step=draw(st.sampled_from([None, Decimal("0.0015"), Decimal("0.01")])),
    )


def make(request: PlanRequest) -> LadderPlan:
    """The plan; a request that means none is left out."""
    try:
        return plan_ladder(request)
    except ConfigError:
        reject()


@given(requests())
@settings(max_examples=200 * FACTOR)
def test_no_plan_offers_more_than_there_is(request: PlanRequest) -> None:
    plan = make(request)
    asks = sum((order.size for order in plan.all_orders if order.side == "sell"), Decimal(0))
    cost = sum((order.size * order.price for order in plan.all_orders if order.side == "buy"), Decimal(0))

    assert asks <= plan.tokens <= request.tokens
    assert plan.tokens - asks < plan.order_size
    assert cost <= plan.quote <= plan.quote_needed
    assert request.usdc is None or plan.quote + plan.spare_quote == request.usdc
    assert plan.tokens + plan.spare_tokens == request.tokens


@given(requests())
@settings(max_examples=200 * FACTOR)
def test_a_plan_opens_at_its_target(request: PlanRequest) -> None:
    """The first ask is the level nearest to it, and the first bid lies below by one level and the gap."""
    plan = make(request)
    assume(request.target_px is not None)
    assert request.target_px is not None
    level = plan.grid.level_for_price(request.target_px)

    assert level is not None
    assert plan.asks[0].level_index == level
    assert not plan.bids or plan.bids[0].level_index == level - 1 - plan.gap_levels


@given(requests())
@settings(max_examples=200 * FACTOR)
def test_no_bid_of_a_plan_reaches_an_ask(request: PlanRequest) -> None:
    plan = make(request)

    assert plan.best_bid is None or plan.best_ask is None or plan.best_bid < plan.best_ask


@given(requests())
@settings(max_examples=200 * FACTOR)
def test_both_ends_value_what_was_held_and_lost(request: PlanRequest) -> None:
    plan = make(request)

    for at_top in (False, True):
        end = find_ending(plan, at_top=at_top)
        assert plan.tokens * end.price + plan.quote - end.worth == end.loss_vs_hold >= 0
        assert end.token >= 0
        assert end.quote >= 0
        assert end.loss_vs_hold <= find_limits(plan).max_loss_vs_hold


@given(requests())
@settings(max_examples=100 * FACTOR)
def test_every_plan_can_be_told_and_its_file_is_the_plan(request: PlanRequest) -> None:
    plan, view = make(request), make_view(sz_decimals=request.sz_decimals)
    assume(plan.tokens or plan.quote)
    figures = compute_figures(plan, view, Assumptions(fees=BASE_TIER, fees_source="base tier"))

    assert draw_ladder(plan, view)
    assert describe_plan(figures)
    document = tomllib.loads(write_plan(plan, view, FilePlace(network="sandbox", account=ACCOUNT)))
    parameters = parse_settings(document, environ={}, source="the plan").maker_parameters()
    assert parameters["n_orders"] == plan.grid.n_orders
    assert parameters["allocated_token"] == plan.tokens
    assert parameters["allocated_usdc"] == plan.quote
