"""Bounds on worker threads: each duty has its own, and a call without a thread was not made."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest
import trio
from builders import run_inline

from mm_trio.concurrency.blocking_calls import NoFreeThread
from mm_trio.concurrency.thread_pools import MOST_ACTIONS, MOST_COMMITS, MOST_READS, ThreadPool, ThreadPools

# The main thread, and the reader and the ping sender of the socket.
OTHER_THREADS = 3


@contextmanager
def held() -> Iterator[threading.Event]:
    """An event that every call waits for, set in any case."""
    is_over = threading.Event()
    try:
        yield is_over
    finally:
        is_over.set()


async def drip(pool: ThreadPool, is_over: threading.Event, *, n: int) -> None:
    """Make calls that do not end, and give each of them up."""
    for _ in range(n):
        begun = threading.Event()

        def hang(begun: threading.Event = begun) -> None:
            begun.set()
            is_over.wait()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(pool, hang, abandon_on_cancel=True))
            await trio.to_thread.run_sync(begun.wait)
            nursery.cancel_scope.cancel()


async def test_r4_a_commit_does_not_wait_behind_answers_that_drip() -> None:
    pools = ThreadPools(trio.to_thread.run_sync)
    assert isinstance(pools.reads, ThreadPool)
    assert isinstance(pools.actions, ThreadPool)
    with held() as is_over:
        await drip(pools.reads, is_over, n=MOST_READS)
        await drip(pools.actions, is_over, n=MOST_ACTIONS)

        with trio.fail_after(5):
            assert await pools.journal(lambda: "written") == "written"
        assert pools.reads.n_busy + pools.actions.n_busy == MOST_READS + MOST_ACTIONS


async def test_r4_a_call_without_a_thread_was_not_made_and_says_so() -> None:
    pool, made = ThreadPool("questions", 1), list[str]()
    with held() as is_over:
        await drip(pool, is_over, n=1)

        with pytest.raises(NoFreeThread, match="all 1 threads for questions"), trio.fail_after(0.05):
            await pool(made.append, "asked")
    await trio.to_thread.run_sync(is_over.wait)

    assert await pool(made.copy) == []


async def test_r4_a_call_that_was_begun_is_cancelled_like_any_other() -> None:
    """Its outcome is unknown, so it must not look like one that was not made."""
    pool = ThreadPool("actions", 1)
    with held() as is_over, trio.move_on_after(0.05) as scope:
        await pool(is_over.wait, abandon_on_cancel=True)

    assert scope.cancelled_caught


def test_r4_all_pools_together_stay_below_twenty_threads() -> None:
    assert MOST_READS + MOST_ACTIONS + MOST_COMMITS + OTHER_THREADS <= 20


def test_a_seam_that_is_not_trio_s_own_is_called_as_it_is() -> None:
    pools = ThreadPools(run_inline)

    assert (pools.reads, pools.actions, pools.journal) == (run_inline, run_inline, run_inline)


async def test_a_pool_hands_on_results_and_errors() -> None:
    pool = ThreadPool("questions", 2)

    assert await pool(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await pool(divmod, 7, 0)
