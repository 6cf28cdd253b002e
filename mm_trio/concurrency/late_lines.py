"""Log lines that wait until the action has left which answers their event.

To write a line takes the loop a quarter of a millisecond, as long as to sign an order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mm_trio.concurrency.log_subject import read_subject, speaking_of

__all__ = ["LateLines"]


class LateLines:
    """Lines of the log, in the order of their events."""

    def __init__(self) -> None:
        self._lines: list[tuple[str | None, Callable[[], None]]] = []
        self._is_waiting = False

    def put(self, line: Callable[[], None]) -> None:
        """Write a line, now or at the end of `waiting`."""
        self._lines.append((read_subject(), line))
        if not self._is_waiting:
            self.tell()

    def tell(self) -> None:
        """Write all lines that wait."""
        lines, self._lines = self._lines, []
        for coin, line in lines:
            with speaking_of(coin):
                line()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Let lines wait until the end of the context, whatever ends it."""
        self._is_waiting = True
        try:
            yield
        finally:
            self._is_waiting = False
            self.tell()
