"""Rules of the maker process: S15, S18 and S19.

One maker at a time, no secrets anywhere, bounded memory.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from mm_trio.model.errors import ConfigError
from mm_trio.sim.actors.maker_process import MakerProcess
from mm_trio.sim.base.judge import Judge
from mm_trio.sim.network.secret_canary import find_secret

__all__ = ["POLL_S", "ProcessRules"]

POLL_S = 10.0
POLLS_PER_INTRUDER = 6
# Tasks of a maker that quotes: tick, reconciliation, watchdog, comparison of the clocks, inbox, the journal's writer
# and its guard, and the one that waits for the end. Each further grid has one more.
TASKS = 8
# Beside these in a seed with halts: one hears the operator, one looks at the price.
HALT_TASKS = 2
# What a maker may remember, however long it runs. None of these takes a hundred megabytes.
MOST_FILLS, MOST_LEFT, MOST_STRANGERS, MOST_OF_ONE_STRANGER, MOST_SHOWN = 100_000, 20_000, 10_000, 1_000, 200
MOST_UNLISTED = 10_000
# Entries of the five seconds that a write may take: a hundred items have three each.
MOST_UNWRITTEN = 1_000


class ProcessRules:
    """Checks of a running process.

    `count_places` counts the orders that the ladders may have. `hold` takes hold of the state folder as a maker does.
    `has_absent`: coins were quoted that are not any more, whose orders one task looks after.
    """

    def __init__(
        self,
        judge: Judge,
        *,
        count_places: Callable[[], int],
        hold: Callable[[], AbstractContextManager[Path]],
        has_absent: Callable[[], bool] = lambda: False,
    ) -> None:
        self._judge = judge
        self._count_places = count_places
        self._has_absent = has_absent
        self._hold = hold
        self._n_polls = 0

    def poll(self, process: MakerProcess) -> None:
        """Check S19, and S15 at every sixth poll."""
        if process.is_over:
            return
        self._n_polls += 1
        if self._n_polls % POLLS_PER_INTRUDER == 0:
            self._try_second_maker()
        for what, size, most in self._measure(process):
            self._judge.check("S19", size <= most, lambda w=what, s=size, m=most: f"{w}: {s}, at most {m} are allowed")  # type: ignore[misc]

    def _try_second_maker(self) -> None:
        """Check S15: a second maker is refused at its start.

        It is for the same account and coin, and must be refused before it reads anything.
        """
        try:
            with self._hold():
                refused = False
        except ConfigError:
            refused = True
        self._judge.check("S15", refused, lambda: "a second maker got the state folder while the first was running")
        self._judge.coverage["second maker refused"] += refused

    def _measure(self, process: MakerProcess) -> list[tuple[str, int, int]]:
        """Return what the maker keeps: (which, how much, how much at most)."""
        n_grids, n_places = len(process.faces), self._count_places()
        of_each_grid = {
            "orders that left": MOST_LEFT,
            "unknown oids with fills": MOST_STRANGERS,
            "fills of one unknown oid": MOST_OF_ONE_STRANGER,
            "unknown oids that ended": MOST_STRANGERS,
            "fills remembered": MOST_FILLS,
            "fills to be listed": MOST_UNLISTED,
            "fills to be shown": MOST_SHOWN,
        }
        most = {what: n * n_grids for what, n in of_each_grid.items()} | {
            "open orders": n_places,
            "orders in flight": n_places,
            "orders with fills due": n_places,
            "orders unsettled": process.requests.n_ends_lately,
            "requests whose weight counts": process.requests.n_weighed_lately,
            "entries to be written": MOST_UNWRITTEN,
            "tasks": TASKS + n_grids - 1 + HALT_TASKS * bool(process.standings) + self._has_absent(),
        }
        kept = process.runner.describe_memory()
        assert kept.keys() <= most.keys(), kept.keys() - most.keys()
        return [(what, n, most[what]) for what, n in kept.items()]

    def check_texts(self, process: MakerProcess) -> None:
        """Check S18 for what a process prints at its end.

        That is: itself, the orders it left, and the error it ended with.
        """
        texts = [repr(process.runner), *process.may_rest, *process.runner.orders_may_rest]
        texts += [repr(shown) for face in process.faces.values() for shown in (face, face.stats)]
        if process.error is not None:
            texts += [repr(process.error), *traceback.format_exception(process.error)]
        found = find_secret(texts=texts)
        self._judge.check("S18", found is None, lambda: f"a secret is in {found}")

    def check_files(self, folder: Path) -> None:
        """Check S18 for the state folder: journal, its log, locks."""
        found = find_secret(folder=folder)
        self._judge.check("S18", found is None, lambda: f"a secret is in {found}")
