"""The `sim` command: which seeds and faults were asked for, a bar while they run, and what came of them."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from typing import TextIO

from mm_trio.cli.stop_signal import StopSignal
from mm_trio.model.errors import ConfigError, Interrupted
from mm_trio.sandbox import FaultKind
from mm_trio.sim.base.report import SeedReport
from mm_trio.sim.oracle.coverage import find_never_seen
from mm_trio.sim.run.campaign import MOST_SEEDS, Campaign, Summary, run_campaign

__all__ = ["parse_faults", "parse_seeds", "run_sim"]

BAR = 30
MOST_HOURS = 1_000_000.0
MOST_MINUTES = 100_000.0


def parse_seeds(text: str) -> tuple[int, int]:
    """`7` or `1..60`, both ends included. Errors: ConfigError."""
    first, _, last = text.partition("..")
    try:
        low, high = int(first), int(last or first)
    except ValueError:
        raise ConfigError(f"--seed must be a number or a range such as 1..60, got {text!r}") from None
    if not 0 <= low <= high or high - low >= MOST_SEEDS:
        raise ConfigError(f"--seed must go upwards from 0 or more, at most {MOST_SEEDS} seeds, got {text!r}")
    return low, high


def parse_faults(text: str) -> tuple[FaultKind, ...] | None:
    """`all` (None: a random subset in each seed), `none`, or names with commas. Errors: ConfigError."""
    if text == "all":
        return None
    if text == "none":
        return ()
    known = {kind.value: kind for kind in FaultKind}
    names = [name.strip().replace("-", "_") for name in text.split(",")]
    wrong = [name for name in names if name not in known]
    if wrong:
        raise ConfigError(f"--faults: unknown: {', '.join(wrong)}; there are: all, none, {', '.join(sorted(known))}")
    return tuple(known[name] for name in dict.fromkeys(names))


def run_sim(
    *,
    seeds: str,
    hours: float | None,
    faults: str,
    jobs: int | None,
    as_json: bool,
    stop: StopSignal,
    minutes: float | None = None,
    all_seen: bool = False,
) -> tuple[Summary, list[str]]:
    """Run them and print what came of it; gives that, and with `all_seen` the hard cases that were never met.

    Errors: ConfigError for arguments that make no campaign; Interrupted, with what was run, if a signal stopped it.
    """
    first, last = parse_seeds(seeds)
    if hours is not None and not 0 < hours <= MOST_HOURS:
        raise ConfigError(f"--hours must be above 0 and at most {MOST_HOURS:g}, got {hours:g}")
    if minutes is not None and not 0 < minutes <= MOST_MINUTES:
        raise ConfigError(f"--minutes must be above 0 and at most {MOST_MINUTES:g}, got {minutes:g}")
    if jobs is not None and jobs < 1:
        raise ConfigError(f"--jobs must be 1 or more, got {jobs}")
    campaign = Campaign(first=first, last=last, faults=parse_faults(faults), hours=hours, minutes=minutes)
    on_done = _make_bar(sys.stderr, campaign)
    jobs = jobs or os.cpu_count() or 1
    summary = run_campaign(campaign, jobs=jobs, on_done=on_done, is_stopped=stop.is_received)
    stop.ignore_signals()
    if summary.is_interrupted and sys.stderr.isatty():
        print(file=sys.stderr)  # The bar stands on its line until it is full.
    print(summary.to_text(), file=sys.stderr if as_json else sys.stdout, flush=True)
    if summary.is_interrupted:
        raise _make_interruption(summary)
    missed = find_never_seen(summary.seen) if all_seen else []
    for name in missed:
        print(f"never seen: {name}", file=sys.stderr, flush=True)
    if as_json:
        print(json.dumps(summary.to_json()), flush=True)
    return summary, missed


def _make_interruption(summary: Summary) -> Interrupted:
    campaign, run = summary.campaign, set(summary.seeds)
    if campaign.minutes is None:
        left = _tell_ranges(seed for seed in campaign.seeds if seed not in run)
    else:
        left = [f"seeds until {campaign.minutes:g} minutes are over"]
    return Interrupted(checked=_tell_ranges(sorted(run)), not_checked=left, summary=summary.to_json())


def _tell_ranges(seeds: Iterable[int]) -> list[str]:
    """`seeds 1..3`, `seed 5`: of ascending numbers."""
    ranges: list[list[int]] = []
    for seed in seeds:
        if ranges and ranges[-1][1] == seed - 1:
            ranges[-1][1] = seed
        else:
            ranges.append([seed, seed])
    return [f"seed {low}" if low == high else f"seeds {low}..{high}" for low, high in ranges]


def _make_bar(stream: TextIO, campaign: Campaign) -> Callable[[SeedReport], None]:
    """A bar on a terminal, and nothing elsewhere; a failure is told at once."""
    is_terminal = stream.isatty()
    began_s, ends_after_s = time.monotonic(), 60 * (campaign.minutes or 0)
    n_seeds = len(campaign.seeds)
    n_done = n_failed = 0

    def on_done(report: SeedReport) -> None:
        nonlocal n_done, n_failed
        n_done += 1
        if report.violations:
            n_failed += 1
            print(f"{CLEAR if is_terminal else ''}seed {report.seed}: {report.violations[0]}", file=stream, flush=True)
        if is_terminal:
            if campaign.minutes is None:
                part, total, is_last = n_done / n_seeds, f"/{n_seeds}", n_done == n_seeds
            else:
                part, total, is_last = min(1.0, (time.monotonic() - began_s) / ends_after_s), "", False
            full = int(BAR * part)
            bar = "#" * full + "." * (BAR - full)
            end = "\n" if is_last else ""
            print(f"{CLEAR}[{bar}] {n_done}{total} seeds, {n_failed} failed", end=end, file=stream, flush=True)

    return on_done


CLEAR = "\r\x1b[K"
