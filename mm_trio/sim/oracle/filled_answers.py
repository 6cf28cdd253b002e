"""Rule of answers that say `filled`: such an order is not believed to be open (S21)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from mm_trio.sandbox import Exchange
from mm_trio.sim.base.judge import Judge

__all__ = ["FilledAnswers"]


class FilledAnswers:
    """Orders that an answer told to be filled whole, until the maker's next call."""

    def __init__(self, judge: Judge, exchange: Exchange, *, address: str) -> None:
        self._judge = judge
        self._exchange = exchange
        self._address = address
        self._oids: list[int] = []
        # Set with the maker: whether it believes an order to be open.
        self.believes_open: Callable[[int], bool] = lambda oid: False

    def on_answered(self, answer: Any) -> None:
        """Note the orders of an answer that the maker received."""
        response = answer.get("response") if isinstance(answer, dict) else None
        data = response.get("data") if isinstance(response, dict) else None
        statuses = data.get("statuses") if isinstance(data, dict) else None
        for status in statuses if isinstance(statuses, list) else ():
            filled = status.get("filled") if isinstance(status, dict) else None
            if isinstance(filled, dict):
                record = self._exchange.find_record(self._address, filled["oid"])
                if record is not None and record.original_size == Decimal(filled["totalSz"]):
                    self._oids.append(record.oid)

    def check(self) -> None:
        """Check what the maker believes of them, at its next call."""
        for oid in self._oids:
            self._judge.check(
                "S21",
                not self.believes_open(oid),
                lambda oid=oid: f"oid {oid} was answered with filled, and the maker believes it open",  # type: ignore[misc]
            )
        self._oids.clear()
