"""Messages that are sent from outside a maker."""

from __future__ import annotations

import socket

from mm_trio.alerts.message import Message, Severity
from mm_trio.config.redaction import hide_keys

__all__ = ["make_event_message", "make_test_message"]

# Each is a word of systemd, or a number.
_MOST_CHARS = 200
_NEXT = {
    "failed": "Look at `journalctl -u {unit}`. `mm-trio doctor --config {config}` says whether orders rest, and "
    "`mm-trio cancel-all --config {config}` cancels them.",
    "stopped": "Its orders are cancelled unless `cancel_on_shutdown = false`.",
    "started": "It quotes as soon as its checks have passed.",
}


def make_test_message() -> Message:
    """Return the message that tries a channel."""
    return Message(
        key="test",
        severity=Severity.INFO,
        title=f"mm-trio on {_name_host()}: test",
        text="This is a test. Alerts of this maker arrive here; nothing is wrong.",
    )


def make_event_message(event: str, *, severity: str, unit: str, result: str, status: str, config: str) -> Message:
    """Return the message of an event. What is empty is not known."""
    name = _clean(unit) or "mm-trio"
    facts = ", ".join(f"{what} {_clean(value)}" for what, value in (("result", result), ("status", status)) if value)
    return Message(
        key=f"service:{event}",
        severity=Severity(severity),
        title=f"{severity.upper()} mm-trio on {_name_host()}: {name} {event}",
        text=f"{name} {event}{f' ({facts})' if facts else ''}. {_NEXT[event].format(unit=name, config=_clean(config))}",
    )


def _clean(text: str) -> str:
    """Return a word of the command line without what may be a key, and not without end."""
    return hide_keys("".join(sign for sign in text if sign.isprintable()))[:_MOST_CHARS]


def _name_host() -> str:
    return _clean(socket.gethostname()) or "this machine"
