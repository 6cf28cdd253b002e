"""Signals by which an operator asks a running maker for something."""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from mm_trio.halts.requests import Asked, Request

__all__ = ["RequestSignals"]

_REQUESTS = {
    getattr(signal, name): request
    for name, request in (("SIGUSR1", Request.CANCEL_ONLY), ("SIGUSR2", Request.HALT))
    if hasattr(signal, name)
}


class RequestSignals:
    """SIGUSR1, which asks for CANCEL_ONLY, and SIGUSR2, which asks for HALT.

    A signal that comes before the maker looks is kept for it.
    """

    def __init__(self) -> None:
        self._received: deque[signal.Signals] = deque()

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Hear these signals inside, and ignore them from then on: the end of a maker must not be cut off.

        One that is ignored already stays ignored.
        """
        handled = [number for number in _REQUESTS if signal.getsignal(number) is not signal.SIG_IGN]
        for number in handled:
            signal.signal(number, self._note)
        try:
            yield
        finally:
            for number in handled:
                signal.signal(number, signal.SIG_IGN)

    def take(self) -> tuple[Asked, ...]:
        """Return the requests since the last call."""
        received = [self._received.popleft() for _ in range(len(self._received))]
        return tuple(Asked(_REQUESTS[number], number.name) for number in received)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._received.append(signal.Signals(number))
