"""Rehearsal of a configuration: one path after the other, with progress on a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, TextIO

from mm_trio.cli.rehearse_programs.figures import PathFigures
from mm_trio.cli.rehearse_programs.preparation import Rehearsal, RehearsalOptions, prepare
from mm_trio.cli.rehearse_programs.rehearse_path import rehearse_path
from mm_trio.cli.rehearse_programs.report import RehearsalReport, make_report
from mm_trio.cli.rehearse_programs.venue_facts import parse_venue_facts
from mm_trio.config.settings import Settings
from mm_trio.model.errors import Interrupted

__all__ = ["rehearse", "rehearse_configuration"]

CLEAR_LINE = "\r\x1b[K"
BAR_CELLS = 30


def rehearse_configuration(
    settings: Settings,
    facts: Mapping[str, Any],
    options: RehearsalOptions,
    *,
    source: str | None = None,
    is_stopped: Callable[[], bool] = lambda: False,
) -> RehearsalReport:
    """Rehearse a configuration on these facts; `source` names their file.

    Errors: ConfigError, also what the maker says at its start; ProtocolError; Interrupted once `is_stopped()`.
    """
    rehearsal = prepare(settings, parse_venue_facts(facts, settings.market, source=source), options)
    return rehearse(rehearsal, is_stopped=is_stopped, on_progress=_make_progress(sys.stderr))


def rehearse(
    rehearsal: Rehearsal,
    *,
    is_stopped: Callable[[], bool] = lambda: False,
    on_progress: Callable[[int, int, str], None] = lambda n_done, n, path: None,
) -> RehearsalReport:
    """Rehearse all paths.

    `on_progress` gets how many of how many are done, and which one is next. Errors: ConfigError; Interrupted once
    `is_stopped()`, with what had ended.
    """
    began_s, paths = time.perf_counter(), rehearsal.options.paths
    figures: list[PathFigures] = []
    try:
        for path in paths:
            if is_stopped():
                break
            on_progress(len(figures), len(paths), path)
            found = rehearse_path(rehearsal, path, is_stopped=is_stopped)
            # A path may have taken the signal for an error of its own, so its figures mean nothing now.
            if is_stopped():
                break
            figures.append(found)
    except BaseException:
        if not is_stopped():
            raise
    on_progress(len(figures), len(paths), "")
    report = make_report(rehearsal, figures, wall_s=time.perf_counter() - began_s)
    if is_stopped():
        raise _make_interruption(report, paths)
    return report


def _make_interruption(report: RehearsalReport, paths: Sequence[str]) -> Interrupted:
    done = [path.path for path in report.figures]
    return Interrupted(
        checked=[f"path {path}" for path in done],
        not_checked=[f"path {path}" for path in paths if path not in done],
        summary={**report.to_json(), "clean": False},
    )


def _make_progress(stream: TextIO) -> Callable[[int, int, str], None]:
    """Return what draws a bar on a terminal, and nothing elsewhere."""
    is_terminal = stream.isatty()

    def show(n_done: int, n: int, path: str) -> None:
        if not is_terminal:
            return
        full = BAR_CELLS * n_done // n
        bar = "#" * full + "." * (BAR_CELLS - full)
        # Progress that nobody can see must not end the rehearsal.
        with suppress(OSError, ValueError):
            print(f"{CLEAR_LINE}[{bar}] {n_done}/{n} paths {path}", end="" if path else "\n", file=stream, flush=True)

    return show
