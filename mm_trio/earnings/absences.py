"""Reasons why figures are absent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mm_trio.earnings.markouts import AT_FILL_MS, HORIZONS_MS, LVR_AFTER_MS

if TYPE_CHECKING:
    from mm_trio.earnings.figures import Figures

__all__ = ["NO_MARK", "find_absences"]

NO_MARK = "no mark"


def find_absences(figures: Figures) -> dict[str, str]:
    """Return why each figure that is absent is so."""
    found: dict[str, str] = {}
    no_mark = figures.setting.end_mark.absent or NO_MARK
    no_start = figures.setting.start_mark.absent or NO_MARK
    for name, amount in (
        ("pnl_vs_hold", figures.pnl_vs_hold),
        ("open", figures.open.at(figures.mark)),
        ("fees", figures.fees.at(figures.mark)),
    ):
        if amount is None:
            found[name] = no_mark
    for name, horizon_ms in [("edge", AT_FILL_MS), ("lvr", LVR_AFTER_MS)]:
        if (missing := _describe_missing(figures, horizon_ms)) is not None:
            found[name] = missing
    for horizon_ms in HORIZONS_MS[1:]:
        if (missing := _describe_missing(figures, horizon_ms)) is not None:
            found[f"markout_{horizon_ms // 1000}s"] = missing
    if figures.inventory is None:
        found["inventory"] = found.get("pnl_vs_hold") or found.get("edge") or no_mark
    if figures.turns.absent is not None:
        found["turn_income"] = found["ladder_vs_hold"] = figures.turns.absent
    elif figures.ladder_vs_hold is None:
        found["ladder_vs_hold"] = no_mark
    if figures.pool_vs_hold is None:
        found["pool_vs_hold"] = no_mark if figures.mark is None else "the maker did not begin with both tokens"
    if figures.wealth_change is None:
        found["wealth_change"] = no_mark if figures.setting.start_mark.price is not None else no_start
    if figures.return_on_capital is None:
        found["return_on_capital"] = found.get("pnl_vs_hold") or _describe_capital(figures, no_start)
    if figures.capital is None:
        found["capital"] = _describe_capital(figures, no_start)
    if figures.setting.fee_share is not None and figures.fee_share_income is None:
        found["fee_share"] = no_mark
    return found


def _describe_missing(figures: Figures, horizon_ms: int) -> str | None:
    marked = figures.find_marked(horizon_ms)
    if marked.amount is not None:
        return None
    when = "before" if horizon_ms == AT_FILL_MS else f"{horizon_ms // 1000} s after"
    return f"{marked.n - marked.n_marked} of {marked.n} fills have no price recorded {when} them"


def _describe_capital(figures: Figures, no_start: str) -> str:
    if figures.setting.quoted is None:
        return "what the maker could use at the beginning is not known"
    return no_start if figures.capital is None else "the maker began with nothing"
