"""Campaign of the simulation, with a progress bar."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TextIO

from mm_trio.model.errors import ConfigError, Interrupted
from mm_trio.sandbox import FaultKind
from mm_trio.sim.base.report import SeedReport
from mm_trio.sim.run.campaign import MOST_SEEDS, Campaign, Summary, run_campaign

__all__ = [
    "find_missed_cases",
    "make_campaign",
    "make_interruption",
    "parse_faults",
    "parse_grids",
    "parse_seeds",
    "run_sim",
]

BAR_CELLS = 30
CLEAR_LINE = "\r\x1b[K"
MOST_HOURS = 1_000_000.0
MOST_MINUTES = 100_000.0
MOST_GRIDS = 8


def parse_seeds(text: str) -> tuple[int, int]:
    """Parse `7` or `1..60`, both ends included. Errors: ConfigError."""
    first, _, last = text.partition("..")
    try:
        low, high = int(first), int(last or first)
    except ValueError:
        raise ConfigError(f"--seed must be a number or a range such as 1..60, got {text!r}") from None
    if not 0 <= low <= high or high - low >= MOST_SEEDS:
        raise ConfigError(f"--seed must go upwards from 0 or more, at most {MOST_SEEDS} seeds, got {text!r}")
    return low, high


def parse_grids(text: str) -> tuple[int, int]:
    """Parse `3` or `1..8`, both ends included. Errors: ConfigError."""
    fewest, _, most = text.partition("..")
    try:
        low, high = int(fewest), int(most or fewest)
    except ValueError:
        raise ConfigError(f"--grids must be a number or a range such as 1..{MOST_GRIDS}, got {text!r}") from None
    if not 1 <= low <= high <= MOST_GRIDS:
        raise ConfigError(f"--grids must go upwards from 1 to at most {MOST_GRIDS}, got {text!r}")
    return low, high


def parse_faults(text: str) -> tuple[FaultKind, ...] | None:
    """Parse `all`, `none`, or names separated by commas.

    `all` gives None: each seed draws a random subset. Errors: ConfigError.
    """
    if text == "all":
        return None
    if text == "none":
        return ()
    known = {kind.value: kind for kind in FaultKind}
    names = [name.strip().replace("-", "_") for name in text.split(",")]
    wrong = [name for name in names if name not in known]
    if wrong:
        raise ConfigError(f"--faults: unknown: {', '.join(wrong)}; expected: all, none, {', '.join(sorted(known))}")
    return tuple(known[name] for name in dict.fromkeys(names))


def make_campaign(
    *,
    seeds: str,
    faults: str,
    hours: float | None,
    minutes: float | None,
    grids: str = "1",
    ledger: str = "ahead",
) -> Campaign:
    """Make the campaign that the arguments ask for. Errors: ConfigError."""
    first, last = parse_seeds(seeds)
    if hours is not None and not 0 < hours <= MOST_HOURS:
        raise ConfigError(f"--hours must be above 0 and at most {MOST_HOURS:g}, got {hours:g}")
    if minutes is not None and not 0 < minutes <= MOST_MINUTES:
        raise ConfigError(f"--minutes must be above 0 and at most {MOST_MINUTES:g}, got {minutes:g}")
    return Campaign(
        first=first,
        last=last,
        faults=parse_faults(faults),
        hours=hours,
        minutes=minutes,
        grids=parse_grids(grids),
        ledger=ledger,
    )


def run_sim(campaign: Campaign, *, jobs: int | None, is_stopped: Callable[[], bool]) -> Summary:
    """Run a campaign on several processes.

    `jobs` None: one per core. Progress goes to stderr. Errors: ConfigError.
    """
    if jobs is not None and jobs < 1:
        raise ConfigError(f"--jobs must be 1 or more, got {jobs}")
    on_done = _make_progress_bar(sys.stderr, campaign)
    return run_campaign(campaign, jobs=jobs or os.cpu_count() or 1, on_done=on_done, is_stopped=is_stopped)


def find_missed_cases(summary: Summary) -> list[str]:
    """Find the hard cases that no seed reached."""
    return summary.find_never_seen()


def make_interruption(summary: Summary) -> Interrupted:
    """Make the error of a campaign that a signal stopped."""
    campaign, run = summary.campaign, set(summary.seeds)
    if campaign.minutes is None:
        left = _format_ranges(seed for seed in campaign.seeds if seed not in run)
    else:
        left = [f"seeds until {campaign.minutes:g} minutes are over"]
    return Interrupted(checked=_format_ranges(sorted(run)), not_checked=left, summary=summary.to_json())


def _format_ranges(seeds: Iterable[int]) -> list[str]:
    """Format ascending seeds as `seeds 1..3`, `seed 5`."""
    ranges: list[list[int]] = []
    for seed in seeds:
        if ranges and ranges[-1][1] == seed - 1:
            ranges[-1][1] = seed
        else:
            ranges.append([seed, seed])
    return [f"seed {low}" if low == high else f"seeds {low}..{high}" for low, high in ranges]


def _make_progress_bar(stream: TextIO, campaign: Campaign) -> Callable[[SeedReport], None]:
    """Return what prints progress after each seed.

    The bar is drawn on a terminal only; a failure is printed at once.
    """
    is_terminal = stream.isatty()
    began_s, ends_after_s = time.monotonic(), 60 * (campaign.minutes or 0)
    n_seeds = len(campaign.seeds)
    n_done = n_failed = 0

    def show(text: str) -> None:
        # Progress that nobody can see must not end the campaign.
        with suppress(OSError, ValueError):
            print(text, end="", file=stream, flush=True)

    def on_done(report: SeedReport) -> None:
        nonlocal n_done, n_failed
        n_done += 1
        if report.violations:
            n_failed += 1
            clear = CLEAR_LINE if is_terminal else ""
            show(f"{clear}seed {report.seed}: {report.violations[0]}\n")
        if is_terminal:
            if campaign.minutes is None:
                part, total, is_last = n_done / n_seeds, f"/{n_seeds}", n_done == n_seeds
            else:
                part, total, is_last = min(1.0, (time.monotonic() - began_s) / ends_after_s), "", False
            full = int(BAR_CELLS * part)
            bar = "#" * full + "." * (BAR_CELLS - full)
            end = "\n" if is_last else ""
            show(f"{CLEAR_LINE}[{bar}] {n_done}{total} seeds, {n_failed} failed{end}")

    return on_done
