from __future__ import annotations

import trio
import trio.testing

from mm_trio.sandbox.server.outbox import WRITE_BYTES, Outbox


async def test_all_that_waits_comes_out_at_once_and_in_order() -> None:
    box: Outbox[int] = Outbox()
    assert all(box.put(i, n_bytes=10) for i in range(5))

    assert box.take() == [0, 1, 2, 3, 4]
    assert box.take() == []


async def test_of_much_one_writes_worth_comes_out() -> None:
    box: Outbox[int] = Outbox()
    assert all(box.put(i, n_bytes=WRITE_BYTES // 2) for i in range(5))

    assert [box.take() for _ in range(3)] == [[0, 1], [2, 3], [4]]


async def test_a_box_holds_so_many_items_and_no_more() -> None:
    box: Outbox[int] = Outbox(max_frames=2)

    assert [box.put(i) for i in range(3)] == [True, True, False]
    assert box.take() == [0, 1]
    assert box.put(3)


async def test_a_box_holds_so_many_bytes_and_one_item_more() -> None:
    box: Outbox[str] = Outbox(max_bytes=10)

    assert box.put("whatever its size", n_bytes=1000)
    assert not box.put("x", n_bytes=1)
    box.take()
    assert box.put("x", n_bytes=1)


async def test_who_waits_is_woken_by_what_comes_and_goes_on_at_once_if_something_waits() -> None:
    box: Outbox[int] = Outbox()
    taken: list[int] = []

    async def take_two() -> None:
        for _ in range(2):
            await box.wait()
            taken.extend(box.take())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(take_two)
        await trio.testing.wait_all_tasks_blocked()
        box.put(1)
        await trio.testing.wait_all_tasks_blocked()
        assert taken == [1]
        box.put(2)
    assert taken == [1, 2]
