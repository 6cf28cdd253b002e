"""Levels where a foreign order is in the way of ours: post-only places there are refused."""

from __future__ import annotations

from mm_trio.model.orders import Side
from mm_trio.model.replies import Answer, Refusal, Refused

__all__ = ["CrossedLevels"]

# After n refusals in a row a level sits out so many emits.
SIT_OUT = (0, 1, 3)


class CrossedLevels:
    """Let a level sit out for some emits after each refusal there, longer when they come in a row."""

    def __init__(self) -> None:
        self._n_emits = 0
        # Slot -> refusals in a row, and the emit from which it is tried again
        self._slots: dict[tuple[Side, int], tuple[int, int]] = {}

    def on_emit(self) -> None:
        """Count an emit, also an empty one."""
        self._n_emits += 1

    def is_sitting_out(self, side: Side, level_index: int) -> bool:
        """Whether nothing is placed there in this emit."""
        return self._slots.get((side, level_index), (0, 0))[1] > self._n_emits

    def on_answer(self, side: Side, level_index: int, answer: Answer) -> None:
        """Note what became of a place there."""
        if isinstance(answer, Refused) and answer.refusal is Refusal.WOULD_CROSS:
            refusals = self._slots.get((side, level_index), (0, 0))[0] + 1
            sit_out = SIT_OUT[min(refusals, len(SIT_OUT)) - 1]
            self._slots[side, level_index] = (refusals, self._n_emits + 1 + sit_out)
        else:
            self._slots.pop((side, level_index), None)
