"""Run many seeds and combine their reports.

Each seed runs by itself, in this process or in worker processes. Reports are combined in the order of seeds.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from itertools import takewhile
from typing import Any

from mm_trio.sandbox import FaultKind
from mm_trio.sim.base.judge import KNOWN_GAPS, RULES, Violation
from mm_trio.sim.base.report import SeedReport
from mm_trio.sim.base.scenario import Scenario, draw_scenario
from mm_trio.sim.base.trace import combine
from mm_trio.sim.oracle.coverage import CASES_OF_SEVERAL, HARD_CASES, find_never_seen
from mm_trio.sim.run.episode import simulate
from mm_trio.sim.run.workers import run_in_workers

__all__ = ["MOST_SEEDS", "Campaign", "Summary", "run_campaign"]

MOST_SEEDS = 1_000_000
LATENCIES = "10 to 600 ms"
# One seed in this many is run twice.
REPEAT_EVERY = 40
# Failures that are printed in full.
FAILURES_SHOWN = 5
# Shortest phase with faults of a seed.
LEAST_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """Seeds `first` to `last`, or as many as `minutes` allow.

    With `minutes` seeds run from `first` upwards until the time is over, whatever `last` says.
    `faults` None: a random subset of all in each seed. `hours` are of each seed; None: as long as the seed draws.
    `grids` are the fewest and the most of an account; each seed draws its number. `ledger`: whether the makers' orders
    wait for their entries.
    """

    first: int
    last: int
    faults: tuple[FaultKind, ...] | None = None
    hours: float | None = None
    minutes: float | None = None
    grids: tuple[int, int] = (1, 1)
    ledger: str = "ahead"

    @property
    def seeds(self) -> range:
        """Return the seeds; with `minutes`, those that may be run."""
        return range(self.first, self.last + 1 if self.minutes is None else self.first + MOST_SEEDS)

    def draw(self, seed: int) -> Scenario:
        """Draw the scenario of a seed."""
        scenario = draw_scenario(seed, faults=self.faults, safety_s=self.safety_s, grids=self.grids)
        if self.ledger == "ahead":
            return scenario
        return replace(scenario, tuning={**scenario.tuning, "ledger": self.ledger})

    @property
    def safety_s(self) -> float | None:
        """Return the length of each seed's phase with faults."""
        return None if self.hours is None else max(LEAST_S, round(self.hours * 3600))

    @property
    def has_several(self) -> bool:
        """Return whether an account may have several grids."""
        return self.grids[1] > 1

    def format_command(self, seed: int) -> str:
        """Format the command that repeats one seed exactly."""
        words = ["python -m mm_trio sim", f"--seed {seed}"]
        if self.faults is not None:
            words.append(f"--faults {','.join(kind.value for kind in self.faults) or 'none'}")
        if self.safety_s is not None:
            words.append(f"--hours {self.safety_s / 3600:.6f}")
        if self.grids != (1, 1):
            words.append(f"--grids {'..'.join(str(n) for n in dict.fromkeys(self.grids))}")
        if self.ledger != "ahead":
            words.append(f"--ledger {self.ledger}")
        return " ".join(words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Results of a campaign.

    `failed` holds the reports of seeds with a violation, each with its first. `seeds` were run to their end.
    `is_interrupted`: a signal stopped the campaign before the remaining seeds were run.
    `seen` counts the hard cases, as in the JSON.
    """

    campaign: Campaign
    seeds: tuple[int, ...]
    is_interrupted: bool
    sim_hours: float
    struck: dict[str, int]
    failed: tuple[SeedReport, ...]
    n_not_converged: int
    converged_s: tuple[float, ...]
    reactions_s: tuple[float, ...]
    trace_hash: str
    n_steps: int
    n_checks: dict[str, int]
    seen: dict[str, int]
    core_s: float
    wall_s: float

    @property
    def n_seeds(self) -> int:
        """Return how many seeds were run to their end."""
        return len(self.seeds)

    def to_json(self) -> dict[str, Any]:
        """Return plain values, in a readable order."""
        return {
            "seeds": self.n_seeds,
            "first_seed": self.campaign.first,
            "grids": list(self.campaign.grids),
            "sim_hours": round(self.sim_hours, 3),
            "faults_injected": self.struck,
            "violations": len(self.failed),
            "not_converged": self.n_not_converged,
            "trace_hash": self.trace_hash,
            "wall_s": round(self.wall_s, 2),
            "hours_per_core_hour": round(self._compute_speed(), 1),
            "steps": self.n_steps,
            "checks": self.n_checks,
            "converged_s": _spread(self.converged_s),
            "reaction_ms": _spread([round(1000 * took_s, 1) for took_s in self.reactions_s]),
            "failure_bound": round(self._compute_bound(), 6) if not self.failed else None,
            "seen": self.seen,
            "never_seen": self.find_never_seen(),
            "known_gaps": sorted(KNOWN_GAPS),
            "failures": [
                {
                    "seed": report.seed,
                    "rule": violation.rule,
                    "at_s": round(violation.at_s, 3),
                    "text": violation.text,
                    "command": self.campaign.format_command(report.seed),
                }
                for report in self.failed
                for violation in report.violations
            ],
        }

    def find_never_seen(self) -> list[str]:
        """Find the hard cases that no seed met."""
        return find_never_seen(self.seen, has_several=self.campaign.has_several)

    def _compute_bound(self) -> float:
        """Return the upper bound of the failing share (95 %).

        It is an upper bound on the share of all seeds that fail, valid where none of these failed.
        """
        return min(1.0, 3 / self.n_seeds) if self.seeds else 1.0

    def _compute_speed(self) -> float:
        """Return simulated hours per hour of processor time."""
        return self.sim_hours / self.core_s * 3600 if self.core_s else 0.0

    def to_text(self) -> str:
        """Format the results for the operator.

        Failures come first, each with its command and last steps, then the summary.
        """
        return "\n".join([*self._format_failures(), *self._format_summary()])

    def _format_failures(self) -> Iterator[str]:
        for report in self.failed[:FAILURES_SHOWN]:
            yield f"seed {report.seed}: last steps before the violation:"
            yield from (f"    {line}" for line in report.last_steps[-40:])
            yield from (f"  VIOLATION {violation}" for violation in report.violations)
            yield f"  repeat with: {self.campaign.format_command(report.seed)}"
            yield ""
        if len(self.failed) > FAILURES_SHOWN:
            more = [report.seed for report in self.failed[FAILURES_SHOWN:]]
            yield f"{len(more)} more seeds failed: {more[:50]}"

    def _format_summary(self) -> Iterator[str]:
        n_faults, n_kinds = sum(self.struck.values()), len(self.struck)
        kept = [rule for rule in RULES if self.n_checks.get(rule) and rule not in KNOWN_GAPS and rule != "SIM"]
        safety = sum(rule.startswith("S") for rule in kept)
        yield (
            f"{len(self.failed)} violations of {safety} safety and {len(kept) - safety} liveness properties in "
            f"{self.sim_hours:.1f} simulated hours of {self.n_seeds} seeds, with {n_faults} faults of {n_kinds} kinds, "
            "tested against our model of the venue."
        )
        if not self.failed:
            yield f"If these seeds were new, less than {self._compute_bound():.2g} of all seeds fail (3/N, 95 %)."
        for rule, why in KNOWN_GAPS.items():
            yield f"Known gap, not counted: {rule}, {why}."
        if spread := _spread(self.converged_s):
            times = ", ".join(f"{name} {value:.1f} s" for name, value in spread.items())
            yield f"Time from the last fault to the expected book: {times}; not converged: {self.n_not_converged}."
        if spread := _spread([1000 * took_s for took_s in self.reactions_s]):
            times = ", ".join(f"{name} {value:.0f} ms" for name, value in spread.items())
            yield f"Time from a fill to the last order that answers it, with {LATENCIES} each way: {times}."
        n_cases = len(HARD_CASES) + len(CASES_OF_SEVERAL) * self.campaign.has_several
        yield f"Coverage: {n_cases - len(self.find_never_seen())} of {n_cases} hard cases were met."
        yield (
            f"{self.n_steps} steps of the venue in {self.wall_s:.1f} s; "
            f"{self._compute_speed():.0f} simulated hours per hour of one processor."
        )
        yield f"trace hash {self.trace_hash}"


def _spread(values: Sequence[float]) -> dict[str, float]:
    if not values:
        return {}
    ordered = sorted(values)
    return {"p50": ordered[len(ordered) // 2], "p99": ordered[int(len(ordered) * 0.99)], "max": ordered[-1]}


def run_campaign(
    campaign: Campaign,
    *,
    jobs: int,
    on_done: Callable[[SeedReport], None],
    is_stopped: Callable[[], bool] = lambda: False,
) -> Summary:
    """Run all seeds of a campaign.

    `on_done` gets each report in the order of seeds. The result is a function of the campaign alone, except for
    `wall_s` and `core_s` and for how many seeds `minutes` allow.
    Once `is_stopped()`, an error means that the campaign was interrupted: the seeds that had ended are summed up.
    """
    began_s = time.perf_counter()
    ends_s = math.inf if campaign.minutes is None else began_s + 60 * campaign.minutes
    seeds = takewhile(lambda seed: time.perf_counter() < ends_s and not is_stopped(), campaign.seeds)
    is_alone = jobs == 1 or len(campaign.seeds) == 1
    work = partial(_run_one, campaign)
    running = _run_here(work, seeds, is_stopped) if is_alone else run_in_workers(work, seeds, jobs, is_stopped)
    reports: list[SeedReport] = []
    try:
        with closing(running):
            for report in running:
                reports.append(report)
                on_done(report)
    except BaseException:
        if not is_stopped():
            raise
    wall_s = time.perf_counter() - began_s
    return _sum_up(campaign, reports, wall_s=wall_s, is_interrupted=is_stopped())


def _run_here(
    work: Callable[[int], SeedReport], seeds: Iterator[int], is_stopped: Callable[[], bool]
) -> Generator[SeedReport, None, None]:
    for seed in seeds:
        report = work(seed)
        # A seed may have taken the signal for an error of its own, so its report means nothing now.
        if is_stopped():
            return
        yield report


def _run_one(campaign: Campaign, seed: int) -> SeedReport:
    report = simulate(campaign.draw(seed))
    return report if seed % REPEAT_EVERY or report.violations else _repeat(campaign, report)


def _repeat(campaign: Campaign, report: SeedReport) -> SeedReport:
    """Check S20: the same seed again gives the same run."""
    again = simulate(campaign.draw(report.seed))
    text = f"the trace hash was {report.digest[:16]}, and {again.digest[:16]} when the seed was repeated"
    is_same = again.digest == report.digest
    return replace(
        report,
        core_s=report.core_s + again.core_s,
        n_checks={**report.n_checks, "S20": 1},
        violations=() if is_same else (Violation("S20", again.sim_s, text),),
    )


def _sum_up(campaign: Campaign, reports: Sequence[SeedReport], *, wall_s: float, is_interrupted: bool) -> Summary:
    struck, checks, coverage = Counter[str](), Counter[str](), Counter[str]()
    for report in reports:
        struck.update(report.struck)
        checks.update(report.n_checks)
        coverage.update(report.coverage)
    return Summary(
        campaign=campaign,
        seeds=tuple(report.seed for report in reports),
        is_interrupted=is_interrupted,
        sim_hours=sum(report.sim_s for report in reports) / 3600,
        struck=dict(sorted(struck.items())),
        failed=tuple(report for report in reports if report.violations),
        n_not_converged=sum(any("s of calm" in v.text for v in report.violations) for report in reports),
        converged_s=tuple(report.converged_s for report in reports if report.converged_s is not None),
        reactions_s=tuple(report.reaction_s for report in reports if report.reaction_s is not None),
        trace_hash=combine(report.digest for report in reports),
        n_steps=sum(report.n_steps for report in reports),
        n_checks=dict(sorted(checks.items())),
        seen=dict(sorted(coverage.items())),
        core_s=sum(report.core_s for report in reports),
        wall_s=wall_s,
    )
