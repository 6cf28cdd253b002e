"""Samples of a large record, summed up in a process of their own while this one reads the ledger."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TypeAlias

from mm_trio.model.errors import RecordError
from mm_trio.pages.timeline import Timeline
from mm_trio.recorder.record_file import RecordFile
from mm_trio.reports.observe import Observations, Sampler, observe

__all__ = ["Finish", "Samples", "begin_observing"]

# About five seconds of work; a process takes half a second to start.
LARGE_BYTES = 50 * 1024 * 1024
# Steps of the progress that are told; few, so that the pipe holds them all while nobody reads it.
STEPS = 100

_OnProgress: TypeAlias = Callable[[float], None]
# Waits for what was observed, or observes it.
Finish: TypeAlias = Callable[[_OnProgress], Observations | None]


@dataclass(frozen=True, slots=True)
class Samples:
    """Samples to be summed up: those of a period before `until_ms`, of the record in `folder`."""

    folder: Path
    sampler: Sampler
    timeline: Timeline
    until_ms: int

    def observe(self, record: RecordFile, on_progress: _OnProgress) -> Observations | None:
        """Sum them up here. Errors: RecordError."""
        return observe(record, self.sampler, self.timeline, on_progress=on_progress, until_ms=self.until_ms)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the other process found, or why it found nothing."""

    observations: Observations | None = None
    error: RecordError | None = None


@contextmanager
def begin_observing(record: RecordFile, samples: Samples, *, large_bytes: int = LARGE_BYTES) -> Iterator[Finish]:
    """Sum up samples, those of a record of `large_bytes` in another process that begins at once.

    It does not outlive the block, nor this process. Errors, of what is yielded too: RecordError.
    """
    if record.measure()[0] < large_bytes or (os.cpu_count() or 1) < 2:
        yield lambda on_progress: samples.observe(record, on_progress)
        return
    with _open_process(samples) as receiver:

        def finish(on_progress: _OnProgress) -> Observations | None:
            try:
                return _wait(receiver, on_progress)
            except (EOFError, OSError):
                # The process could not start, or somebody ended it.
                return samples.observe(record, on_progress)

        yield finish


@contextmanager
def _open_process(samples: Samples) -> Iterator[Connection]:
    # A forked process would inherit whatever the caller has open.
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_observe_and_tell, args=(samples, sender), daemon=True)
    with receiver:
        try:
            with sender, suppress(OSError):
                process.start()
            yield receiver
        finally:
            if process.pid is not None:
                process.kill()
                process.join()


def _wait(receiver: Connection, on_progress: _OnProgress) -> Observations | None:
    while not isinstance(told := receiver.recv(), _Answer):
        on_progress(told)
    if told.error is not None:
        raise told.error
    return told.observations


def _observe_and_tell(samples: Samples, sender: Connection) -> None:
    """Do the work in the other process; telling anything to a first one that has ended, ends this one too."""
    # Ctrl-C reaches the whole group; the first process ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    told = -1

    def on_progress(part: float) -> None:
        nonlocal told
        if int(part * STEPS) != told:
            told = int(part * STEPS)
            sender.send(part)

    with suppress(BrokenPipeError):
        try:
            with closing(RecordFile.open_to_read(samples.folder)) as record:
                answer = _Answer(samples.observe(record, on_progress))
        except RecordError as error:
            answer = _Answer(error=RecordError(str(error)))
        sender.send(answer)
