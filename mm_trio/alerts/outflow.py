"""How many messages leave in an hour, and what becomes of the others. Pure."""

from __future__ import annotations

from collections import Counter, deque

from mm_trio.alerts.message import Message, Severity

__all__ = ["Outflow"]

HOUR_S = 3_600.0
# Of an hour's messages, this part is for critical ones.
CRITICAL_SHARE = 4
# Of what is held back, so many titles are told apart.
MOST_TITLES = 30


class Outflow:
    """Limit of messages: so many in any hour, and one that sums up the rest.

    The last quarter of an hour's messages is for critical ones.
    """

    def __init__(self, most_an_hour: int) -> None:
        self._most = most_an_hour
        self._sent_s: deque[float] = deque()
        self._held: Counter[str] = Counter()
        self._worst = Severity.CLEARED
        self._n_held = 0

    @property
    def n_held(self) -> int:
        """Return how many messages wait to be summed up."""
        return self._n_held

    def admit(self, message: Message, *, now_s: float) -> bool:
        """Return whether a message may leave now; one that may not is counted."""
        self._forget(now_s)
        kept = 0 if message.severity is Severity.CRITICAL else self._most // CRITICAL_SHARE
        # Behind those that are held back it would tell of them in the wrong order.
        if len(self._sent_s) < self._most - kept and (not self._n_held or message.severity is Severity.CRITICAL):
            self._sent_s.append(now_s)
            return True
        title = message.title if message.title in self._held or len(self._held) < MOST_TITLES else "others"
        self._held[title] += 1
        self._n_held += 1
        self._worst = min(self._worst, message.severity, key=list(Severity).index)
        return False

    def compute_pause_s(self, *, now_s: float) -> float | None:
        """Return how long until what is held back may be told; None where nothing is."""
        if not self._n_held:
            return None
        self._forget(now_s)
        if len(self._sent_s) < self._most:
            return 0.0
        return max(0.0, self._sent_s[0] + HOUR_S - now_s)

    def take_summary(self, *, now_s: float, is_last: bool = False) -> Message | None:
        """Return one message for all that is held back, once it may leave. `is_last`: there is no later moment."""
        pause_s = self.compute_pause_s(now_s=now_s)
        if pause_s is None or (pause_s > 0 and not is_last):
            return None
        lines = [f"{n} times: {title}" if n > 1 else title for title, n in self._held.items()]
        summary = Message(
            key="summary",
            severity=self._worst,
            title="1 more message" if self._n_held == 1 else f"{self._n_held} more messages",
            text=f"held back, because {self._most} an hour is the limit ([alerts] most_an_hour):\n" + "\n".join(lines),
        )
        self._held.clear()
        self._n_held, self._worst = 0, Severity.CLEARED
        self._sent_s.append(now_s)
        return summary

    def _forget(self, now_s: float) -> None:
        while self._sent_s and self._sent_s[0] <= now_s - HOUR_S:
            self._sent_s.popleft()
