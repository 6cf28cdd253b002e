"""Progress of long work, on a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["show_progress"]

# What is done sooner is shown by its result.
SHOWN_AFTER_S = 1.0


@contextmanager
def show_progress(what: str) -> Iterator[Callable[[int], None]]:
    """Give a function that is told how much was read; after a second it shows that on stderr, where a person looks."""
    if not sys.stderr.isatty():
        yield _ignore
        return
    began_s = time.monotonic()
    shown: list[Progress] = []

    def tell_progress(n: int) -> None:
        if not shown and time.monotonic() - began_s >= SHOWN_AFTER_S:
            shown.append(_start(what))
        if shown:
            shown[0].update(shown[0].task_ids[0], completed=n)

    try:
        yield tell_progress
    finally:
        for progress in shown:
            progress.stop()


def _start(what: str) -> Progress:
    # Imported late, because most commands show none.
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.completed:,} {task.description}"), TimeElapsedColumn())
    progress = Progress(*columns, console=Console(stderr=True), transient=True)
    progress.add_task(what, total=None)
    progress.start()
    return progress


def _ignore(n: int) -> None:
    pass
