"""Check that nothing is sent again and again that the venue keeps refusing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mm_trio.sandbox import SignedInProcess
from mm_trio.sim.base.judge import Judge
from mm_trio.sim.oracle.coverage import find_orders, shorten

__all__ = ["RepeatedRefusals"]

# The pause after a second refusal alike, less half a second because latencies differ.
PAUSE_S = 9.5
# A level that was refused once and then not wanted for so long may be forgotten.
ONCE_S = 25.0
# What these name changes while it is refused: balances are read and tried again at once, a nonce is another one each
# time, a deadline and the request budget move on. A lost key has a rule of its own (S24).
CHANGING = (
    *("Insufficient spot balance", "Invalid nonce", "Action already expired", "Too many cumulative requests"),
    *("User or API Wallet", "Must deposit"),
)

# Asset, side and price of an order.
Place = tuple[int, bool, str]


@dataclass(slots=True)
class _Row:
    """Refusals of one place alike in a row, as the maker was told of them."""

    text: str
    n: int
    last_s: float


class RepeatedRefusals:
    """S23, of one process, while a refusal lasts.

    `is_lasting` says whether the venue refuses for a cause that lasts.
    """

    def __init__(self, judge: Judge, *, now_s: Callable[[], float]) -> None:
        self._judge = judge
        self._now_s = now_s
        self.is_lasting: Callable[[], bool] = lambda: False
        self._sent: list[Place] = []
        self._rows: dict[Place, _Row] = {}

    def on_leaving(self, args: tuple[Any, ...]) -> None:
        """Check the orders of an action that leaves."""
        self._sent = []
        if not args or not isinstance(args[0], SignedInProcess):
            return
        orders = find_orders(json.loads(args[0].action))
        self._sent = [(order["a"], order["b"], order["p"]) for order in orders]
        for place in self._sent:
            row = self._rows.get(place)
            if row is None or not self.is_lasting() or row.text.startswith(CHANGING):
                continue
            since_s = self._now_s() - row.last_s
            self._judge.check(
                "S23",
                row.n < 2 or since_s >= PAUSE_S,
                lambda p=place, r=row, s=since_s: (  # type: ignore[misc]
                    f"{p} was refused {r.n} times with {r.text!r}, and was sent again {s:.1f} s later"
                ),
            )

    def on_answered(self, answer: Any) -> None:
        """Count what an answer that reached the maker refuses."""
        sent, self._sent = self._sent, []
        texts = _read_texts(answer, len(sent))
        if texts is None:
            return
        for place, text in zip(sent, texts, strict=True):
            row, now_s = self._rows.get(place), self._now_s()
            if text is None:
                self._rows.pop(place, None)
            elif row is None or row.text != text or (row.n == 1 and now_s - row.last_s > ONCE_S):
                self._rows[place] = _Row(text, 1, now_s)
            else:
                row.n, row.last_s = row.n + 1, now_s


def _read_texts(answer: Any, n: int) -> list[str | None] | None:
    """Return the text of each item's refusal; None where not every item has an answer of its own."""
    if not n or not isinstance(answer, dict):
        return None
    response = answer.get("response")
    if answer.get("status") == "err":
        return [shorten(str(response))] * n
    try:
        statuses = response["data"]["statuses"]  # type: ignore[index]
    except (KeyError, TypeError):
        return None
    if len(statuses) != n:
        return None
    return [shorten(status["error"]) if isinstance(status, dict) and "error" in status else None for status in statuses]
