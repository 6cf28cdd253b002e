"""Rules of the maker as a process: one at a time (S15), no secrets anywhere (S18), bounded memory (S19)."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from mm_trio.engine.ws_state import WsState
from mm_trio.model.errors import ConfigError
from mm_trio.sim.actors.maker_process import MakerProcess
from mm_trio.sim.base.judge import Judge
from mm_trio.sim.network.secret_canary import find_secret

__all__ = ["LOOK_S", "ProcessRules"]

LOOK_S = 10.0
LOOKS_PER_INTRUDER = 6
TASKS = 6  # of a maker that quotes: tick, reconciliation, watchdog, inbox, keeper, and who waits for the end
# What a maker may remember, however long it lives; none of it is worth a hundred megabytes.
MOST_FILLS, MOST_LEFT, MOST_STRANGERS, MOST_OF_ONE_STRANGER, MOST_SHOWN = 100_000, 20_000, 10_000, 1_000, 50
MOST_UNWRITTEN = 1_000  # entries of the five seconds that a write may take: a hundred items have three each


class ProcessRules:
    """`look` is called now and then; `hold` is how a maker gets hold of the state folder."""

    def __init__(self, judge: Judge, *, n_levels: int, hold: Callable[[], AbstractContextManager[Path]]) -> None:
        self._judge = judge
        self._n_places = 2 * n_levels
        self._hold = hold
        self._n_looks = 0

    def look(self, life: MakerProcess) -> None:
        """At a life that goes on."""
        if life.is_over:
            return
        self._n_looks += 1
        if self._n_looks % LOOKS_PER_INTRUDER == 0:
            self._intrude()
        for what, size, most in self._measure(life):
            self._judge.check("S19", size <= most, lambda w=what, s=size, m=most: f"{w}: {s}, {m} at most")  # type: ignore[misc]

    def _intrude(self) -> None:
        """A second maker for the same account and coin starts, and has to be refused before it reads anything."""
        try:
            with self._hold():
                refused = False
        except ConfigError:
            refused = True
        self._judge.check("S15", refused, lambda: "a second maker had the state folder while the first lives")
        self._judge.seen["second maker refused"] += refused

    def _measure(self, life: MakerProcess) -> list[tuple[str, int, int]]:
        """What the maker keeps: (which, how much, how much at most)."""
        maker: WsState = life.maker
        orders = maker.order_state
        nursery = maker._nursery
        keeper = getattr(orders.record, "__self__", None)
        return [
            ("orders that rest", len(orders.orders), self._n_places),
            ("orders in flight", len(orders.get_intents()), self._n_places),
            ("orders with fills untold", len(orders.get_untold()), self._n_places),
            ("orders unsettled", len(orders.get_unsettled()), life.requests.n_ends_lately),
            ("orders that left", len(orders._left), MOST_LEFT),
            ("oids of strangers with fills", len(orders._parked), MOST_STRANGERS),
            ("fills of one stranger", max(map(len, orders._parked.values()), default=0), MOST_OF_ONE_STRANGER),
            ("oids of strangers that ended", len(orders._ended_early), MOST_STRANGERS),
            ("fills remembered", len(orders._fills), MOST_FILLS),
            ("fills to be shown", len(maker.recent_fills), MOST_SHOWN),
            ("requests whose weight counts", len(maker._client.weight._used), life.requests.n_weighed_lately),
            ("entries to be written", len(getattr(keeper, "_pending", ())), MOST_UNWRITTEN),
            ("tasks", 0 if nursery is None else len(nursery.child_tasks), TASKS),
        ]

    def check_words(self, life: MakerProcess) -> None:
        """S18 of what a life says when it is over: itself, what it left, what it ended by."""
        told = [repr(life.maker), repr(life.maker.stats), *life.left, *life.maker.orders_may_rest]
        if life.error is not None:
            told += [repr(life.error), *traceback.format_exception(life.error)]
        found = find_secret(texts=told)
        self._judge.check("S18", found is None, lambda: f"a secret is in {found}")

    def check_files(self, folder: Path) -> None:
        """S18 of all that is in the state folder: the journal, its log, the locks."""
        found = find_secret(folder=folder)
        self._judge.check("S18", found is None, lambda: f"a secret is in {found}")
