"""Looks that several grids share: nobody asks again what was just asked, and each sees things in its own order."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import Any

import trio
import trio.lowlevel

from mm_trio.grids.shared_look import Look, SharedAnswers

ANSWER_S = 0.1


class Client:
    """Client that notes what it is asked, and answers with the number of the question."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def answer(self, name: str) -> Any:
        self.asked.append(name)
        n = len(self.asked)
        await trio.sleep(ANSWER_S)
        return Decimal(n), n

    def __getattr__(self, name: str) -> Any:
        return partial(self.answer, name)


def share(client: Client) -> SharedAnswers:
    return SharedAnswers(client, coins=("@1", "@107"), find_fills_since_ms=lambda: 0)  # type: ignore[arg-type]


async def ask(look: Look, *names: str) -> list[int]:
    """Ask one after another; return the numbers of the questions that were taken."""
    client: Any = look.client
    return [(await look._ask(name, partial(client.answer, name)))[1] for name in names]


async def test_looks_that_begin_at_one_moment_share_every_answer(autojump_clock: object) -> None:
    client = Client()
    answers = share(client)

    async def look_around() -> None:
        await ask(answers.look(), "fills", "orders", "balances", "fills", "budget")

    async with trio.open_nursery() as nursery:
        for _ in range(8):
            nursery.start_soon(look_around)

    assert client.asked == ["fills", "orders", "balances", "fills", "budget"]


async def test_a_look_that_had_begun_takes_the_answers_of_another_one_in_their_order(autojump_clock: object) -> None:
    client = Client()
    answers = share(client)
    first, second = answers.look(), answers.look()
    names = ("fills", "orders", "balances", "fills", "budget")

    taken = await ask(first, *names), await ask(second, *names)

    assert taken == ([1, 2, 3, 4, 5], [1, 2, 3, 4, 5])


async def test_no_answer_counts_that_was_asked_for_before_the_last_one_came(autojump_clock: object) -> None:
    client = Client()
    answers = share(client)
    taken: list[int] = []

    async def look_first() -> None:
        taken.extend(await ask(answers.look(), "fills", "balances"))

    async def look_beside() -> None:
        await ask(answers.look(), "balances")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(look_first)
        # It asks for the balances while the fills are on their way: a fill between the two would be in the balances.
        await trio.sleep(ANSWER_S / 2)
        nursery.start_soon(look_beside)

    assert client.asked == ["fills", "balances", "balances"]
    assert taken == [1, 3]


async def test_no_answer_counts_that_was_asked_for_before_the_look_began(autojump_clock: object) -> None:
    client = Client()
    answers = share(client)
    await ask(answers.look(), "orders")

    assert await ask(answers.look(), "orders") == [2]


async def test_who_is_cancelled_leaves_the_question_to_the_others(autojump_clock: object) -> None:
    client, scope = Client(), trio.CancelScope()
    answers, taken = share(client), list[int]()
    first, second = answers.look(), answers.look()

    async def ask_and_be_cancelled() -> None:
        with scope:
            await ask(first, "orders")

    async def ask_too() -> None:
        taken.extend(await ask(second, "orders"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask_and_be_cancelled)
        await trio.sleep(ANSWER_S / 2)
        nursery.start_soon(ask_too)
        await trio.lowlevel.checkpoint()
        scope.cancel()

    assert taken == [2]


async def test_after_two_answers_at_once_the_later_one_counts(autojump_clock: object) -> None:
    """Fills that were asked for before the balances came may lack what these have."""
    taken = []
    for _ in range(30):
        client = Client()
        answers = share(client)
        late = answers.look()

        async def ask_after(wait_s: float, name: str, answers: SharedAnswers = answers) -> None:
            await trio.sleep(wait_s)
            await ask(answers.look(), name)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask_after, 0, "orders")
            nursery.start_soon(ask_after, 0.5 * ANSWER_S, "balances")
            nursery.start_soon(ask_after, 1.2 * ANSWER_S, "fills")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, late, "orders")
            nursery.start_soon(ask, late, "balances")
        taken += await ask(late, "fills")

    assert set(taken) == {4}
