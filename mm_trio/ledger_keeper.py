"""Recorded entries on their way to the journal: kept in order, committed in groups, off the loop.

The loop records (that never waits); one commit at a time writes all that was recorded until then. Who must not
go on before an entry is durable flushes. Without a journal the ledger lives in memory and nothing waits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Never, Protocol

import trio

from mm_trio.entries import Checkpoint, Entry
from mm_trio.errors import JournalError
from mm_trio.turn import Turn
from mm_trio.venue.client import RunSync

__all__ = ["AppendsEntries", "LedgerKeeper"]

# A fill is answered by an order, which has to be durable before it leaves: both in one commit, so that it need not wait
# for the fill's. Nothing is lost with what was not written yet: a start asks the venue for the fills.
COMMIT_AFTER_S = 0.02
COMMIT_WITHIN_S = 5.0  # a disk that takes longer is no ledger's
CHECKPOINT_EVERY = 50_000  # entries; a replay of so many takes well below a second


class AppendsEntries(Protocol):
    """A journal, as far as keeping it goes: blocking, durable on return, `JournalError` if it cannot be."""

    def append(self, entries: Sequence[Entry], *, at_ms: int) -> None: ...


class LedgerKeeper:
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
        self._turn = Turn()
        self._fault: JournalError | None = None

    @property
    def is_durable(self) -> bool:
        """Whether there is a journal behind it."""
        return self._journal is not None

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

    async def keep_forever(self) -> Never:
        """Write what is recorded, soon. Errors: JournalError, which ends the maker."""
        while True:
            await self._recorded.wait()
            await trio.sleep(COMMIT_AFTER_S)
            self._recorded = trio.Event()
            await self.flush()

    async def _commit(self) -> None:
        assert self._journal is not None
        batch, self._pending = self._pending, []
        if self._n_since_checkpoint + len(batch) >= CHECKPOINT_EVERY:
            # the state now is what all entries until now amount to: nothing awaited since the last was taken
            batch.append(Checkpoint(tuple(self._summarise())))
            self._n_recorded += 1
            self._n_since_checkpoint = -len(batch)
        try:
            # not to be cut short: it would be unknown whether it was written
            with trio.CancelScope(shield=True), trio.fail_after(COMMIT_WITHIN_S):
                await self._run_sync(self._append, batch, self._wall_ms(), abandon_on_cancel=True)
        except JournalError as error:
            self._fault = error
            raise
        except trio.TooSlowError:
            self._fault = JournalError(f"the ledger was not written in {COMMIT_WITHIN_S:g} s: the disk hangs")
            raise self._fault from None
        except BaseException as error:  # a bug of ours; nothing may be written behind the hole it left
            self._fault = JournalError(f"the ledger was not written: {type(error).__name__}")
            raise
        self._n_durable += len(batch)
        self._n_since_checkpoint += len(batch)

    def _append(self, batch: Sequence[Entry], at_ms: int) -> None:
        assert self._journal is not None
        self._journal.append(batch, at_ms=at_ms)
