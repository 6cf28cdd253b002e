"""Random cuts and old copies of a ledger: each start is exact, or refused.

`MM_TRIO_CUTS` is how many (`nox -s cuts`: 1,000), `MM_TRIO_CUT_SEED` the first seed. Each cut is a run of its own: up
to four sessions with fills, that end cleanly or by SIGKILL. Then the state folder is an older copy, or its journal
lacks entries at the end, with the end mark of then, with the present one, or without one.
"""

from __future__ import annotations

import os
import random
import shutil
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio
from builders import World, booked, until
from line_kit import Line, live_until_killed, next_life, own_ledger, trade
from trio.testing import MockClock

from mm_trio.journal.end_mark import MARK_NAME
from mm_trio.journal.sqlite_journal import JOURNAL_NAME, Journal
from mm_trio.model.errors import LedgerError, find_leaves

CUTS = int(os.environ.get("MM_TRIO_CUTS", "20"))
FIRST_SEED = int(os.environ.get("MM_TRIO_CUT_SEED", "0"))
EXACT, REFUSED_BY_MARK, REFUSED_BY_VENUE = "exact", "refused by the mark", "refused by the venue's rows"
OUTCOMES = Counter[str]()


@dataclass(frozen=True)
class Cut:
    """What happens to one run."""

    has_cloids: bool
    keeps_foreign: bool
    n_sessions: int
    # How each session ends; a killed one leaves its orders resting.
    is_killed: tuple[bool, ...]
    # A share of the entries that are kept, or the number of sessions after which the folder was copied.
    kept_share: float | None
    copied_after: int
    mark: str  # of then, of now, none

    @classmethod
    def draw(cls, rng: random.Random) -> Cut:
        n_sessions = rng.randint(1, 4)
        return cls(
            has_cloids=rng.random() < 0.5,
            keeps_foreign=rng.random() < 0.5,
            n_sessions=n_sessions,
            is_killed=tuple(rng.random() < 0.5 for _ in range(n_sessions)),
            kept_share=rng.random() if rng.random() < 0.6 else None,
            copied_after=rng.randint(1, n_sessions),
            mark=rng.choice(("then", "then", "now", "none")),
        )

    @property
    def options(self) -> dict[str, str]:
        return {"foreign_orders": "keep" if self.keeps_foreign else "cancel"}


async def live(world: World, folder: Path, rng: random.Random, cut: Cut, *, is_killed: bool) -> None:
    """A session with takers."""
    line = Line()
    maker = next_life(world, folder, line, **cut.options)
    n_rounds = rng.randint(2, 6)

    async def trade_some() -> None:
        await until(lambda: maker.stats.ticks > 0)
        for _ in range(n_rounds):
            await trio.sleep(rng.uniform(0.1, 4.0))
            trade(world, rng)
        await trio.sleep(rng.uniform(0.0, 4.0))

    if not is_killed:
        async with world.running(maker):
            await trade_some()
        return
    async with trio.open_nursery() as nursery:
        nursery.start_soon(live_until_killed, world, maker, line)
        await trade_some()
        line.died.set()


def cut_journal(folder: Path, n_kept: int) -> None:
    """Leave the first entries alone, as if the others never were written."""
    with closing(Journal.open_to_read(folder)) as journal:
        rows = list(journal.read(since_checkpoint=False))[:n_kept]
    for path in folder.glob(f"{JOURNAL_NAME}*"):
        path.unlink()
    fresh = folder.with_name("fresh")
    with closing(Journal.open(fresh)) as journal:
        for row in rows:
            journal.append([row.entry], at_ms=row.at_ms)
    (fresh / JOURNAL_NAME).rename(folder / JOURNAL_NAME)
    shutil.rmtree(fresh)


async def start(world: World, folder: Path, cut: Cut) -> str:
    """Start on what is left; the outcome, after checking it."""
    line = Line()
    try:
        maker = next_life(world, folder, line, **cut.options)
    except LedgerError:
        return REFUSED_BY_MARK
    leaves: list[BaseException] = []
    try:
        async with world.running(maker):
            due = own_ledger(world)
            await until(lambda: booked(maker) == due and not maker.order_state.get_doubts(), within_s=120)
            await trio.sleep(10)
            assert booked(maker) == own_ledger(world)
    except* LedgerError as group:
        leaves = find_leaves(group)
    if not leaves:
        return EXACT
    assert line.new_risk() == [], leaves
    return REFUSED_BY_VENUE


async def play(tmp_path: Path, seed: int) -> str:
    rng = random.Random(f"cut {seed}")
    cut, world, folder = Cut.draw(rng), World(signing=True), tmp_path / "state"
    world.venue.fills_have_cloids = cut.has_cloids
    copy = tmp_path / "copy"
    for n, is_killed in enumerate(cut.is_killed, start=1):
        await live(world, folder, rng, cut, is_killed=is_killed)
        if n == cut.copied_after:
            shutil.copytree(folder, copy)
    with closing(Journal.open_to_read(copy)) as journal:
        n_entries = sum(1 for _ in journal.read(since_checkpoint=False))
    if cut.kept_share is not None:
        cut_journal(copy, max(1, int(n_entries * cut.kept_share)))
    if cut.mark != "then":
        (copy / MARK_NAME).unlink(missing_ok=True)
    if cut.mark == "now":
        shutil.copy(folder / MARK_NAME, copy)
    try:
        return await start(world, copy, cut)
    except BaseException as error:
        error.add_note(f"MM_TRIO_CUT_SEED={seed} MM_TRIO_CUTS=1: {cut}")
        raise


@pytest.mark.parametrize("seed", range(FIRST_SEED, FIRST_SEED + CUTS))
async def test_r1_a_cut_ledger_is_exact_or_refused(autojump_clock: MockClock, tmp_path: Path, seed: int) -> None:
    OUTCOMES[await play(tmp_path, seed)] += 1

    shutil.rmtree(tmp_path)


@pytest.mark.skipif(CUTS < 100, reason="a few cuts need not have every outcome")
def test_r1_cuts_had_every_outcome() -> None:
    """Of those of this process."""
    print(dict(OUTCOMES))

    assert OUTCOMES.keys() == {EXACT, REFUSED_BY_MARK, REFUSED_BY_VENUE}
