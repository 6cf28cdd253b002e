"""Calls made at once: as quick as the slowest, and one error, the same one whichever answer came first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import pytest
import trio
from trio.testing import MockClock

from mm_trio.concurrency.together import call_together, settle


async def answer(text: str, *, after_s: float) -> str:
    await trio.sleep(after_s)
    return text


async def fail(text: str, *, after_s: float) -> str:
    await trio.sleep(after_s)
    raise ValueError(text)


async def test_answers_come_in_the_order_of_the_calls(autojump_clock: MockClock) -> None:
    found = await call_together(partial(answer, "a", after_s=2), partial(answer, "b", after_s=1))

    assert found == ("a", "b")


async def test_calls_take_as_long_as_the_slowest_one(autojump_clock: MockClock) -> None:
    began_s = trio.current_time()

    await call_together(*(partial(answer, "", after_s=after_s) for after_s in (1, 3, 2)))

    assert trio.current_time() - began_s == pytest.approx(3)


@pytest.mark.parametrize("first_s, second_s", [(1, 2), (2, 1)])
async def test_the_first_call_that_fails_is_told_whichever_fails_first(
    autojump_clock: MockClock, first_s: float, second_s: float
) -> None:
    with pytest.raises(ValueError, match="first"):
        await call_together(partial(fail, "first", after_s=first_s), partial(fail, "second", after_s=second_s))


async def test_a_failure_ends_the_calls_behind_it(autojump_clock: MockClock) -> None:
    began_s = trio.current_time()
    with pytest.raises(ValueError, match="first"):
        await call_together(partial(fail, "first", after_s=1), trio.sleep_forever)

    assert trio.current_time() - began_s == pytest.approx(1)


async def test_a_failure_waits_for_the_calls_before_it(autojump_clock: MockClock) -> None:
    ended: list[str] = []

    async def note() -> None:
        ended.append(await answer("slow", after_s=5))

    with pytest.raises(ValueError, match="quick"):
        await call_together(note, partial(fail, "quick", after_s=1))

    assert ended == ["slow"]


async def test_who_is_cancelled_is_cancelled_with_all_calls(autojump_clock: MockClock) -> None:
    with trio.move_on_after(1) as scope:
        await call_together(trio.sleep_forever, trio.sleep_forever)

    assert scope.cancelled_caught


@pytest.mark.parametrize("call", [partial(fail, "late", after_s=0)])
async def test_a_settled_call_fails_when_its_answer_is_wanted(
    autojump_clock: MockClock, call: Callable[[], Awaitable[str]]
) -> None:
    give = await settle(call)

    with pytest.raises(ValueError, match="late"):
        give()


async def test_a_settled_call_gives_its_answer(autojump_clock: MockClock) -> None:
    give = await settle(partial(answer, "a", after_s=1))

    assert (give(), give()) == ("a", "a")
