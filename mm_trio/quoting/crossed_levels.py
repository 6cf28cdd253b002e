"""Levels where a foreign order is in the way of ours: post-only places there are refused."""

from __future__ import annotations

from mm_trio.model.orders import Slot
from mm_trio.model.replies import Answer, Refusal, Refused

__all__ = ["CrossedLevels"]

# After n refusals in a row a level sits out so many emits.
SIT_OUT = (0, 1, 3)


class CrossedLevels:
    """Let a level sit out for some emits after each refusal there, longer when they come in a row."""

    def __init__(self) -> None:
        self._n_emits = 0
        # Refusals in a row, and the emit from which the slot is tried again
        self._slots: dict[Slot, tuple[int, int]] = {}

    def on_emit(self) -> None:
        """Count an emit, also an empty one."""
        self._n_emits += 1

    def is_sitting_out(self, slot: Slot) -> bool:
        """Whether nothing is placed there in this emit."""
        return self._slots.get(slot, (0, 0))[1] > self._n_emits

    def on_answer(self, slot: Slot, answer: Answer) -> None:
        """Note what became of a place there."""
        if isinstance(answer, Refused) and answer.refusal is Refusal.WOULD_CROSS:
            refusals = self._slots.get(slot, (0, 0))[0] + 1
            sit_out = SIT_OUT[min(refusals, len(SIT_OUT)) - 1]
            self._slots[slot] = (refusals, self._n_emits + 1 + sit_out)
        else:
            self._slots.pop(slot, None)
