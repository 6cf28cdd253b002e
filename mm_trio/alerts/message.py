"""Messages to people, and how urgent they are. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["MOST_TEXT", "Message", "Severity"]

# Some services take no more. What matters stands at the beginning.
MOST_TEXT = 1_500


class Severity(StrEnum):
    """How urgent a message is.

    CRITICAL: money is at stake now. WARNING: it will be. INFO: something to know. CLEARED: what was told is over.
    """

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"
    CLEARED = "cleared"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """Message about one thing.

    `key` names the thing, such as `halted:@107`: while it lasts it is told once. `text` has the value, the limit and
    the remedy.
    """

    key: str
    severity: Severity
    title: str
    text: str

    def shorten(self) -> Message:
        """Return the message with a text that every service takes."""
        if len(self.text) <= MOST_TEXT:
            return self
        cut = f"{self.text[: MOST_TEXT - 20].rstrip()} … (cut)"
        return Message(key=self.key, severity=self.severity, title=self.title, text=cut)
