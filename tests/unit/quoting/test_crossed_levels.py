"""Levels where a foreign order is in the way sit out for some emits, longer after each refusal in a row."""

from __future__ import annotations

from mm_trio.model.replies import Refusal, Refused, Resting
from mm_trio.quoting.crossed_levels import CrossedLevels

CROSSED = Refused(Refusal.WOULD_CROSS, "would have matched")


def count_emits_out(levels: CrossedLevels) -> int:
    """How many emits pass until the level is tried again."""
    n = 0
    levels.on_emit()
    while levels.is_sitting_out(("sell", 7)):
        n += 1
        levels.on_emit()
    return n


def test_a_level_sits_out_longer_after_each_refusal_in_a_row() -> None:
    levels, out = CrossedLevels(), []
    levels.on_emit()
    for _ in range(4):
        levels.on_answer(("sell", 7), CROSSED)
        out.append(count_emits_out(levels))

    assert out == [0, 1, 3, 3]


def test_an_order_that_rests_ends_the_row() -> None:
    levels = CrossedLevels()
    levels.on_answer(("sell", 7), CROSSED)
    levels.on_answer(("sell", 7), Resting(1))
    levels.on_answer(("sell", 7), CROSSED)

    assert count_emits_out(levels) == 0


def test_other_slots_and_other_refusals_do_not_count() -> None:
    levels = CrossedLevels()
    for _ in range(3):
        levels.on_answer(("sell", 7), CROSSED)
        levels.on_answer(("buy", 7), Refused(Refusal.BALANCE, "too little"))

    assert levels.is_sitting_out(("sell", 7))
    assert not levels.is_sitting_out(("buy", 7))
    assert not levels.is_sitting_out(("sell", 8))
