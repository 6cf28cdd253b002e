"""Income of a ladder from turns, without any market price."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal, InvalidOperation, localcontext

from mm_trio.earnings.exact import NOTHING, Linear
from mm_trio.earnings.tally import Tally
from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.model.settings import find_ladder_rule

__all__ = ["SHAPE", "Ladder", "TurnIncome", "compute_turns", "read_ladder"]

# Parameters of a session that decide which price each token is sold at.
SHAPE = ("start_px", "n_orders", "tick_size", "order_sz", "ladder", "sz_decimals")


class Ladder:
    """Prices of the levels, and the size of an order."""

    def __init__(self, levels: Sequence[Decimal], order_size: Decimal) -> None:
        self.levels = levels
        self.order_size = order_size

    @property
    def most_base(self) -> Decimal:
        """Return the base that a ladder of asks alone offers. Call it within `exactly()`."""
        return len(self.levels) * self.order_size

    def value(self, base: Decimal) -> Decimal:
        """Return the quote that so much base brings, sold up the ladder (phi). Call it within `exactly()`."""
        full, rest = divmod(base, self.order_size)
        first = len(self.levels) - int(full)
        whole = sum(self.levels[first:], NOTHING) * self.order_size
        return whole + (self.levels[first - 1] * rest if rest else NOTHING)


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnIncome:
    """Income from turns, and what having moved along the ladder is worth; or why neither is known.

    `pnl_vs_hold = income + moved(mark) - fees(mark)`.
    """

    income: Decimal | None = None
    moved: Linear | None = None
    absent: str | None = None


def read_ladder(parameters: Mapping[str, str]) -> Ladder | None:
    """Make the ladder of a session; None for one whose ledger does not tell it."""
    try:
        decimals = parameters.get("sz_decimals")
        # The ladder is rounded, as the venue's prices are.
        with localcontext(Context()):
            grid = PricingGrid(
                parameters["start_px"],
                int(parameters["n_orders"]),
                tick_size=parameters["tick_size"],
                sz_decimals=None if decimals is None else int(decimals),
                ladder=find_ladder_rule(parameters),
            )
        order_size = Decimal(parameters["order_sz"])
    except (KeyError, ValueError, InvalidOperation):
        return None
    return Ladder(grid.levels, order_size) if order_size > 0 else None


def compute_turns(tally: Tally, *, start_base: Decimal | None, terms: Sequence[Mapping[str, str]]) -> TurnIncome:
    """Compute the income from turns, for a period that began with so much base on the ladder.

    `terms` are the parameters of the sessions of the period, and of the one before. Call it within `exactly()`.
    """
    ladder = read_ladder(terms[0]) if terms else None
    if ladder is None:
        return TurnIncome(absent="the ledger does not tell the ladder of this period")
    if any(other.get(name) != terms[0].get(name) for other in terms for name in SHAPE):
        return TurnIncome(absent="the ladder changed in this period")
    n = len(ladder.levels)
    if any(not 0 <= level < n or ladder.levels[level] != price for level, price in tally.places):
        return TurnIncome(absent="a fill is not at a price of the ladder")
    if any(flow.base for flow in (*tally.moved.values(), tally.unexplained)):
        return TurnIncome(absent="base came or went without a fill, so the ladder moved along it")
    if start_base is None:
        return TurnIncome(absent="the base on the ladder at the beginning is not known")
    end_base = start_base + tally.net_base()
    for base in (start_base, end_base):
        if not 0 <= base <= ladder.most_base:
            return TurnIncome(absent=f"{base:f} base is outside of what the ladder holds (0 to {ladder.most_base:f})")
    given = ladder.value(start_base) - ladder.value(end_base)
    income = tally.sells.quote - tally.buys.quote - given
    return TurnIncome(income=income, moved=Linear(given, tally.net_base()))
