"""Report of a change: what happens to each grid, what it costs, and how wide the inside becomes on the way."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from mm_trio.account_config.changes import AccountChange, GridChange
from mm_trio.migration.ladder_change import MigrationPlan

__all__ = ["ChangeReport", "GridPlan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GridPlan:
    """Change of one grid and the orders that it takes; `plan` None where no order changes.

    `bound` is the wider inside of before and after.
    """

    change: GridChange
    n_resting: int = 0
    n_wanted: int = 0
    plan: MigrationPlan | None = None
    bound: Decimal | None = None

    @property
    def n_requests(self) -> int:
        """Count the requests."""
        return 0 if self.plan is None else self.plan.n_requests

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        values: dict[str, object] = {"coin": self.change.coin, "change": self.change.kind}
        if text := self.change.describe():
            values["settings"] = text
        if (plan := self.plan) is not None:
            values |= {
                "resting": self.n_resting,
                "wanted": self.n_wanted,
                "kept": plan.n_kept,
                "cancelled": plan.n_cancelled,
                "modified": plan.n_modified,
                "split": plan.n_split,
                "placed": plan.n_placed,
                "requests": plan.n_requests,
                "ticks": len(plan.steps),
                "widest_inside": None if plan.widest is None else f"{plan.widest:f}",
                "inside_bound": None if self.bound is None else f"{self.bound:f}",
                "one_sided_ticks": plan.n_one_sided,
            }
        return values

    def to_text(self) -> str:
        """Return the text for a person."""
        head = f"{self.change.coin}: {self.change.kind}"
        lines = [f"{head}; {text}" if (text := self.change.describe()) else head]
        if (plan := self.plan) is not None:
            lines.append(
                f"  orders: {self.n_resting} rest, {self.n_wanted} will; {plan.n_kept} stay, {plan.n_cancelled} are "
                f"cancelled, {plan.n_modified} modified, {plan.n_placed} placed"
            )
            if plan.n_split > 0:
                lines.append(
                    f"  {plan.n_split} of those that are modified are cancelled and placed anew: the funds are for one "
                    "of both orders"
                )
            widest = "a side is empty" if plan.widest is None else f"{plan.widest:f} at the widest"
            bound = "" if self.bound is None else f" (the wider one of before and after: {self.bound:f})"
            lines.append(f"  requests: {plan.n_requests} in {len(plan.steps)} ticks; inside: {widest}{bound}")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeReport:
    """Whole change of an account.

    `folder` is where the running configuration was found. `budget` are the requests that the venue still takes,
    `is_live` says if a maker runs, None where that cannot be told.
    """

    folder: Path
    change: AccountChange
    grids: tuple[GridPlan, ...]
    budget: int
    is_live: bool | None

    @property
    def n_requests(self) -> int:
        """Count the requests of all grids."""
        return sum(grid.n_requests for grid in self.grids)

    @property
    def n_beyond_cancels(self) -> int:
        """Count the requests that need the budget; cancels pass without it."""
        plans = [grid.plan for grid in self.grids if grid.plan is not None]
        return sum(plan.n_requests - plan.n_cancelled - plan.n_split for plan in plans)

    @property
    def fault(self) -> str:
        """Say why the change cannot be made; empty where it can."""
        if self.n_beyond_cancels <= self.budget:
            return ""
        return (
            f"the change needs {self.n_beyond_cancels} requests beside its cancels, and the venue takes {self.budget} "
            "more of this account; trade first, or change less at once"
        )

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        values: dict[str, object] = {
            kind: [grid.coin for grid in self.change.list_kind(kind)]
            for kind in ("added", "removed", "changed", "unchanged")
        }
        return values | {
            "ok": not self.fault,
            "limits_changed": self.change.limits_changed,
            "grids": [grid.to_json() for grid in self.grids],
            "requests": self.n_requests,
            "budget": self.budget,
            "running": self.is_live,
        }

    def to_text(self) -> str:
        """Return the text for a person."""
        if self.change.is_empty:
            return "nothing changes: the maker runs with this configuration"
        lines = [grid.to_text() for grid in self.grids]
        if self.change.limits_changed:
            lines.append("[limits] of the account change")
        lines.append(f"requests in all: {self.n_requests}; the venue takes {self.budget} more of this account")
        if self.fault:
            lines.append(f"NOT possible: {self.fault}")
        return "\n".join(lines)
