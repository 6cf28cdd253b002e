"""Recorded entries on their way to the journal: kept in order, committed in groups, off the loop.

The loop records (that never waits); one commit at a time writes all that was recorded until then. Who must not
go on before an entry is durable flushes; a request that waits for that alone leaves from the thread that wrote it.
Without a journal the ledger lives in memory and nothing waits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Never, Protocol

import trio

from mm_trio.concurrency.blocking_calls import QUICK_S, TOO_LATE, CommitThenSend, RunSync
from mm_trio.concurrency.fair_lock import UncontendedLock
from mm_trio.model.errors import JournalError
from mm_trio.model.journal_entries import Checkpoint, Entry

__all__ = ["AppendsEntries", "JournalWriter"]

# A fill is answered by an order, which has to be durable before it leaves: both in one commit, so that it need not wait
# for the fill's. Nothing is lost with what was not written yet: a start asks the venue for the fills.
COMMIT_AFTER_S = 0.02
COMMIT_WITHIN_S = 5.0  # a disk that takes longer is no ledger's
_DISK_HANGS = "the ledger was not written for seconds: the disk hangs"
CHECKPOINT_EVERY = 50_000  # entries; a replay of so many takes well below a second


class AppendsEntries(Protocol):
    """A journal, as far as keeping it goes: blocking, durable on return, `JournalError` if it cannot be."""

    def append(self, entries: Sequence[Entry], *, at_ms: int) -> None: ...


class _Writing:
    """One group of entries on its way to the journal."""

    def __init__(self, journal: AppendsEntries, entries: Sequence[Entry], at_ms: int) -> None:
        self._journal = journal
        self._entries = entries
        self._at_ms = at_ms
        self.is_done = self.is_given_up = False  # the one is set by the thread, the other on the loop

    def append(self) -> None:
        """Blocks; durable on return. Errors: JournalError."""
        self._journal.append(self._entries, at_ms=self._at_ms)
        self.is_done = True


class JournalWriter:
    """Takes entries on the loop's thread, and sees to it that they get to the journal.

    `summarise` gives what a checkpoint says; it is asked every `CHECKPOINT_EVERY` entries.
    """

    def __init__(
        self,
        journal: AppendsEntries | None,
        *,
        run_sync: RunSync,
        wall_ms: Callable[[], int],
        summarise: Callable[[], Sequence[Entry]],
        n_since_checkpoint: int = 0,
    ) -> None:
        self._journal = journal
        self._run_sync = run_sync
        self._wall_ms = wall_ms
        self._summarise = summarise
        self._n_since_checkpoint = n_since_checkpoint
        self._pending: list[Entry] = []
        self._n_recorded = self._n_durable = 0
        self._recorded = trio.Event()
        self._turn = UncontendedLock()
        self._fault: JournalError | None = None

    @property
    def n_unwritten(self) -> int:
        """How many entries wait to be written."""
        return len(self._pending)

    @property
    def fault(self) -> JournalError | None:
        """Why nothing can be written any more."""
        return self._fault

    def record(self, entry: Entry) -> None:
        """Something happened. Once the journal failed, what happens on the way out is found at the next start."""
        if self._journal is None or self._fault is not None:
            return
        self._pending.append(entry)
        self._n_recorded += 1
        self._recorded.set()

    async def flush(self) -> None:
        """Return when everything recorded until now is durable. Errors: JournalError."""
        goal = self._n_recorded
        async with self._turn:  # whoever waited here finds that the one before wrote for it
            if self._fault is not None:
                raise self._fault
            if self._n_durable < goal:
                await self._commit()

    async def flush_then(self, is_wanted: Callable[[], bool], send: Callable[..., Any], *args: Any) -> Any:
        """Make everything recorded until now durable, and make this blocking call right behind it.

        `is_wanted` is asked between the two, on whatever thread that is. Gives what the call returns, or `TOO_LATE`
        where it was not made: ask whether it still may. The caller bounds it; cut off, a write that is not done is a
        fault. Errors: JournalError, and then nothing was nor will be sent; what `send` raises.
        """
        began_s = trio.current_time()
        async with self._turn:
            if self._fault is not None:
                raise self._fault
            if trio.current_time() - began_s > QUICK_S:  # a slow write of others went before
                return TOO_LATE
            if not self._pending:
                return await self._run_sync(send, *args, abandon_on_cancel=True)
            with self._writing() as writing:
                errand = CommitThenSend(writing.append, lambda: not writing.is_given_up and is_wanted(), send, *args)
                return await self._run_sync(errand, abandon_on_cancel=True)

    async def keep_forever(self) -> Never:
        """Write what is recorded, soon. Errors: JournalError, which ends the maker."""
        while True:
            await self._recorded.wait()
            await trio.sleep(COMMIT_AFTER_S)
            self._recorded = trio.Event()
            await self.flush()

    async def _commit(self) -> None:
        with self._writing() as writing:
            # not to be cut short by our leaving: it would be unknown whether it was written
            with trio.move_on_after(COMMIT_WITHIN_S, shield=True):
                await self._run_sync(writing.append, abandon_on_cancel=True)
            if not writing.is_done:
                raise JournalError(_DISK_HANGS)

    @contextmanager
    def _writing(self) -> Iterator[_Writing]:
        """All that is recorded, to be written inside; behind what was not, nothing may be. Errors: JournalError."""
        assert self._journal is not None
        batch, self._pending = self._pending, []
        if self._n_since_checkpoint + len(batch) >= CHECKPOINT_EVERY:
            # the state now is what all entries until now amount to: nothing awaited since the last was taken
            batch.append(Checkpoint(tuple(self._summarise())))
            self._n_recorded += 1
            self._n_since_checkpoint = -len(batch)
        writing = _Writing(self._journal, batch, self._wall_ms())
        try:
            yield writing
        except BaseException as error:
            writing.is_given_up = True  # before the look: the thread looks the other way round, so one of both sees it
            if writing.is_done:
                raise
            self._fault = _make_fault(error)
            raise self._fault from error
        finally:
            if writing.is_done:
                self._n_durable += len(batch)
                self._n_since_checkpoint += len(batch)


def _make_fault(error: BaseException) -> JournalError:
    if isinstance(error, JournalError):
        return JournalError(str(error))
    if isinstance(error, trio.Cancelled):
        return JournalError(_DISK_HANGS)
    return JournalError(f"the ledger was not written: {type(error).__name__}: {error}")  # a bug of ours
