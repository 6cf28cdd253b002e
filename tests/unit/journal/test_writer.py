"""Writing of entries: in order, once each, and durable before a caller goes on."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest
import trio
from builders import run_inline
from trio.testing import MockClock, wait_all_tasks_blocked

from mm_trio.concurrency.blocking_calls import QUICK_S, TOO_LATE, CommitThenSend, NoFreeThread
from mm_trio.journal.writer import (
    CHECKPOINT_EVERY,
    COMMIT_AFTER_S,
    COMMIT_WITHIN_S,
    TRY_LOCKED_AGAIN_S,
    JournalWriter,
)
from mm_trio.model.errors import JournalBusy, JournalError
from mm_trio.model.journal_entries import Checkpoint, Entry, LookedUp, Quoted

NOW_MS = 1_790_000_000_000


class Paper:
    """A journal in memory; `trouble` is raised by every append while it is set."""

    def __init__(self) -> None:
        self.batches: list[list[Entry]] = []
        self.times: list[int] = []
        self.trouble: Exception | None = None
        self.marks: list[int] = []

    def mark_end(self) -> None:
        self.marks.append(len(self.entries))

    @property
    def entries(self) -> list[Entry]:
        return [entry for batch in self.batches for entry in batch]

    def append(self, entries: Sequence[Entry], *, at_ms: int) -> None:
        if self.trouble is not None:
            raise self.trouble
        self.batches.append(list(entries))
        self.times.append(at_ms)


class SlowDisk:
    """A `run_sync` whose calls take `takes_s`."""

    def __init__(self, takes_s: float) -> None:
        self.takes_s = takes_s
        self.n_at_once = self.most_at_once = 0

    async def __call__(self, fn: Callable[..., Any], *args: Any, **options: Any) -> Any:
        self.n_at_once += 1
        self.most_at_once = max(self.most_at_once, self.n_at_once)
        try:
            await trio.sleep(self.takes_s)
            return fn(*args)
        finally:
            self.n_at_once -= 1


def make_keeper(
    paper: Paper | None,
    *,
    run_sync: Any = run_inline,
    summarise: Callable[[], Sequence[Entry]] = lambda: (),
    n_since_checkpoint: int = 0,
    checkpoint_every: int = CHECKPOINT_EVERY,
) -> JournalWriter:
    return JournalWriter(
        paper,
        run_sync=run_sync,
        wall_ms=lambda: NOW_MS,
        summarise=summarise,
        n_since_checkpoint=n_since_checkpoint,
        checkpoint_every=checkpoint_every,
    )


def entry(n: int) -> Entry:
    return Quoted(n)


async def test_what_is_flushed_is_written_in_the_order_it_was_recorded() -> None:
    paper = Paper()
    keeper = make_keeper(paper)
    for n in range(3):
        keeper.record(entry(n))
    assert paper.batches == []

    await keeper.flush()
    keeper.record(entry(3))
    await keeper.flush()

    assert paper.batches == [[entry(0), entry(1), entry(2)], [entry(3)]]
    assert paper.times == [NOW_MS, NOW_MS]


async def test_with_nothing_to_write_nothing_is_written() -> None:
    paper = Paper()
    keeper = make_keeper(paper)
    await keeper.flush()
    keeper.record(entry(0))
    await keeper.flush()
    await keeper.flush()

    assert paper.batches == [[entry(0)]]


async def test_entries_recorded_during_a_write_go_with_the_next_one(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """They are durable only after that next write."""
    paper, disk = Paper(), SlowDisk(1.0)
    keeper = make_keeper(paper, run_sync=disk)
    durable: list[tuple[float, int]] = []
    began_s = trio.current_time()

    async def record_and_flush(n: int, after_s: float) -> None:
        await trio.sleep(after_s)
        keeper.record(entry(n))
        await keeper.flush()
        assert entry(n) in paper.entries
        durable.append((trio.current_time() - began_s, n))

    async with trio.open_nursery() as nursery:
        for n, after_s in enumerate((0.0, 0.2, 0.4)):
            nursery.start_soon(record_and_flush, n, after_s)

    assert paper.batches == [[entry(0)], [entry(1), entry(2)]]
    assert sorted(durable) == [(1.0, 0), (2.0, 1), (2.0, 2)]
    assert disk.most_at_once == 1


async def test_what_is_recorded_is_written_soon_though_nobody_asks(autojump_clock: trio.testing.MockClock) -> None:
    paper = Paper()
    keeper = make_keeper(paper)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keeper.keep_forever)
        for n in range(3):
            keeper.record(entry(n))
            await trio.sleep(2 * COMMIT_AFTER_S)
            assert paper.entries == [entry(i) for i in range(n + 1)]
        nursery.cancel_scope.cancel()


async def test_being_cancelled_does_not_cut_a_write_short(autojump_clock: trio.testing.MockClock) -> None:
    paper = Paper()
    keeper = make_keeper(paper, run_sync=SlowDisk(1.0))
    keeper.record(entry(0))
    with trio.move_on_after(0.5) as scope:
        await keeper.flush()

    assert scope.cancel_called
    assert paper.entries == [entry(0)]
    keeper.record(entry(1))
    await keeper.flush()
    assert paper.entries == [entry(0), entry(1)]


async def test_who_is_cancelled_waiting_for_its_turn_leaves_its_entries_to_the_next(
    autojump_clock: trio.testing.MockClock,
) -> None:
    paper = Paper()
    keeper = make_keeper(paper, run_sync=SlowDisk(1.0))
    async with trio.open_nursery() as nursery:
        keeper.record(entry(0))
        nursery.start_soon(keeper.flush)
        await wait_all_tasks_blocked()
        keeper.record(entry(1))
        with trio.move_on_after(0.1):
            await keeper.flush()
    await keeper.flush()

    assert paper.batches == [[entry(0)], [entry(1)]]


# --- failures ---------------------------------------------------------------------------------


async def test_once_a_write_failed_nothing_is_durable_any_more_and_nothing_is_written() -> None:
    """A ledger with a hole would be believed at the next start."""
    paper = Paper()
    keeper = make_keeper(paper)
    keeper.record(entry(0))
    paper.trouble = JournalError("the disk is full")
    assert keeper.fault is None

    with pytest.raises(JournalError, match="the disk is full"):
        await keeper.flush()
    paper.trouble = None
    keeper.record(entry(1))

    assert str(keeper.fault) == "the disk is full"
    for _ in range(2):
        with pytest.raises(JournalError, match="the disk is full"):
            await keeper.flush()
    assert paper.entries == []


async def test_who_waits_while_a_write_fails_hears_of_it_too(autojump_clock: trio.testing.MockClock) -> None:
    paper = Paper()
    paper.trouble = JournalError("the disk is full")
    keeper = make_keeper(paper, run_sync=SlowDisk(1.0))
    refused: list[int] = []

    async def record_and_flush(n: int) -> None:
        keeper.record(entry(n))
        with contextlib.suppress(JournalError):
            await keeper.flush()
            return
        refused.append(n)

    async with trio.open_nursery() as nursery:
        for n in range(3):
            nursery.start_soon(record_and_flush, n)

    assert sorted(refused) == [0, 1, 2]


@pytest.mark.parametrize("trouble", [ValueError("a bug of ours"), MemoryError()], ids=repr)
async def test_whatever_made_a_write_fail_nobody_is_told_that_it_was_done(
    autojump_clock: trio.testing.MockClock, trouble: Exception
) -> None:
    """A fill booked twice is no JournalError: who waits for his entries, shielded, must not post after it."""
    paper = Paper()
    paper.trouble = trouble
    keeper = make_keeper(paper, run_sync=SlowDisk(1.0))
    believed: list[int] = []

    async def record_and_flush(n: int) -> None:
        keeper.record(entry(n))
        try:
            await keeper.flush()
        except (ValueError, MemoryError, JournalError):
            paper.trouble = None
        else:
            believed.append(n)

    async with trio.open_nursery() as nursery:
        for n in range(3):
            nursery.start_soon(record_and_flush, n)

    assert [n for n in believed if entry(n) not in paper.entries] == []


async def test_a_fill_and_the_order_that_answers_it_are_one_commit(autojump_clock: trio.testing.MockClock) -> None:
    paper = Paper()
    keeper = make_keeper(paper)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keeper.keep_forever)
        await wait_all_tasks_blocked()
        keeper.record(entry(0))
        await trio.sleep(COMMIT_AFTER_S / 2)
        assert paper.batches == []
        keeper.record(entry(1))
        await keeper.flush()
        nursery.cancel_scope.cancel()

    assert paper.batches == [[entry(0), entry(1)]]


async def test_after_a_bug_of_ours_no_entry_is_written_behind_the_hole() -> None:
    paper = Paper()
    paper.trouble = ValueError("a bug of ours")
    keeper = make_keeper(paper)
    keeper.record(entry(0))
    with pytest.raises((ValueError, JournalError)):
        await keeper.flush()
    paper.trouble = None

    keeper.record(entry(1))
    with contextlib.suppress(ValueError, JournalError):
        await keeper.flush()

    assert entry(1) not in paper.entries or entry(0) in paper.entries


async def test_a_disk_that_hangs_is_a_ledger_that_cannot_be_kept(autojump_clock: trio.testing.MockClock) -> None:
    keeper = make_keeper(Paper(), run_sync=SlowDisk(3600.0))
    keeper.record(entry(0))
    began_s = trio.current_time()

    with pytest.raises(JournalError, match="the disk hangs"):
        await keeper.flush()

    assert trio.current_time() - began_s == COMMIT_WITHIN_S
    assert keeper.fault is not None


async def test_a_ledger_that_cannot_be_kept_ends_who_keeps_it() -> None:
    paper = Paper()
    paper.trouble = JournalError("the disk is full")
    keeper = make_keeper(paper)
    keeper.record(entry(0))

    with pytest.raises(JournalError, match="the disk is full"):
        await keeper.keep_forever()


# --- a request right behind the write ---------------------------------------------------------


class Thread:
    """A `run_sync` on real errands: `write_s` into one the disk is done with it, and it comes back after `takes_s`."""

    def __init__(self, *, write_s: float = 0.0, takes_s: float = 0.0) -> None:
        self.write_s = write_s
        self.takes_s = takes_s

    async def __call__(self, fn: Callable[..., Any], *args: Any, **options: Any) -> Any:
        if not isinstance(fn, CommitThenSend):
            return await SlowDisk(self.write_s)(fn, *args)
        await trio.sleep(self.write_s)
        result = fn()
        await trio.sleep(self.takes_s)
        return result


def wanted() -> bool:
    return True


def is_blank(paper: Paper) -> bool:
    return not paper.entries


def make_sender(paper: Paper) -> tuple[Callable[[str], str], list[tuple[str, list[Entry]]]]:
    """A call that notes what was durable when it was made."""
    sent: list[tuple[str, list[Entry]]] = []

    def send(what: str) -> str:
        sent.append((what, paper.entries))
        return f"answer to {what}"

    return send, sent


async def test_a_request_leaves_behind_the_write_and_not_before() -> None:
    paper = Paper()
    keeper = make_keeper(paper, run_sync=trio.to_thread.run_sync)
    send, sent = make_sender(paper)
    keeper.record(entry(0))

    assert await keeper.flush_then(wanted, send, "one") == "answer to one"
    assert await keeper.flush_then(wanted, send, "two") == "answer to two"

    assert sent == [("one", [entry(0)]), ("two", [entry(0)])]
    assert paper.batches == [[entry(0)]]
    await keeper.flush()
    assert paper.batches == [[entry(0)]]


async def test_what_is_written_need_not_be_waited_for() -> None:
    keeper = make_keeper(Paper())
    before = keeper.covers
    keeper.record(entry(0))
    unwritten = keeper.covers
    await keeper.flush()

    assert (before, unwritten, keeper.covers) == (True, False, True)


@pytest.mark.parametrize("trouble", [JournalError("the disk is full"), JournalBusy("locked by another")], ids=repr)
async def test_while_nothing_can_be_written_everything_waits(trouble: JournalError) -> None:
    paper = Paper()
    keeper = make_keeper(paper)
    keeper.record(entry(0))
    paper.trouble = trouble
    with pytest.raises(JournalError):
        await keeper.flush()

    assert not keeper.covers


async def test_without_a_journal_nothing_need_be_waited_for() -> None:
    keeper = make_keeper(None)
    keeper.record(entry(0))

    assert keeper.covers


async def test_without_a_journal_a_request_just_leaves() -> None:
    keeper = make_keeper(None)
    send, sent = make_sender(Paper())
    keeper.record(entry(0))

    assert await keeper.flush_then(wanted, send, "one") == "answer to one"
    assert sent == [("one", [])]


@pytest.mark.parametrize("trouble", [JournalError("the disk is full"), ValueError("a bug of ours")], ids=repr)
async def test_behind_a_write_that_failed_nothing_leaves(trouble: Exception) -> None:
    """Not as what the request raised: that would be an unknown outcome."""
    paper = Paper()
    paper.trouble = trouble
    keeper = make_keeper(paper)
    send, sent = make_sender(paper)
    keeper.record(entry(0))

    with pytest.raises(JournalError, match=str(trouble)):
        await keeper.flush_then(wanted, send, "one")
    paper.trouble = None
    with pytest.raises(JournalError, match=str(trouble)):
        await keeper.flush_then(wanted, send, "two")

    assert sent == []
    assert keeper.fault is not None


async def test_what_a_request_raises_is_no_fault_of_the_ledger() -> None:
    paper = Paper()
    keeper = make_keeper(paper)
    keeper.record(entry(0))

    def fail() -> None:
        raise ConnectionResetError("reset")

    with pytest.raises(ConnectionResetError):
        await keeper.flush_then(wanted, fail)

    assert keeper.fault is None
    await keeper.flush()
    assert paper.batches == [[entry(0)]]


async def test_behind_a_slow_write_nothing_leaves_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was allowed a while ago may be wrong by now."""
    paper, seconds = Paper(), iter((0.0, 2 * QUICK_S))
    keeper = make_keeper(paper)
    send, sent = make_sender(paper)
    keeper.record(entry(0))
    monkeypatch.setattr("mm_trio.concurrency.blocking_calls.time.monotonic", lambda: next(seconds))

    assert await keeper.flush_then(wanted, send, "one") is TOO_LATE
    assert paper.entries == [entry(0)]
    assert sent == []
    assert await keeper.flush_then(wanted, send, "one") == "answer to one"


async def test_what_is_not_wanted_any_more_once_it_is_written_is_not_sent(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """The socket may have closed meanwhile; asked by the thread and by a seam without one."""

    async def take_steps(errand: CommitThenSend[Any], **options: Any) -> Any:
        return await errand.take_steps(run_inline)

    for run_sync in (Thread(), take_steps):
        paper = Paper()
        keeper = make_keeper(paper, run_sync=run_sync)
        send, sent = make_sender(paper)
        keeper.record(entry(0))

        assert await keeper.flush_then(partial(is_blank, paper), send, "one") is TOO_LATE
        assert paper.entries == [entry(0)]
        assert sent == []


async def test_what_others_wrote_meanwhile_is_asked_about_as_well() -> None:
    """Waiting for the turn takes time too, and then there may be nothing left to write."""
    keeper = make_keeper(Paper())
    send, sent = make_sender(Paper())

    assert await keeper.flush_then(lambda: False, send, "one") is TOO_LATE
    assert sent == []


async def test_what_waited_for_a_slow_write_of_others_is_asked_about_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    paper = Paper()
    keeper = make_keeper(paper, run_sync=Thread(write_s=2 * QUICK_S))
    send, sent = make_sender(paper)
    keeper.record(entry(0))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keeper.flush)
        await wait_all_tasks_blocked()
        keeper.record(entry(1))

        assert await keeper.flush_then(wanted, send, "one") is TOO_LATE
    assert sent == []
    assert await keeper.flush_then(wanted, send, "one") == "answer to one"
    assert paper.entries == [entry(0), entry(1)]


async def test_a_write_that_nobody_waits_for_any_more_sends_nothing(autojump_clock: trio.testing.MockClock) -> None:
    paper = Paper()
    send, sent = make_sender(paper)
    kept: list[CommitThenSend[Any]] = []

    async def hang(errand: CommitThenSend[Any], **options: Any) -> None:
        kept.append(errand)
        await trio.sleep_forever()

    keeper = make_keeper(paper, run_sync=hang)
    keeper.record(entry(0))
    with pytest.raises(JournalError, match="the disk hangs"), trio.move_on_after(6):
        await keeper.flush_then(wanted, send, "one")
    assert kept[0]() is TOO_LATE

    assert sent == []
    assert keeper.fault is not None


async def test_who_is_cut_off_waiting_for_an_answer_has_its_entries_written(
    autojump_clock: trio.testing.MockClock,
) -> None:
    paper = Paper()
    keeper = make_keeper(paper, run_sync=Thread(takes_s=5.0))
    send, sent = make_sender(paper)
    keeper.record(entry(0))
    with trio.move_on_after(1.0) as scope:
        await keeper.flush_then(wanted, send, "one")

    assert scope.cancelled_caught
    assert sent == [("one", [entry(0)])]
    assert keeper.fault is None
    keeper.record(entry(1))
    await keeper.flush()
    assert paper.batches == [[entry(0)], [entry(1)]]


async def test_the_steps_of_an_errand_are_the_errand(autojump_clock: trio.testing.MockClock) -> None:
    """What a seam without threads makes of it: written, then sent, unless the disk took its time."""
    for write_s, answer in ((QUICK_S / 2, "answer to one"), (2 * QUICK_S, TOO_LATE)):
        paper = Paper()
        send, sent = make_sender(paper)
        disk = SlowDisk(write_s)
        errand = CommitThenSend(partial(paper.append, [entry(0)], at_ms=NOW_MS), lambda: True, send, "one")

        assert await errand.take_steps(disk) == answer
        assert paper.entries == [entry(0)]
        assert len(sent) == (answer != TOO_LATE)


# --- a journal that another process has locked --------------------------------------------------


LOCKED = JournalBusy("the ledger is locked by another process")


async def test_r12_a_lock_keeps_the_entries_in_order_and_they_are_written_once(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Of two callers and the writer itself; more is recorded meanwhile."""
    paper = Paper()
    keeper = make_keeper(paper)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keeper.keep_forever)
        paper.trouble = LOCKED
        for n in range(4):
            keeper.record(entry(n))
            with contextlib.suppress(JournalBusy):
                await keeper.flush()
            await trio.sleep(1)
        refused = list(paper.entries)
        paper.trouble = None
        await trio.sleep(1)
        nursery.cancel_scope.cancel()

    assert refused == []
    assert paper.entries == [entry(n) for n in range(4)]
    assert keeper.n_unwritten == 0


async def test_r12_a_lock_is_no_fault_and_ends_with_the_next_good_commit() -> None:
    paper = Paper()
    keeper = make_keeper(paper)
    paper.trouble = LOCKED
    keeper.record(entry(0))
    with pytest.raises(JournalBusy, match="locked by another process"):
        await keeper.flush()

    assert (keeper.fault, keeper.obstacle) == (None, str(LOCKED))
    paper.trouble = None
    await keeper.flush()
    assert (keeper.fault, keeper.obstacle) == (None, None)
    assert paper.entries == [entry(0)]


async def test_r12_behind_a_lock_nothing_leaves() -> None:
    paper = Paper()
    keeper = make_keeper(paper, run_sync=trio.to_thread.run_sync)
    send, sent = make_sender(paper)
    paper.trouble = LOCKED
    keeper.record(entry(0))

    for what in ("one", "two"):
        with pytest.raises(JournalBusy):
            await keeper.flush_then(wanted, send, what)

    assert sent == []
    paper.trouble = None
    assert await keeper.flush_then(wanted, send, "three") == "answer to three"
    assert sent == [("three", [entry(0)])]


async def test_r12_a_lock_for_ever_does_not_end_who_keeps_the_journal(autojump_clock: trio.testing.MockClock) -> None:
    paper = Paper()
    paper.trouble = LOCKED
    keeper = make_keeper(paper)
    keeper.record(entry(0))
    with trio.move_on_after(24 * 3600 * TRY_LOCKED_AGAIN_S) as scope:
        await keeper.keep_forever()

    assert scope.cancelled_caught
    assert keeper.n_unwritten == 1
    assert keeper.lock.lasts_s > 3600


async def test_r12_a_fault_behind_a_lock_ends_who_keeps_the_journal(autojump_clock: trio.testing.MockClock) -> None:
    paper = Paper()
    paper.trouble = LOCKED
    keeper = make_keeper(paper)
    keeper.record(entry(0))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keeper.lock.wait_until_locked)

        @nursery.start_soon
        async def fill_disk() -> None:
            await keeper.lock.wait_until_locked()
            paper.trouble = JournalError("the disk is full")

        with pytest.raises(JournalError, match="the disk is full"):
            await keeper.keep_forever()

    assert keeper.obstacle == "the disk is full"


async def test_r12_patience_with_a_lock_ends(autojump_clock: trio.testing.MockClock) -> None:
    paper = Paper()
    paper.trouble = LOCKED
    keeper = make_keeper(paper)
    keeper.record(entry(0))
    began_s = trio.current_time()

    with pytest.raises(JournalBusy):
        await keeper.flush_within(3.0)

    assert 3.0 - TRY_LOCKED_AGAIN_S <= trio.current_time() - began_s <= 3.0


async def test_r12_a_checkpoint_that_met_a_lock_is_made_anew() -> None:
    """It sums up every entry before it, also those recorded during the lock."""
    paper = Paper()
    recorded: list[int] = []
    keeper = make_keeper(paper, summarise=lambda: [Quoted(n) for n in recorded], checkpoint_every=2)
    for n in range(3):
        paper.trouble = LOCKED if n < 2 else None
        recorded.append(n)
        keeper.record(entry(n))
        with contextlib.suppress(JournalBusy):
            await keeper.flush()

    assert paper.batches == [[entry(0), entry(1), entry(2), Checkpoint((entry(0), entry(1), entry(2)))]]


async def test_r4_an_action_that_found_no_thread_leaves_its_entries_to_the_next_commit() -> None:
    """The threads of actions are held by answers that do not end; the disk is well."""
    paper = Paper()

    async def refuse(fn: Callable[..., Any], *args: Any, **options: Any) -> Any:
        await trio.lowlevel.checkpoint()
        raise NoFreeThread("all 4 threads for actions are held by earlier calls that have not ended")

    keeper = JournalWriter(paper, run_sync=run_inline, send_sync=refuse, wall_ms=lambda: NOW_MS, summarise=lambda: ())
    send, sent = make_sender(paper)
    keeper.record(entry(0))
    with pytest.raises(NoFreeThread):
        await keeper.flush_then(wanted, send, "one")
    await keeper.flush()

    assert sent == []
    assert keeper.obstacle is None
    assert paper.entries == [entry(0)]


# --- without a journal ------------------------------------------------------------------------


async def test_without_a_journal_nothing_is_kept_and_nobody_waits(autojump_clock: trio.testing.MockClock) -> None:
    keeper = make_keeper(None, run_sync=SlowDisk(3600.0))
    began_s = trio.current_time()
    for n in range(3):
        keeper.record(entry(n))
        await keeper.flush()

    assert trio.current_time() == began_s
    assert keeper.fault is None


# --- checkpoints ------------------------------------------------------------------------------


async def test_a_checkpoint_sums_up_the_state_after_so_many_entries() -> None:
    """It follows every third entry here, and the entries themselves stay."""
    paper = Paper()
    recorded = 0
    keeper = make_keeper(paper, checkpoint_every=3, summarise=lambda: [LookedUp(recorded)])
    for n in range(8):
        keeper.record(entry(n))
        recorded += 1
        await keeper.flush()

    checkpoints = {n: found for n, found in enumerate(paper.entries) if isinstance(found, Checkpoint)}
    assert checkpoints == {3: Checkpoint((LookedUp(3),)), 7: Checkpoint((LookedUp(6),))}
    assert [found for found in paper.entries if isinstance(found, Quoted)] == [entry(n) for n in range(8)]


async def test_entries_of_an_earlier_life_count_towards_the_next_checkpoint() -> None:
    paper = Paper()
    keeper = make_keeper(paper, checkpoint_every=10, n_since_checkpoint=9)
    keeper.record(entry(0))
    await keeper.flush()

    assert paper.batches == [[entry(0), Checkpoint(())]]


async def test_a_checkpoint_is_never_apart_from_the_entries_before_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """It says what all entries before it amount to, also where more are recorded while one batch is written."""
    paper = Paper()
    recorded: list[int] = []
    keeper = make_keeper(
        paper, run_sync=SlowDisk(1.0), checkpoint_every=2, summarise=lambda: [Quoted(n) for n in recorded]
    )

    async def record_and_flush(n: int) -> None:
        await trio.sleep(n * 0.3)
        recorded.append(n)
        keeper.record(entry(n))
        await keeper.flush()

    async with trio.open_nursery() as nursery:
        for n in range(12):
            nursery.start_soon(record_and_flush, n)

    before: list[Entry] = []
    n_checkpoints = 0
    for found in paper.entries:
        if isinstance(found, Checkpoint):
            n_checkpoints += 1
            assert list(found.entries) == before
        else:
            before.append(found)
    assert n_checkpoints >= 2
    assert before == [entry(n) for n in range(12)]


# --- the end mark -----------------------------------------------------------------------------


async def test_the_end_is_marked_some_time_after_a_checkpoint(autojump_clock: MockClock) -> None:
    paper = Paper()
    keeper = make_keeper(paper, checkpoint_every=2)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keeper.keep_forever)
        keeper.record(entry(1))
        await trio.sleep(1)
        marked_before = list(paper.marks)
        keeper.record(entry(2))
        await trio.sleep(1)
        nursery.cancel_scope.cancel()

    assert marked_before == []
    assert paper.marks == [len(paper.entries)] == [3]


async def test_no_action_waits_for_the_mark_of_a_checkpoint() -> None:
    """It is left to the task that writes."""
    paper = Paper()
    keeper = make_keeper(paper, checkpoint_every=1)
    keeper.record(entry(1))

    await keeper.flush_then(lambda: True, lambda: None)

    assert len(paper.entries) == 2
    assert paper.marks == []


async def test_a_journal_that_failed_is_not_marked() -> None:
    paper = Paper()
    paper.trouble = JournalError("full")
    keeper = make_keeper(paper)
    keeper.record(entry(1))
    with pytest.raises(JournalError):
        await keeper.flush()

    await keeper.mark_end()

    assert paper.marks == []
