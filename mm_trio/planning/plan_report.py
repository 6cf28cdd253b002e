"""Plan in plain words with units, and the ladder as a drawing.

A line is a row of (text, style) pieces. The styles are those of the live view: "ask", "bid", "dim", "title", "alert".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import TypeAlias

from mm_trio.model.orders import DesiredOrder
from mm_trio.planning.forecast import Forecast, TakerFlow
from mm_trio.planning.ladder_plan import Ending, LadderPlan
from mm_trio.planning.market_view import MarketView
from mm_trio.planning.plan_figures import PlanFigures

__all__ = ["Line", "describe_plan", "draw_ladder"]

Line: TypeAlias = tuple[tuple[str, str], ...]

ROWS_A_SIDE = 8
BAR_CELLS = 24
_NAME_CELLS = 14
_CENT = Decimal("0.01")


def _money(amount: Decimal) -> str:
    return f"{amount.quantize(_CENT):,f}"


def _plain(number: Decimal) -> str:
    """Write a number without idle zeros, in groups of three."""
    return f"{number.normalize():,f}" if number else "0"


def _price(number: Decimal) -> str:
    """Write a computed price with six figures."""
    return _plain(number.quantize(Decimal(1).scaleb(min(0, number.adjusted() - 5)))) if number else "0"


def _bps(number: Decimal) -> str:
    return f"{number:+.1f} bps" if number else "0 bps"


# --- Drawing ----------------------------------------------------------------------------------


def draw_ladder(plan: LadderPlan, view: MarketView) -> list[Line]:
    """Draw the inside of the ladder, asks above the bids."""
    asks, bids = plan.asks[:ROWS_A_SIDE], plan.bids[:ROWS_A_SIDE]
    width = max((len(f"{order.price:f}") for order in (*asks, *bids)), default=8)
    wide = max((len(_plain(order.size)) for order in (*asks, *bids)), default=4)
    head = f"      level  {'price':>{width}}  {'size':>{wide}}  of {_plain(plan.order_size)} {view.base}"
    spread = "one side alone" if plan.spread_bps is None else f"spread {plan.spread_bps:.1f} bps"
    mid = "" if view.mid is None else f" · market {view.mid:f}"
    inside = f" opens at {_price(plan.opens_at)} {view.quote} · {spread}{mid} "
    return [
        ((head, "dim"),),
        *_draw_rest(plan.asks, "above"),
        *(_draw_order(order, plan, width, wide) for order in reversed(asks)),
        (("──", "dim"), (inside, "title"), ("─" * max(0, 66 - len(inside)), "dim")),
        *(_draw_order(order, plan, width, wide) for order in bids),
        *_draw_rest(plan.bids, "below"),
    ]


def _draw_rest(orders: Sequence[DesiredOrder], where: str) -> Iterator[Line]:
    if len(orders) > ROWS_A_SIDE:
        yield ((f"        … {len(orders) - ROWS_A_SIDE} more {where}, to {orders[-1].price:f}", "dim"),)


def _draw_order(order: DesiredOrder, plan: LadderPlan, width: int, wide: int) -> Line:
    name = "ask" if order.side == "sell" else "bid"
    full, half = divmod(max(1, round(order.size / plan.order_size * BAR_CELLS * 2)), 2)
    return (
        (f"  {name}", name),
        (f" {order.level_index:>6}", "dim"),
        (f"  {order.price:>{width}f}", name),
        (f"  {_plain(order.size):>{wide}}  ", ""),
        ("━" * full + "╸" * half, name),
    )


# --- Words ------------------------------------------------------------------------------------


def describe_plan(figures: PlanFigures) -> list[Line]:
    """Describe a plan: every figure, then every warning."""
    rows = (*_tell_ladder(figures), *_tell_ends(figures), *_tell_depth(figures), *_tell_income(figures))
    lines: list[Line] = []
    before = ""
    for name, text in rows:
        lines.append(((f"{'' if name == before else name:<{_NAME_CELLS}}", "dim"), (text, "")))
        before = name
    for warning in figures.warnings:
        lines += [(), (("warning: ", "alert"), (f"{warning.what}.", "")), ((f"{'':9}To do: {warning.remedy}.", ""),)]
    return lines


def _tell_ladder(figures: PlanFigures) -> Iterator[tuple[str, str]]:
    plan, view = figures.plan, figures.view
    base, quote, levels = view.base, view.quote, plan.grid.levels
    step = _plain(plan.grid.tick_size * 100)
    yield "ladder", f"{len(levels)} levels of {view.coin} from {levels[0]:f} to {levels[-1]:f} {quote}, {step} % apart"
    worth = _money(figures.income.notional)
    yield (
        "orders",
        f"{_plain(plan.order_size)} {base} each, worth about {worth} {quote}; gap of {plan.gap_levels} levels",
    )
    inside = f"best bid {_side(plan.best_bid)}, best ask {_side(plan.best_ask)} {quote}"
    spread = "" if plan.spread_bps is None else f", {plan.spread_bps:.1f} bps apart"
    yield "opens", f"{inside}{spread}"
    yield (
        "offers",
        f"{_plain(plan.tokens)} {base} in {len(plan.asks)} asks, {_money(plan.quote)} {quote} in {len(plan.bids)} bids",
    )
    if plan.gap_levels == 0 and plan.tokens % plan.order_size == 0:
        opening = plan.asks[0].level_index if plan.asks else len(levels)
        yield "offers", f"that is HIP-2 with {opening} of its {len(levels)} levels seeded (nSeededLevels)"
    yield (
        "needs",
        f"{_money(plan.quote_needed)} {quote} for bids down to the lowest level, "
        f"{_plain(plan.tokens)} {base} for asks up to the top",
    )
    if plan.spare_tokens or plan.spare_quote:
        yield "not used", f"{_plain(plan.spare_tokens)} {base}, {_money(plan.spare_quote)} {quote}"


def _side(price: Decimal | None) -> str:
    return "none" if price is None else f"{price:f}"


def _tell_ends(figures: PlanFigures) -> Iterator[tuple[str, str]]:
    yield "at the top", _tell_ending(figures.top, figures.view)
    yield "at the bottom", _tell_ending(figures.bottom, figures.view)


def _tell_ending(end: Ending, view: MarketView) -> str:
    return (
        f"{end.price:f}: {_plain(end.token)} {view.base} and {_money(end.quote)} {view.quote}, worth "
        f"{_money(end.worth)} {view.quote}, {_money(end.loss_vs_hold)} less than held"
    )


def _tell_depth(figures: PlanFigures) -> Iterator[tuple[str, str]]:
    view, pool, need = figures.view, figures.pool, figures.requests
    for depth in figures.depths:
        sides = f"{_money(depth.bids)} {view.quote} of bids, {_money(depth.asks)} of asks"
        yield "depth", f"within {depth.distance_pct:f} %: {sides}"
    yield (
        "depth",
        (
            f"a pool x * y = k as deep at the opening holds {_plain(pool.token.quantize(_CENT))} {view.base} and "
            f"{_money(pool.quote)} {view.quote}"
        ),
    )
    yield "requests", f"{need.first_placement} for the first placement, of {need.budget:,} that an address begins with"
    yield "requests", f"that is enough to place and cancel everything {need.starts} times without a fill"
    if need.fills is None:
        yield "requests", f"each {view.quote} traded earns one more, so usual fills earn more requests than they use"
    else:
        yield "requests", f"fills this small use more than they earn: the budget lasts about {need.fills:,} fills"


def _tell_income(figures: PlanFigures) -> Iterator[tuple[str, str]]:
    income, given, quote = figures.income, figures.assumptions, figures.view.quote
    fees = given.fees
    yield "fees", f"maker {fees.maker * 10_000:.2f} bps, taker {fees.taker * 10_000:.2f} bps ({given.fees_source})"
    trip = f"{_bps(income.round_trip_bps)} or {income.round_trip:+.4f} {quote}"
    yield "earns", f"an order sold whole and bought back whole: {trip}, fees paid"
    yield "earns", f"a part of an order that turns around: {_bps(income.part_round_trip_bps)}, fees paid"
    if income.break_even_swing is not None:
        swing = income.break_even_swing
        worth = _money(swing * income.notional)
        yield (
            "earns",
            f"swings there and back break even at about {swing:.2f} orders ({worth} {quote}); larger ones lose",
        )
    if figures.forecast is not None and given.flow is not None:
        yield "forecast", _tell_forecast(figures.forecast, given.flow, quote)
    assumed = "assumed, see --sigma" if given.sigma is None else "given"
    sigma = f"{_plain(income.sigma * 100)} % a day, {assumed}"
    if income.informed_cost is None:
        yield "pays", "informed traders: without a taker's fee and without a gap there is no bound"
    else:
        yield (
            "pays",
            f"informed traders {_money(income.informed_cost)} {quote} a day, fees included (volatility {sigma})",
        )
    yield "pays", f"the continuous curve would lose {_money(income.lvr)} {quote} a day to them (LVR)"
    if income.deployer_cost_bps is not None:
        cost = income.deployer_cost_bps
        word = "costs" if cost >= 0 else "earns"
        yield "deployer", f"a unit that goes round {word} {abs(cost):.2f} bps in fees, your share counted"


def _tell_forecast(forecast: Forecast, flow: TakerFlow, quote: str) -> str:
    gross, fees, net, volume = (
        f"{_money(amount)} {quote}" for amount in (forecast.gross, forecast.fees, forecast.net, forecast.volume)
    )
    rate = "" if forecast.net_bps is None else f" ({_bps(forecast.net_bps)} of {volume} traded)"
    whose = f"{flow.an_hour:,} {flow.described}"
    return f"an hour of {whose}: round trips earn {gross}, fees take {fees}, {net} is left{rate}; none of them informed"
