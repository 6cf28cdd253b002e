"""Calls of one moment on one thread: each keeps its own result, and a hang is told as in any pool."""

from __future__ import annotations

import threading
from functools import partial

import pytest
import trio

from mm_trio.concurrency.blocking_calls import NoFreeThread
from mm_trio.concurrency.gathered_calls import GatheredCalls


async def call(gathered: GatheredCalls, found: list[object], fn: object) -> None:
    assert callable(fn)
    found.append(await gathered(fn, abandon_on_cancel=True))


async def test_calls_of_one_moment_share_a_thread() -> None:
    gathered, found = GatheredCalls("looks"), list[object]()

    async with trio.open_nursery() as nursery:
        for _ in range(50):
            nursery.start_soon(call, gathered, found, threading.get_ident)

    assert (len(found), len(set(found))) == (50, 1)


async def test_each_caller_gets_its_own_result_or_error() -> None:
    gathered = GatheredCalls("looks")
    found: list[object] = []

    async with trio.open_nursery() as nursery:
        nursery.start_soon(call, gathered, found, partial(divmod, 7, 2))
        with pytest.raises(ZeroDivisionError):
            await gathered(divmod, 7, 0, abandon_on_cancel=True)

    assert found == [(3, 1)]


async def test_a_call_behind_one_that_hangs_was_not_made_and_says_so() -> None:
    gathered, is_over, begun, made = GatheredCalls("looks"), threading.Event(), threading.Event(), list[str]()

    def hang() -> None:
        begun.set()
        is_over.wait()

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(gathered, hang, abandon_on_cancel=True))
            await trio.to_thread.run_sync(begun.wait)
            with pytest.raises(NoFreeThread, match="the thread for looks"), trio.fail_after(0.05):
                await gathered(made.append, "looked", abandon_on_cancel=True)
            nursery.cancel_scope.cancel()
    finally:
        is_over.set()

    assert await gathered(made.copy, abandon_on_cancel=True) == []


async def test_a_call_that_was_begun_is_cancelled_like_any_other() -> None:
    gathered, is_over = GatheredCalls("looks"), threading.Event()
    try:
        with trio.move_on_after(0.05) as scope:
            await gathered(is_over.wait, abandon_on_cancel=True)
    finally:
        is_over.set()

    assert scope.cancelled_caught


async def test_whoever_called_first_may_leave_while_others_wait() -> None:
    gathered, found, leaving = GatheredCalls("looks"), list[object](), trio.CancelScope()

    async def leave() -> None:
        with leaving, pytest.raises(NoFreeThread):
            await gathered(int, abandon_on_cancel=True)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(leave)
        nursery.start_soon(call, gathered, found, threading.get_ident)
        leaving.cancel()

    assert len(found) == 1


async def test_without_a_new_thread_every_caller_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_words: object, **_options: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(trio.to_thread, "run_sync", refuse)

    with pytest.raises(RuntimeError, match="can't start new thread"):
        await GatheredCalls("looks")(int, abandon_on_cancel=True)
