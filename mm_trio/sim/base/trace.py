"""Record a run's steps: a hash and recent ones."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable
from hashlib import sha256

__all__ = ["STEPS_KEPT", "Trace", "combine"]

# Steps that a report of a failure prints.
STEPS_KEPT = 120
LINE, LINE_COMPARED = 260, 100
_PLAIN = re.compile(r"Decimal\('([^']*)'\)")


class Trace:
    """Trace of one run.

    `digest` depends on every step and its virtual time; `now_s` returns that time.
    """

    def __init__(self, now_s: Callable[[], float], *, keep: int = STEPS_KEPT) -> None:
        self._now_s = now_s
        self._hash = sha256()
        self._recent: deque[tuple[float, str, object]] = deque(maxlen=keep)
        self.n_steps = 0

    def add(self, kind: str, what: object) -> None:
        """Add a step to the trace.

        `what` is hashed by its `repr`, which must be complete and the same in every process.
        """
        now_s = self._now_s()
        self._hash.update(f"{now_s!r} {kind} {what!r}\n".encode())
        self._recent.append((now_s, kind, what))
        self.n_steps += 1

    @property
    def digest(self) -> str:
        """Return the hash of all steps, as 64 hex digits."""
        return self._hash.hexdigest()

    def format_last_steps(self) -> list[str]:
        """Format the recent steps, oldest first, one line each.

        Repetitions of one step in a row share one line.
        """
        lines: list[str] = []
        last, n = "", 0
        for at_s, kind, what in self._recent:
            line = f"{at_s:10.3f} s  {kind:8} {_shorten(what)}"
            n = n + 1 if line[:LINE_COMPARED] == last else 1
            if n == 1:
                lines.append(line)
            else:
                lines[-1] = f"{line}  (the last of {n})"
            last = line[:LINE_COMPARED]
        return lines


def _shorten(what: object) -> str:
    """Write decimals plainly and cut a long step short."""
    text = _PLAIN.sub(lambda match: match[1], str(what))
    return text if len(text) <= LINE else f"{text[:LINE]} ..."


def combine(digests: Iterable[str]) -> str:
    """Combine digests into one, in the order given."""
    return sha256("\n".join(digests).encode()).hexdigest()
