"""Worker processes that end with the one that started them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from types import FrameType

from mm_trio.sim.base.report import SeedReport
from mm_trio.sim.run.seed_folder import remove_seed_folders

__all__ = ["run_in_workers"]

# Seeds that wait for each worker.
QUEUED_PER_WORKER = 2


def run_in_workers(
    work: Callable[[int], SeedReport], seeds: Iterator[int], jobs: int, is_stopped: Callable[[], bool]
) -> Generator[SeedReport, None, None]:
    """Run seeds in worker processes and yield reports in order.

    Once `is_stopped()`, an error ends the run, and the reports of all seeds that had finished are yielded.
    """
    underway: deque[Future[SeedReport]] = deque()
    try:
        with _open_workers(jobs) as pool:
            for seed in seeds:
                underway.append(pool.submit(work, seed))
                if len(underway) > QUEUED_PER_WORKER * jobs:
                    yield underway[0].result()
                    underway.popleft()
            while underway and not is_stopped():
                yield underway[0].result()
                underway.popleft()
    except GeneratorExit:
        raise
    except BaseException:
        if not is_stopped():
            raise
    # After an interruption, keep what other processes had finished out of turn: it may have found a broken rule.
    for future in underway:
        if future.done() and not future.cancelled() and future.exception() is None:
            yield future.result()


@contextmanager
def _open_workers(n_workers: int) -> Iterator[ProcessPoolExecutor]:
    """Open a pool of workers that errors end immediately.

    They end even in the middle of a seed.
    They hold one end of a pipe whose other end this process alone has: however this process ends, by SIGKILL too,
    they notice.
    """
    # A forked process would inherit whatever the caller has open, including the other end of the pipe.
    context = multiprocessing.get_context("spawn")
    watched, held = context.Pipe(duplex=False)
    with watched, held:
        pool = ProcessPoolExecutor(n_workers, mp_context=context, initializer=_attach_worker, initargs=(watched,))
        try:
            yield pool
        except BaseException:
            held.close()
            raise
        finally:
            pool.shutdown(cancel_futures=True)


def _attach_worker(watched: Connection) -> None:
    """Ignore Ctrl-C and end with the parent process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end_worker)
    threading.Thread(target=_end_with_parent, args=(watched,), daemon=True).start()


def _end_with_parent(watched: Connection) -> None:
    with suppress(EOFError, OSError):
        # Nothing is ever sent, so this returns when the other end is closed.
        watched.recv_bytes()
    _end_worker()


def _end_worker(number: int = 0, frame: FrameType | None = None) -> None:
    remove_seed_folders()
    os._exit(1)
