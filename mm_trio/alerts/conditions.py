"""Memory of what is wrong with a maker, and of what was told of it. Pure.

A thing is told once when it begins, again while it lasts, and once when it is over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from mm_trio.alerts.message import Message, Severity
from mm_trio.alerts.rules import Finding

__all__ = ["Conditions", "describe_time"]

# What comes and goes within this time is one thing.
CLEAR_AFTER_S = 30.0
HOUR_S = 3_600.0
# Things that are told apart at a time. Each grid has at most six, and an account 250 grids.
MOST_KEYS = 2_000


@dataclass(slots=True)
class _Trouble:
    """Thing that is wrong: since when, when it was seen last, when it was told and whether as critical."""

    since_s: float
    seen_s: float
    finding: Finding
    told_s: float | None = None
    is_critical: bool = False


@dataclass(slots=True)
class Conditions:
    """Memory of what is wrong and of what was told. `remind_after_h` 0: what lasts is not told again."""

    remind_after_h: int = 0
    _troubles: dict[str, _Trouble] = field(default_factory=dict)
    _events: dict[str, None] = field(default_factory=dict)

    @property
    def raised(self) -> tuple[str, ...]:
        """Return the keys of what was told and is not over, oldest first."""
        return tuple(key for key, trouble in self._troubles.items() if trouble.told_s is not None)

    def judge(self, findings: Iterable[Finding], *, now_s: float) -> tuple[Message, ...]:
        """Return what is to be told after a look found all this, the most urgent first.

        `now_s` is of any clock that only goes on.
        """
        messages = [message for found in findings if (message := self._note(found, now_s))]
        messages += self._clear(now_s)
        return tuple(sorted(messages, key=lambda message: list(Severity).index(message.severity)))

    def _note(self, found: Finding, now_s: float) -> Message | None:
        if found.key in self._events:
            return None
        trouble = self._troubles.get(found.key)
        if trouble is None:
            if len(self._troubles) >= MOST_KEYS:
                return None
            trouble = self._troubles[found.key] = _Trouble(now_s, now_s, found)
        has_worsened = found.severity is Severity.CRITICAL and not trouble.is_critical
        trouble.seen_s, trouble.finding = now_s, found
        if trouble.told_s is None:
            is_due, again = now_s - trouble.since_s >= found.after_s, ""
        else:
            remind_s = self.remind_after_h * HOUR_S
            is_due = has_worsened or (remind_s > 0 and now_s - trouble.told_s >= remind_s)
            again = "" if has_worsened else f" (still, for {describe_time(now_s - trouble.since_s)})"
        if not is_due:
            return None
        if found.is_event:
            self._close_event(found.key)
        trouble.told_s, trouble.is_critical = now_s, trouble.is_critical or found.severity is Severity.CRITICAL
        return Message(key=found.key, severity=found.severity, title=f"{found.title}{again}", text=found.text)

    def _close_event(self, key: str) -> None:
        """Remember that an event was told; it is never over."""
        del self._troubles[key]
        self._events[key] = None
        while len(self._events) > MOST_KEYS:
            del self._events[next(iter(self._events))]

    def _clear(self, now_s: float) -> Iterator[Message]:
        for key, trouble in list(self._troubles.items()):
            gone_s = now_s - trouble.seen_s
            if trouble.told_s is None and gone_s > 0:
                # It has to last without a break before it is told.
                del self._troubles[key]
            elif gone_s >= CLEAR_AFTER_S:
                del self._troubles[key]
                found, lasted = trouble.finding, describe_time(trouble.seen_s - trouble.since_s)
                yield Message(
                    key=key,
                    severity=Severity.CLEARED,
                    title=f"over: {found.title}",
                    text=f"{found.cleared} (it lasted {lasted})",
                )


def describe_time(seconds: float) -> str:
    """Describe a duration for a person."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 2 * HOUR_S else f"{seconds / HOUR_S:.1f} h"
