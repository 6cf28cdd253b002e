"""What became of one seed."""

from __future__ import annotations

from dataclasses import dataclass

from mm_trio.sim.base.judge import Violation

__all__ = ["SeedReport"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedReport:
    """What one seed came to.

    `core_s` is what it cost of a processor; `digest` is of its whole trace; `converged_s` None: it did not;
    `reaction_s` from a fill to the last order that answered it; `last_steps` before a violation.
    """

    seed: int
    sim_s: float
    core_s: float
    struck: dict[str, int]
    violations: tuple[Violation, ...]
    last_steps: tuple[str, ...]
    converged_s: float | None
    reaction_s: float | None
    digest: str
    n_steps: int
    n_processes: int
    n_checks: dict[str, int]
    coverage: dict[str, int]
