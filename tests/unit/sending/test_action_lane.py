"""The lane of an account's actions: nobody loses an answer, waits for ever, or keeps the lane."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from mm_trio.model.replies import Answer, Resting
from mm_trio.sending.action_lane import ActionLane, Boarded, Departure, Load
from mm_trio.venue.order_gateway import Share

ACTION_S = 0.5


class Gateway:
    """Gateway that answers each item with its number, after a while, and notes what left."""

    def __init__(self, rng: random.Random | None = None) -> None:
        self.left: list[list[int]] = []
        self._rng = rng
        self.n_at_once = 0

    def take_nonce(self) -> int | None:
        if self._rng is not None and self._rng.random() < 0.02:
            raise OSError("no nonce")
        return 1

    async def carry_out(self, method: str, items: Sequence[dict[str, Any]], **_: Any) -> tuple[Answer, ...]:
        self.n_at_once += 1
        assert self.n_at_once == 1
        try:
            with trio.CancelScope(shield=True):
                await trio.sleep(ACTION_S)
            if self._rng is not None and self._rng.random() < 0.1:
                raise ConnectionError("the action could not be made")
            self.left.append([item["n"] for item in items])
            return tuple(Resting(item["n"]) for item in items)
        finally:
            self.n_at_once -= 1


def make_load(numbers: Sequence[int], *, always: bool = False, method: str = "place", bad: bool = False) -> Load:
    def board(departure: Departure) -> Boarded | None:
        if bad:
            raise ValueError("it cannot be made")
        if not always:
            departure.take()
        return Boarded([{"n": n} for n in numbers], Share(n_items=len(numbers), record=lambda entry: None))

    return Load(method=method, board=board, most=len(numbers), find_expires_ms=lambda: 1, always=always)


def make_lane(gateway: Gateway) -> ActionLane:
    return ActionLane(gateway, is_shared=True)  # type: ignore[arg-type]


async def test_who_waits_gets_an_error_of_the_common_action_too(autojump_clock: MockClock) -> None:
    """Two loads of cancels leave at once, and no nonce is to be had."""

    class Poor(Gateway):
        def take_nonce(self) -> int | None:
            raise OSError("no nonce")

    lane, errors = make_lane(Poor()), list[OSError]()

    async def send(n: int) -> None:
        try:
            await lane.send(make_load([n], always=True))
        except OSError as error:
            errors.append(error)

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            for n in range(3):
                nursery.start_soon(send, n)
    assert len(errors) == 3


@pytest.mark.parametrize("seed", range(20))
async def test_every_load_is_answered_or_withdrawn_and_the_lane_is_free(seed: int, autojump_clock: MockClock) -> None:
    """Senders of all kinds come, fail, and are cancelled at any moment."""
    rng = random.Random(seed)
    gateway = Gateway(rng)
    lane, n_over = make_lane(gateway), [0]

    async def send(n: int) -> None:
        await trio.sleep(rng.uniform(0, 20))
        numbers = [100 * n + i for i in range(rng.choice([1, 3, 40, 100]))]
        load = make_load(
            numbers, always=rng.random() < 0.3, method=rng.choice(["place", "modify"]), bad=rng.random() < 0.1
        )
        with trio.move_on_after(rng.choice([0.0, 0.3, 0.5, 1.0, 5.0, 1e3])):
            try:
                answers = await lane.send(load)
            except (OSError, ValueError):
                pass
            else:
                assert [a.oid for a in answers if isinstance(a, Resting)] == numbers
        n_over[0] += 1

    with trio.fail_after(1_000):
        async with trio.open_nursery() as nursery:
            for n in range(120):
                nursery.start_soon(send, n)
    assert n_over == [120]
    # The lane is free: the next one leaves at once.
    began_s, n_left = trio.current_time(), len(gateway.left)
    quiet = make_load([7], always=True)
    gateway._rng = None
    assert await lane.send(quiet) == (Resting(7),)
    assert (trio.current_time() - began_s, len(gateway.left)) == (ACTION_S, n_left + 1)


async def test_cancels_leave_before_orders_that_came_first(autojump_clock: MockClock) -> None:
    gateway = Gateway()
    lane = make_lane(gateway)
    async with trio.open_nursery() as nursery:
        for n, always in enumerate((False, False, True)):
            nursery.start_soon(lane.send, make_load([n, *range(100, 199)], always=always))
            await trio.sleep(0.1)
    assert [numbers[0] for numbers in gateway.left] == [0, 2, 1]
