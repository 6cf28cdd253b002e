"""Result of one seed."""

from __future__ import annotations

from dataclasses import dataclass

from mm_trio.sim.base.judge import Violation

__all__ = ["SeedReport"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedReport:
    """Result of one seed.

    `core_s` is processor time; `digest` covers the whole trace. `converged_s` is None if the book never settled.
    `reaction_s` is the time from a fill to the last order that answered it. `last_steps` precede a violation.
    `n_processes` counts maker processes, restarts included.
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
