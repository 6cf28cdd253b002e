"""Log lines that wait until the action has left which answers their event.

To write a line takes the loop a quarter of a millisecond, as long as to sign an order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Never

import trio

__all__ = ["LateLines"]

# An action leaves within a few milliseconds. Whatever becomes of it, the lines wait no longer.
TELL_WITHIN_S = 0.02


class LateLines:
    """Lines to be written soon, in the order of their events.

    `tell_forever` writes them; while it does not run, nothing waits.
    """

    def __init__(self) -> None:
        self._lines: list[Callable[[], None]] = []
        self._wanted = trio.Event()
        self._is_kept = False

    def put(self, line: Callable[[], None]) -> None:
        """Write a line soon."""
        self._lines.append(line)
        if self._is_kept:
            self._wanted.set()
        else:
            self.tell()

    def tell(self) -> None:
        """Write all lines that wait."""
        lines, self._lines = self._lines, []
        for line in lines:
            line()

    async def tell_forever(self) -> Never:
        """Write lines a moment after they came. At the end none is left, and none waits any more."""
        self._is_kept = True
        try:
            while True:
                await self._wanted.wait()
                await trio.sleep(TELL_WITHIN_S)
                self._wanted = trio.Event()
                self.tell()
        finally:
            self._is_kept = False
            self.tell()
