"""Limits that a rehearsal suggests: the plan's worst case, and the pace that was seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from decimal import ROUND_CEILING, Decimal

from mm_trio.cli.rehearse_programs.figures import PathFigures
from mm_trio.planning.ladder_plan import LadderPlan
from mm_trio.planning.plan_limits import find_limits

__all__ = ["SuggestedLimit", "suggest_limits", "write_limits"]

# Of what was seen; an hour of the market may be livelier.
PACE_MARGIN = 2
# Below these, what happens to any maker would stop it: two starts in an hour, a sweep of the book, a venue that is
# slow for a minute.
LEAST_ACTIONS, LEAST_FILLS, LEAST_UNKNOWN = 100, 60, 20
# Requests that are kept, as `grid` writes them; more where there is more to cancel.
LEAST_FLOOR, CANCELS_EACH = 500, 2
# They count from an allocation on, and the configuration refuses them without one.
_OF_LEDGER = ("max_net_spend", "max_loss_vs_hold", "max_drawdown_vs_hold")
_NOTE_COLUMN = 40
_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class SuggestedLimit:
    """Limit by its name in `[limits]`, and where it comes from."""

    name: str
    value: Decimal | int
    why: str

    @property
    def text(self) -> str:
        """Return the value as TOML has it."""
        return str(self.value) if isinstance(self.value, int) else f'"{self.value:f}"'


def suggest_limits(
    plan: LadderPlan | None, figures: Sequence[PathFigures], *, hours: float, has_allocation: bool
) -> tuple[SuggestedLimit, ...]:
    """Suggest limits for what was rehearsed.

    `hours` are those of each path. Without a plan only the pace is known.
    """
    of_plan = [limit for limit in _of_plan(plan) if has_allocation or limit.name not in _OF_LEDGER]
    return (*of_plan, *_of_pace(figures, hours=hours))


def _of_plan(plan: LadderPlan | None) -> Iterator[SuggestedLimit]:
    if plan is None:
        return
    limits = find_limits(plan)
    for item in fields(limits):
        why = "end of the ladder" if item.name.startswith("price_") else "worst case of the plan, and a tenth more"
        yield SuggestedLimit(item.name, getattr(limits, item.name), why)


def _of_pace(figures: Sequence[PathFigures], *, hours: float) -> Iterator[SuggestedLimit]:
    # A shorter run has not seen a whole hour.
    share = max(Decimal(1), 1 / Decimal(repr(hours)))
    for name, least, factor in (
        ("max_actions_per_hour", LEAST_ACTIONS, share),
        ("max_fills_per_minute", LEAST_FILLS, Decimal(1)),
        ("max_unknown_outcomes", LEAST_UNKNOWN, Decimal(1)),
    ):
        seen = max((_find_peak(path, name) for path in figures), default=Decimal(0))
        value = max(least, _round_up(PACE_MARGIN * factor * seen))
        yield SuggestedLimit(name, value, f"{seen:f} were seen; twice that, at least {least}")
    orders = max((path.quoting.most_orders for path in figures), default=0)
    floor = max(LEAST_FLOOR, _round_up(Decimal(CANCELS_EACH * orders)))
    yield SuggestedLimit("budget_floor", floor, f"{orders} orders rested; two cancels of each, at least {LEAST_FLOOR}")


def _find_peak(path: PathFigures, name: str) -> Decimal:
    return next((peak.value for peak in path.peaks if peak.name == name and peak.value is not None), Decimal(0))


def _round_up(number: Decimal) -> int:
    """Round up to two figures."""
    unit = Decimal(1).scaleb(max(0, number.adjusted() - 1))
    return int((number / unit).to_integral_value(ROUND_CEILING) * unit)


def write_limits(limits: Sequence[SuggestedLimit], figures: Sequence[PathFigures]) -> str:
    """Write the table as a configuration takes it."""
    lines = ["[limits]"]
    for path in figures:
        loss = path.income.worst_loss.quantize(_CENT, rounding=ROUND_CEILING)
        lines.append(f"# Worst loss against having held on the path {path.path}: {loss:f}.")
    for limit in limits:
        lines.append(f"{f'{limit.name} = {limit.text}':<{_NOTE_COLUMN}}# {limit.why}")
    return "\n".join(lines) + "\n"
