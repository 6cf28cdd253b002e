"""Processes that run seeds, and that end with the one that started them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from types import FrameType

from mm_trio.sim.base.seed_folder import remove_seed_folders

__all__ = ["open_workers"]


@contextmanager
def open_workers(n_workers: int) -> Iterator[ProcessPoolExecutor]:
    """Open a pool whose processes end at once, in the middle of a seed, when an error ends the block.

    They hold one end of a pipe whose other end this process alone has: however it ends, by SIGKILL too, they see it.
    """
    # A forked process would inherit whatever the caller has open, and the other end of the pipe.
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
    """Ctrl-C is for the process that asked; the others end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end_worker)
    threading.Thread(target=_end_with_parent, args=(watched,), daemon=True).start()


def _end_with_parent(watched: Connection) -> None:
    with suppress(EOFError, OSError):
        watched.recv_bytes()  # Nothing is ever sent: it returns when the other end is closed.
    _end_worker()


def _end_worker(number: int = 0, frame: FrameType | None = None) -> None:
    remove_seed_folders()
    os._exit(1)
