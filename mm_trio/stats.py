"""What one run did, in numbers: for summaries, never for decisions."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from mm_trio.model import Answer, FillResult, Refusal, Refused, Unknown

__all__ = ["RunStats"]

# A correct order can lose a race or come when the budget is spent; every other refusal is an error of ours.
_LOST_RACES = frozenset({Refusal.WOULD_CROSS, Refusal.GONE, Refusal.BUDGET})


@dataclass(slots=True)
class RunStats:
    """Counts since the start. `fill_volume` in quote; `items` is what the request budget charges.

    `errors`: requests unanswered, answers and messages not understood, refusals a correct order cannot get.
    """

    ticks: int = 0
    fills: int = 0
    fill_volume: Decimal = Decimal(0)
    requests: int = 0
    items: int = 0
    reconciliations: int = 0
    reconnects: int = 0
    errors: int = 0

    def on_fill(self, fill: FillResult) -> None:
        """A fill was booked."""
        self.fills += 1
        self.fill_volume += fill.price * fill.size

    def on_answers(self, answers: tuple[Answer, ...]) -> None:
        """One action was sent and answered, or not."""
        self.requests += 1
        self.items += len(answers)
        unanswered = any(isinstance(answer, Unknown) for answer in answers)
        wrong = [a for a in answers if isinstance(a, Refused) and a.refusal not in _LOST_RACES]
        self.errors += unanswered + len(wrong)
