"""Levels where a foreign order blocks post-only places."""

from __future__ import annotations

from mm_trio.model.orders import Slot
from mm_trio.model.replies import Answer, Refusal, Refused

__all__ = ["CrossedLevels"]

# Emits that a level sits out after one, two, and three or more refusals in a row.
SIT_OUT = (0, 1, 3)


class CrossedLevels:
    """Pauses of levels after one or more refusals.

    They are longer after refusals in a row.
    """

    def __init__(self) -> None:
        self._n_emits = 0
        # Refusals in a row, and the emit from which the slot is tried again.
        self._slots: dict[Slot, tuple[int, int]] = {}

    def on_emit(self) -> None:
        """Count an emit, even an empty one."""
        self._n_emits += 1

    def is_sitting_out(self, slot: Slot) -> bool:
        """Check if this emit must place nothing on the slot."""
        return self._slots.get(slot, (0, 0))[1] > self._n_emits

    def on_answer(self, slot: Slot, answer: Answer) -> None:
        """Record the answer to a place on the slot."""
        if isinstance(answer, Refused) and answer.refusal is Refusal.WOULD_CROSS:
            refusals = self._slots.get(slot, (0, 0))[0] + 1
            sit_out = SIT_OUT[min(refusals, len(SIT_OUT)) - 1]
            self._slots[slot] = (refusals, self._n_emits + 1 + sit_out)
        else:
            self._slots.pop(slot, None)
