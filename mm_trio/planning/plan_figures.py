"""Every figure of a plan, computed once for the text and for programs."""

from __future__ import annotations

from dataclasses import dataclass, fields
from decimal import Decimal

from mm_trio.planning.depth import Depth, EqualPool, find_depths, find_equal_pool
from mm_trio.planning.forecast import Forecast, TakerFlow, forecast_income
from mm_trio.planning.income import (
    Fees,
    Terms,
    compute_break_even_swing,
    compute_deployer_cost,
    compute_informed_cost,
    compute_lvr,
    compute_part_round_trip,
    compute_round_trip,
)
from mm_trio.planning.ladder_plan import Ending, LadderPlan, find_ending
from mm_trio.planning.market_view import MarketView
from mm_trio.planning.plan_limits import PlanLimits, find_limits
from mm_trio.planning.plan_warnings import PlanWarning, find_warnings
from mm_trio.planning.request_budget import RequestNeed, find_request_need

__all__ = ["Assumptions", "Income", "PlanFigures", "compute_figures"]

ASSUMED_SIGMA = Decimal("0.05")
_BPS = Decimal(10_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """What the figures assume; None: not given.

    `sigma` is the volatility a day, a ratio. `taker_size` is that of a usual taker, in base. `deployer_share` is the
    part of the fees in base that the token's deployer gets. `flow` are the takers of a forecast.
    """

    fees: Fees
    fees_source: str
    sigma: Decimal | None = None
    taker_size: Decimal | None = None
    deployer_share: Decimal | None = None
    flow: TakerFlow | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Income:
    """What the ladder earns and pays, by the formulas.

    Units: bps of one leg's notional, `round_trip` and the amounts a day in quote, `break_even_swing` in orders.
    """

    notional: Decimal
    sigma: Decimal
    break_even_swing: Decimal | None
    round_trip: Decimal
    round_trip_bps: Decimal
    part_round_trip_bps: Decimal
    informed_cost: Decimal | None
    lvr: Decimal
    deployer_cost_bps: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanFigures:
    """A plan and all that was computed of it."""

    plan: LadderPlan
    view: MarketView
    assumptions: Assumptions
    top: Ending
    bottom: Ending
    depths: tuple[Depth, ...]
    pool: EqualPool
    requests: RequestNeed
    income: Income
    forecast: Forecast | None
    limits: PlanLimits
    warnings: tuple[PlanWarning, ...]

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values; amounts and prices are exact texts."""
        plan, view, given = self.plan, self.view, self.assumptions
        levels = plan.grid.levels
        return {
            "coin": view.coin,
            "pair": f"{view.base}/{view.quote}",
            "start_px": _text(levels[0]),
            "top_px": _text(levels[-1]),
            "n_orders": len(levels),
            "tick_size": _text(plan.grid.tick_size),
            "gap_levels": plan.gap_levels,
            "order_sz": _text(plan.order_size),
            "active_levels": plan.active_levels,
            "token": _text(plan.tokens),
            "usdc": _text(plan.quote),
            "usdc_needed": _text(plan.quote_needed),
            "spare_token": _text(plan.spare_tokens),
            "spare_usdc": _text(plan.spare_quote),
            "opens_at": _text(plan.opens_at),
            "best_bid": _text(plan.best_bid),
            "best_ask": _text(plan.best_ask),
            "spread_bps": _text(plan.spread_bps),
            "market_mid": _text(view.mid),
            "asks": len(plan.asks),
            "bids": len(plan.bids),
            "at_top": {**_values(self.top), "worth": _text(self.top.worth)},
            "at_bottom": {**_values(self.bottom), "worth": _text(self.bottom.worth)},
            "depth": [{name: _text(value) for name, value in depth._asdict().items()} for depth in self.depths],
            "equal_pool": {name: _text(value) for name, value in self.pool._asdict().items()},
            "requests": _values(self.requests),
            "fees": {
                "maker_bps": _text(given.fees.maker * _BPS),
                "taker_bps": _text(given.fees.taker * _BPS),
                "source": given.fees_source,
            },
            "income": {**_values(self.income), "sigma_is_assumed": given.sigma is None},
            "forecast": None if self.forecast is None else self._forecast_to_json(self.forecast),
            "limits": _values(self.limits),
            "warnings": [warning._asdict() for warning in self.warnings],
        }

    def _forecast_to_json(self, forecast: Forecast) -> dict[str, object]:
        flow = self.assumptions.flow
        return {
            "takers": None if flow is None else flow.described,
            "takers_per_hour": forecast.n_takers,
            "fills": forecast.fills,
            "volume": _text(forecast.volume),
            "gross": _text(forecast.gross),
            "fees": _text(forecast.fees),
            "net": _text(forecast.net),
            "net_bps": _text(forecast.net_bps),
        }


def _text(value: Decimal | None) -> str | None:
    return None if value is None else f"{value.normalize():f}"


def _values(row: Ending | RequestNeed | Income | PlanLimits) -> dict[str, object]:
    values = {item.name: getattr(row, item.name) for item in fields(row)}
    return {name: _text(value) if isinstance(value, Decimal) else value for name, value in values.items()}


def compute_figures(plan: LadderPlan, view: MarketView, assumptions: Assumptions) -> PlanFigures:
    """Compute every figure of a plan."""
    taker, flow = assumptions.taker_size, assumptions.flow
    return PlanFigures(
        plan=plan,
        view=view,
        assumptions=assumptions,
        top=find_ending(plan, at_top=True),
        bottom=find_ending(plan, at_top=False),
        depths=find_depths(plan),
        pool=find_equal_pool(plan),
        requests=find_request_need(plan, taker_notional=None if taker is None else taker * plan.opens_at),
        income=_compute_income(plan, assumptions),
        forecast=None if flow is None else forecast_income(plan, flow.takers, assumptions.fees, n_takers=flow.an_hour),
        limits=find_limits(plan),
        warnings=find_warnings(plan, view, assumptions.fees, taker_size=taker),
    )


def _compute_income(plan: LadderPlan, assumptions: Assumptions) -> Income:
    fees, share = assumptions.fees, assumptions.deployer_share
    sigma = ASSUMED_SIGMA if assumptions.sigma is None else assumptions.sigma
    notional = plan.order_size * plan.opens_at
    terms = Terms(step=plan.grid.tick_size, gap=plan.gap_levels, notional=notional, fees=fees)
    return Income(
        notional=notional,
        sigma=sigma,
        break_even_swing=compute_break_even_swing(terms),
        round_trip=compute_round_trip(terms),
        round_trip_bps=compute_round_trip(terms) / notional * _BPS,
        part_round_trip_bps=compute_part_round_trip(terms) * _BPS,
        informed_cost=compute_informed_cost(terms, sigma=sigma),
        lvr=compute_lvr(terms, sigma=sigma),
        deployer_cost_bps=None if share is None else compute_deployer_cost(fees, share=share) * _BPS,
    )
