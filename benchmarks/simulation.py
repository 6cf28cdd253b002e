"""How fast the simulation is, and what its time goes to; every check on.

Run by `nox -s bench`, or `python benchmarks/simulation.py`. The same seeds with all faults, as often as there are
rounds, on one processor. First without looking: simulated hours in an hour of the processor, the median of the rounds.
Then once more with a sample of the stack every few milliseconds of processor time: each belongs to the innermost frame
that is of the maker, the exchange, the oracle, the world around (line, frames, takers), or trio; what they call belongs
to them.
"""

from __future__ import annotations

import signal
import statistics
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from common import describe_machine, make_parser, print_machine, print_table, print_targets, tell

from mm_trio.sim.base.report import SeedReport
from mm_trio.sim.base.scenario import draw_scenario
from mm_trio.sim.run.episode import simulate

__all__: list[str] = []

SAMPLE_EVERY_S = 0.002
SPEED_TARGET = 150.0
ORACLE = {
    f"mm_trio.sim.{name}"
    for name in (
        "base.judge",
        "base.trace",
        "network.secret_canary",
        "oracle.book_rules",
        "oracle.coverage",
        "oracle.expected_book",
        "oracle.request_limits",
        "oracle.request_rules",
        "oracle.starvation",
        "oracle.venue_view",
        "run.convergence",
        "run.process_rules",
    )
}
OTHER = "other"
PARTS = ("maker", "exchange", "oracle", "world", "trio", OTHER)


def _find_part(frame: FrameType | None) -> str:
    """Whose code runs: the innermost frame decides that is anybody's."""
    while frame is not None:
        module: str = frame.f_globals.get("__name__", "")
        if module in ORACLE:
            return "oracle"
        if module.startswith("mm_trio.sim"):
            return "world"
        if module.startswith("mm_trio.sandbox"):
            return "exchange"
        if module.startswith("mm_trio"):
            return "maker"
        if module.partition(".")[0] in ("trio", "outcome"):
            return "trio"
        frame = frame.f_back
    return OTHER


@contextmanager
def _sampling() -> Iterator[Counter[str]]:
    """Counts samples by part, as long as the block lasts."""
    found: Counter[str] = Counter()
    before = signal.signal(signal.SIGPROF, lambda number, frame: found.update((_find_part(frame),)))
    signal.setitimer(signal.ITIMER_PROF, SAMPLE_EVERY_S, SAMPLE_EVERY_S)
    try:
        yield found
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _run(seeds: Sequence[int]) -> list[SeedReport]:
    """Errors: SystemExit where a rule is broken, for then a seed ends early."""
    reports = [simulate(draw_scenario(seed, faults=None)) for seed in seeds]
    if failed := [report for report in reports if report.violations]:
        sys.exit(f"seed {failed[0].seed}: {failed[0].violations[0]}")
    return reports


def _compute_speed(reports: Sequence[SeedReport]) -> float:
    return sum(report.sim_s for report in reports) / sum(report.core_s for report in reports)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, and print a table or a JSON object."""
    parser = make_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="times that the seeds are run")
    parser.add_argument("--seeds", type=int, default=12, metavar="N", help="seeds of a round, from 1 on")
    arguments = parser.parse_args(argv)
    machine = describe_machine()
    seeds = range(1, max(1, arguments.seeds) + 1)
    speeds = [_compute_speed(_run(seeds)) for _ in range(max(1, arguments.rounds))]
    with _sampling() as samples:
        reports = _run(seeds)
    found = {
        "seeds": len(seeds),
        "sim_hours": sum(report.sim_s for report in reports) / 3600,
        "steps": sum(report.n_steps for report in reports),
        "checks": sum(sum(report.n_checks.values()) for report in reports),
        "hours_per_core_hour": statistics.median(speeds),
        "hours_per_core_hour_of_rounds": speeds,
        "samples": samples.total(),
        "share": {part: samples[part] / max(1, samples.total()) for part in PARTS},
    }
    speed = statistics.median(speeds)
    target = {"value": speed, "at_least": SPEED_TARGET, "met": speed >= SPEED_TARGET}
    targets = {"simulated hours in an hour of a processor": target}

    def print_tables() -> None:
        print_machine(machine)
        print(f"{found['seeds']} seeds, {found['sim_hours']:.1f} simulated hours, {found['checks']} checks")
        shares = [(part, f"{100 * samples[part] / max(1, samples.total()):.0f}") for part in PARTS]
        print_table(("share of the time", "%"), shares)
        print_targets(targets)

    tell(arguments, {"machine": machine, **found, "targets": targets}, print_tables)


if __name__ == "__main__":
    main()
