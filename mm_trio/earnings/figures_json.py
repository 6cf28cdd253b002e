"""Figures as JSON values: amounts are decimal strings in plain digits, None is absent."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from mm_trio.earnings.exact import shorten
from mm_trio.earnings.markouts import AT_FILL_MS, HORIZONS_MS, LVR_AFTER_MS
from mm_trio.earnings.tally import Flow, Holdings

if TYPE_CHECKING:
    from mm_trio.earnings.figures import Figures

__all__ = ["figures_to_json", "to_text"]


def figures_to_json(figures: Figures) -> dict[str, object]:
    """Return the figures of a period as plain JSON values."""
    setting = figures.setting
    return {
        "from_ms": setting.period.from_ms,
        "until_ms": setting.period.until_ms,
        "first_fill_ms": None if figures.tally.times_ms is None else figures.tally.times_ms[0],
        "last_fill_ms": None if figures.tally.times_ms is None else figures.tally.times_ms[1],
        "fills": _count_to_json(figures),
        "start": _holdings(setting.start) | {"mark": setting.start_mark.to_json()},
        "end": _holdings(figures.end) | {"mark": setting.end_mark.to_json()},
        **_money_to_json(figures),
        "markouts": [
            figures.find_marked(horizon_ms).to_json() | {"adverse": to_text(figures.find_adverse(horizon_ms))}
            for horizon_ms in HORIZONS_MS[1:]
        ],
        "moved": {kind: _flow(flow) for kind, flow in sorted(figures.tally.moved.items())},
        "opening": _flow(figures.tally.opening),
        "unexplained": _flow(figures.tally.unexplained),
        "absent": figures.absent,
    }


def _count_to_json(figures: Figures) -> dict[str, object]:
    buys, sells = figures.tally.buys, figures.tally.sells
    return {
        "n": figures.tally.n_fills,
        "buys": buys.n,
        "sells": sells.n,
        "bought_base": to_text(buys.base),
        "bought_quote": to_text(buys.quote),
        "sold_base": to_text(sells.base),
        "sold_quote": to_text(sells.quote),
        "volume_quote": to_text(figures.volume),
    }


def _money_to_json(figures: Figures) -> dict[str, object]:
    earned, fees, turns = figures.earned, figures.fees, figures.turns
    edge = figures.find_marked(AT_FILL_MS)
    others = {token: to_text(fee) for token, fee in sorted(figures.tally.fees_other.items())}
    cost = {"cost_quote": to_text(figures.request_cost), "per_1000_quote": to_text(figures.requests_per_1000)}
    bps = None if edge.amount is None else shorten(edge.amount * 10_000, figures.volume, places=6)
    return {
        "earned_base": to_text(earned.base),
        "earned_quote": to_text(earned.quote),
        "pnl_vs_hold": to_text(figures.pnl_vs_hold),
        "realised": to_text(figures.realised),
        "open": to_text(figures.open.at(figures.mark)),
        "fees": {
            "in_quote": to_text(fees.at(figures.mark)),
            "base": to_text(fees.base),
            "quote": to_text(fees.quote),
            "other": others,
        },
        "edge": to_text(edge.amount),
        "edge_bps": to_text(bps),
        "edge_of_marked": to_text(edge.of_marked),
        "inventory": to_text(figures.inventory),
        "lvr": {"amount": to_text(figures.lvr), "reference": "book mid", "delta_s": LVR_AFTER_MS // 1000},
        "turn_income": to_text(turns.income),
        "ladder_vs_hold": to_text(figures.ladder_vs_hold),
        "pool_vs_hold": to_text(figures.pool_vs_hold),
        "fee_share": _share_to_json(figures),
        "requests": {"items": figures.setting.n_requests, **cost},
        "capital": to_text(figures.capital),
        "wealth_change": to_text(figures.wealth_change),
        "return_on_capital": to_text(figures.return_on_capital),
    }


def _share_to_json(figures: Figures) -> dict[str, object] | None:
    share = figures.setting.fee_share
    if share is None:
        return None
    rate = to_text(figures.taker_rate)
    return {"share": to_text(share), "amount": to_text(figures.fee_share_income), "taker_rate": rate, "estimated": True}


def to_text(amount: Decimal | None) -> str | None:
    """Return an amount in plain digits; None where it is absent."""
    return None if amount is None else f"{amount:f}"


def _holdings(held: Holdings) -> dict[str, object]:
    return {"base": to_text(held.base), "quote": to_text(held.quote)}


def _flow(flow: Flow) -> dict[str, object]:
    return {"n": flow.n, "base": to_text(flow.base), "quote": to_text(flow.quote)}
