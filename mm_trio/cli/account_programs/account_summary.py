"""Summary of a run of several markets: each grid's, and the account's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from mm_trio.cli.run_programs.maker_run import describe_halt
from mm_trio.engine.account_maker import AccountMaker
from mm_trio.engine.grid_face import GridFace
from mm_trio.state.stats import RunStats

__all__ = ["AccountSummary", "sum_stats", "summarize"]

# Counts of which the account has the sum of its grids'.
_SUMMED = (
    "ticks",
    "fills",
    "fill_volume",
    "requests",
    "items",
    "reconciliations",
    "reconnects",
    "errors",
    "refusals_paused",
    "levels_left_out",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSummary:
    """Summary of a run.

    `stats` are the account's, `grids` has the JSON values of each grid by its configured coin. What may rest, and why
    it halted, begins with a coin, or is of the account.
    """

    stats: RunStats
    grids: Mapping[str, Mapping[str, object]]
    orders_may_rest: tuple[str, ...] = ()
    halted_because: tuple[str, ...] = ()
    orders_left: tuple[Mapping[str, object], ...] = ()

    def to_json(self) -> dict[str, object]:
        """Return the summary as plain JSON values."""
        sides = [f"{coin}: {side}" for coin, each in self.grids.items() for side in _list(each["nothing_to_offer"])]
        return {
            **self.stats.to_json(),
            "nothing_to_offer": sides,
            "orders_may_rest": list(self.orders_may_rest),
            "orders_left": [dict(left) for left in self.orders_left],
            "halted_because": list(self.halted_because),
            "grids": {coin: dict(each) for coin, each in self.grids.items()},
        }


def summarize(maker: AccountMaker, *, halted_because: tuple[str, ...]) -> AccountSummary:
    """Return the summary of a maker that has ended; `halted_because` is of the whole account."""
    halts = {name: why for name, face in maker.faces.items() if (why := describe_halt(face)) is not None}
    return AccountSummary(
        stats=sum_stats([face.stats for face in maker.faces.values()]),
        grids={name: _to_json(face, halts.get(name)) for name, face in maker.faces.items()},
        orders_may_rest=maker.orders_may_rest,
        halted_because=(*halted_because, *(f"{name}: {why}" for name, why in halts.items())),
        orders_left=tuple(
            {"coin": name, **left.to_json()} for name, face in maker.faces.items() for left in face.orders_left
        ),
    )


def _to_json(face: GridFace, halted: str | None) -> dict[str, object]:
    return {
        **face.stats.to_json(),
        "boundary_level": face.boundary_level,
        "orders_may_rest": list(face.orders_may_rest),
        "halted_because": [] if halted is None else [halted],
    }


def sum_stats(grids: list[RunStats]) -> RunStats:
    """Return the counts of the account; it has one budget."""
    sums: dict[str, Any] = {name: sum((getattr(each, name) for each in grids), _ZEROS.get(name, 0)) for name in _SUMMED}
    left = [each.budget_left for each in grids if each.budget_left is not None]
    longest = max((each.quoted_s for each in grids), default=0.0)
    return replace(RunStats(), **sums, budget_left=min(left, default=None), quoted_s=longest)


_ZEROS: Mapping[str, Any] = {"fill_volume": Decimal(0)}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
