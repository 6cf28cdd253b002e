"""Draw the pictures of docs/economics.md.

    python tools/draw_economics.py [FOLDER]

It needs matplotlib, and writes SVG files to docs/pictures unless a folder is given. A picture is the same at every run:
its text stays text, its ids have a fixed salt, and it has no date.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from decimal import Decimal
from io import StringIO
from math import sqrt
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from mm_trio.planning.income import BASE_TIER, Terms, compute_informed_cost
from mm_trio.planning.ladder_plan import LadderPlan, plan_ladder
from mm_trio.planning.plan_request import PlanRequest

__all__ = ["PICTURES", "draw_all"]

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "pictures"
ASK, BID, GREY, BLUE, ORANGE = "#c2665e", "#4f9a68", "#76808f", "#4a6fa5", "#c08a2e"
_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "mm_trio",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e4e7eb",
    "figure.facecolor": "white",
}
# The creator's line would name the version of the library.
_METADATA = {"Date": None, "Creator": None}
SWINGS = [n / 20 for n in range(1, 161)]


def _plan(gap: int) -> LadderPlan:
    return plan_ladder(
        PlanRequest(
            sz_decimals=2,
            start_px=Decimal(20),
            top_px=Decimal("20.43"),
            order_sz=Decimal(5),
            tokens=Decimal(17),
            gap_levels=gap,
        )
    )


def draw_ladders() -> Any:
    """Draw one inventory as ladders of gap 0, 1 and 2."""
    figure, axes = pyplot.subplots(1, 3, figsize=(9, 3.4), sharey=True)
    for gap, axis in enumerate(axes):
        plan = _plan(gap)
        for order in plan.all_orders:
            axis.barh(order.level_index, float(order.size), color=ASK if order.side == "sell" else BID, height=0.7)
        axis.set_title(f"gap {gap}")
        axis.set_xlabel("size of the order, in tokens")
        axis.set_yticks(range(plan.grid.n_orders), [f"{price:f}" for price in plan.grid.levels])
        axis.set_axisbelow(True)
    axes[0].set_ylabel("price")
    figure.suptitle("17 tokens on eight levels, orders of 5: asks above, bids below")
    figure.tight_layout()
    return figure


def draw_holdings() -> Any:
    """Draw the tokens held at each price, by a ladder and by a pool."""
    figure, axis = pyplot.subplots(figsize=(7, 3.8))
    step, n_levels = 0.003, 400
    steps = [i / 4 for i in range(-4 * n_levels, 4 * n_levels + 1)]
    growth = [(1 + step) ** n for n in steps]
    ladder = [max(0.0, n_levels - n) for n in steps]
    pool = [2 / step / sqrt(p) for p in growth]
    axis.plot(growth, ladder, color=BLUE, label="ladder: the same tokens for every step")
    axis.plot(growth, pool, color=ORANGE, linestyle="--", label="pool x · y = k, as deep where both begin")
    axis.axvline(1, color=GREY, linewidth=0.8)
    axis.set_xlabel("price, as a multiple of the opening price")
    axis.set_ylabel("tokens held, in orders")
    axis.set_xscale("log")
    axis.set_xticks([0.3, 0.5, 1, 2, 3], ["0.3", "0.5", "1", "2", "3"])
    axis.minorticks_off()
    axis.legend(frameon=False)
    figure.tight_layout()
    return figure


def draw_swings() -> Any:
    """Draw what swings earn at gap 0, by their size."""
    figure, axis = pyplot.subplots(figsize=(7, 3.8))
    for fee, colour in ((4, ASK), (2, ORANGE), (0, BLUE)):
        axis.plot(SWINGS, [_earn(swing) - fee for swing in SWINGS], color=colour, label=f"gap 0, maker's fee {fee} bps")
    axis.axhline(15 - 4, color=BID, linestyle="--", label="gap 1, maker's fee 4 bps")
    axis.axhline(0, color=GREY, linewidth=0.8)
    axis.set_xlabel("size of a swing there and back, in orders")
    axis.set_ylabel("earned, in bps of the volume")
    axis.set_ylim(-5, 16)
    axis.legend(frameon=False, loc="center right", bbox_to_anchor=(1, 0.6))
    figure.tight_layout()
    return figure


def _earn(swing: float) -> float:
    """Return the gross gain in bps: the step up to one order, and then by size."""
    return 15 / max(1.0, swing)


def draw_informed() -> Any:
    """Draw the cost of informed flow by volatility, for three ladders."""
    figure, axis = pyplot.subplots(figsize=(7, 3.8))
    ladders = (("gap 0, steps of 0.3 %", 0, "0.003", 100, ASK), ("gap 1, steps of 0.3 %", 1, "0.003", 100, BID))
    half = ("gap 1, steps of 0.15 %, half the order size", 1, "0.0015", 50, BLUE)
    sigmas = [n / 4 for n in range(41)]
    for name, gap, step, notional, colour in (*ladders, half):
        terms = Terms(step=Decimal(step), gap=gap, notional=Decimal(notional), fees=BASE_TIER)
        axis.plot(sigmas, [_cost(terms, sigma) for sigma in sigmas], color=colour, label=name)
    axis.set_xlabel("volatility, in % a day")
    axis.set_ylabel("cost in USDC a day, 100 USDC on each 0.3 %")
    axis.legend(frameon=False)
    figure.tight_layout()
    return figure


def _cost(terms: Terms, sigma_pct: float) -> float:
    return float(compute_informed_cost(terms, sigma=Decimal(sigma_pct) / 100) or 0)


PICTURES: dict[str, Callable[[], Any]] = {
    "ladders": draw_ladders,
    "holdings": draw_holdings,
    "swings": draw_swings,
    "informed": draw_informed,
}


def draw_all(folder: Path, names: tuple[str, ...] = tuple(PICTURES)) -> None:
    """Draw pictures into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        with pyplot.rc_context(_STYLE):
            figure = PICTURES[name]()
            text = StringIO()
            figure.savefig(text, format="svg", metadata=_METADATA)
            pyplot.close(figure)
        # Paths have blanks at the ends of their lines, which tools for diffs report.
        lines = [line.rstrip() for line in text.getvalue().splitlines()]
        (folder / f"{name}.svg").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    draw_all(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
