"""An action that the loop posts: durable first, and not at all where it is no longer wanted by then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mm_trio.concurrency.blocking_calls import TOO_LATE
from mm_trio.concurrency.commit_then_post import commit_then_post, go_on
from mm_trio.model.errors import JournalError


class Desk:
    """A ledger and a post that note what is done in which order."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.trouble: Exception | None = None
        self.is_wanted = [True, True]
        self.covers = False

    def ask(self) -> bool:
        return self.is_wanted.pop(0)

    async def flush_then(self, is_wanted: Callable[[], bool], send: Callable[..., object], *args: object) -> object:
        if self.trouble is not None:
            raise self.trouble
        self.log.append("durable")
        return send(*args) if is_wanted() else TOO_LATE

    async def post(self) -> str:
        self.log.append("post")
        return "answer"

    async def run(self, between: Callable[[], Any] = go_on) -> object:
        return await commit_then_post(self, self.ask, between, self.post)


async def test_a_post_leaves_once_it_is_durable() -> None:
    desk = Desk()

    assert await desk.run() == "answer"
    assert desk.log == ["durable", "post"]


@pytest.mark.parametrize("wanted", [[False], [True, False]], ids=["behind the write", "back in the loop"])
async def test_what_is_no_longer_wanted_is_not_posted(wanted: list[bool]) -> None:
    desk = Desk()
    desk.is_wanted = wanted

    assert await desk.run() is TOO_LATE
    assert desk.log == ["durable"]


async def test_what_need_not_be_waited_for_is_posted_at_once() -> None:
    desk = Desk()
    desk.covers = True

    assert await desk.run() == "answer"
    assert desk.log == ["post"]


async def test_what_need_not_be_waited_for_is_not_posted_where_it_is_not_wanted() -> None:
    desk = Desk()
    desk.covers, desk.is_wanted = True, [False]

    assert await desk.run() is TOO_LATE
    assert desk.log == []


async def test_what_must_come_between_is_done_though_nothing_has_to_be_written() -> None:
    desk = Desk()
    desk.covers = True

    assert await desk.run(lambda: desk.log.append("between")) == "answer"
    assert desk.log == ["durable", "between", "post"]


async def test_what_must_come_between_decides_too() -> None:
    desk = Desk()

    assert await desk.run(lambda: TOO_LATE) is TOO_LATE
    assert desk.log == ["durable"]


async def test_what_cannot_be_written_is_not_posted() -> None:
    desk = Desk()
    desk.trouble = JournalError("the disk is full")

    with pytest.raises(JournalError):
        await desk.run()
    assert desk.log == []
