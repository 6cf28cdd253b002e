"""Memory of fills: each fill counts once, in any order and however often reported; the memory is bounded."""

from __future__ import annotations

import tracemalloc

from mm_trio.model.replies import FillKey
from mm_trio.state.seen_fills import SeenFills


def test_a_fill_is_new_once() -> None:
    memory = SeenFills()

    assert [memory.add(FillKey(1000, "@107", 7, 1)) for _ in range(3)] == [True, False, False]


def test_a_trade_id_alone_does_not_make_a_fill_the_same() -> None:
    """Rows of dust conversions all have tid 0."""
    memory = SeenFills()

    keys = [
        FillKey(1000, "@107", 0, 1),
        FillKey(1000, "@107", 0, 2),
        FillKey(1001, "@107", 0, 1),
        FillKey(1000, "@207", 0, 1),
    ]
    assert all(memory.add(key) for key in keys)
    assert not any(memory.add(key) for key in keys)


def test_small_trade_ids_are_not_forgotten_first() -> None:
    """The peer keeps the larger half and believes that ids rise; they are hashes."""
    memory = SeenFills(capacity=10)
    for time_ms, tid in enumerate([5, 900, 3, 800, 1, 700, 2, 600, 4, 500]):
        memory.add(FillKey(time_ms, "@107", tid, 1))

    assert not any(
        memory.add(FillKey(time_ms, "@107", tid, 1)) for time_ms, tid in [(0, 5), (2, 3), (4, 1), (6, 2), (8, 4)]
    )


def test_beyond_its_capacity_the_oldest_is_forgotten_and_still_counts_as_seen() -> None:
    memory = SeenFills(capacity=3)
    for time_ms in range(1, 6):
        memory.add(FillKey(time_ms, "@107", time_ms, 1))

    assert len(memory) == 3
    assert not any(memory.add(FillKey(time_ms, "@107", time_ms, 1)) for time_ms in range(1, 6))
    assert not memory.add(FillKey(2, "@107", 99, 9))  # as old as what is forgotten: nobody can say
    assert memory.add(FillKey(6, "@107", 6, 1))


def test_bare_fills_without_a_time_are_bounded_too() -> None:
    memory = SeenFills(capacity=2)

    assert [memory.add(FillKey(None, None, tid, None)) for tid in (1, 2, 3, 3)] == [True, True, True, False]
    assert len(memory) == 2


def test_a_fill_is_found_among_many_whatever_its_order() -> None:
    memory = SeenFills()
    keys = [FillKey(i * 7919 % 1_000, f"@{i % 3}", i * 104_729, i) for i in range(5_000)]
    assert all(memory.add(key) for key in keys)

    assert not any(memory.add(key) for key in keys)
    assert memory.keys_since(-1) == keys


def test_a_fill_with_a_number_too_long_to_pack_counts_once() -> None:
    memory = SeenFills(capacity=128)
    keys = [FillKey(i, "@107", 2**70 + i, i) for i in range(100)]
    assert all(memory.add(key) for key in keys)

    assert not any(memory.add(key) for key in keys)


def test_bytes_that_lie_across_two_keys_are_not_a_third() -> None:
    """The end of the first key and the beginning of the second one are the bytes of the third."""
    memory = SeenFills(capacity=128)
    memory.add(FillKey(5, "@107", 5 << 16, 77))
    memory.add(FillKey(5, "@107", 9, 1))

    assert memory.add(FillKey(5, "@107", 77, 5))


def test_a_fill_taken_back_long_after_it_was_added_is_new_again() -> None:
    memory = SeenFills()
    keys = [FillKey(i, "@107", i, i) for i in range(5_000)]
    for key in keys:
        memory.add(key)

    memory.take_back(keys[3])

    assert len(memory) == 4_999
    assert memory.add(keys[3])
    assert not memory.add(keys[4])


def test_a_hundred_thousand_fills_fit_in_five_mebibytes() -> None:
    tracemalloc.start()
    memory = SeenFills()
    for i in range(100_000):
        memory.add(FillKey(1_790_000_000_000 + i, "@107", i * 7_919_104_729, 52_000_000_000 + i))
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(memory) == 100_000
    assert taken < 5 * 2**20
