"""Form of a log line: text for a person, or a JSON object for a machine.

Both begin with an event that keeps its name, and neither shows what may be a key. `docs/logs.md` lists the events.
"""

from __future__ import annotations

import json
import logging
import math
import re
from datetime import UTC, datetime
from functools import lru_cache

from mm_trio.concurrency.log_subject import read_subject
from mm_trio.config.redaction import hide_keys

__all__ = ["FORMATS", "JsonLines", "TextLines", "choose_format", "make_formatter", "read_format"]

FORMATS = ("text", "json")
# An event of the venue's library has no name that could be relied on.
LIBRARY_EVENT = "library"
# More than there are log calls.
MOST_FORMATS = 1000
# Larger ones lose digits in most readers of JSON.
MOST_EXACT_INT = 2**53

_EVENT = re.compile(r"[A-Za-z][\w ,'-]*?(?= \w+=|[=:;]|$)")
_PLACE = re.compile(r"(?:(\w+)=)?%(?:%|[-+ #0]*[\d.]*([a-zA-Z]))")
_chosen = {"format": "text"}


@lru_cache(MOST_FORMATS)
def read_format(text: str) -> tuple[str, tuple[str | None, ...]]:
    """Return the event of a log call's format, and the key of each of its arguments."""
    event = _EVENT.match(text)
    return event[0] if event else "", tuple(place[1] or None for place in _PLACE.finditer(text) if place[2])


class TextLines(logging.Formatter):
    """Lines of time, level, logger and message."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """Write a record without what may be a key."""
        return hide_keys(super().format(record))


class JsonLines(logging.Formatter):
    """Lines of one JSON object each, whose fields are the arguments of the log call."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record without what may be a key."""
        coin, format_ = read_subject(), str(record.msg)
        of_coin = f"{coin}: "
        is_ours = record.name.partition(".")[0] == "mm_trio"
        event, keys = read_format(format_.removeprefix(of_coin)) if is_ours else (LIBRARY_EVENT, ())
        arguments = record.args if isinstance(record.args, tuple) else ()
        fields = {key: _plain(value) for key, value in zip(keys, arguments, strict=False) if key is not None}
        values: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")[:23] + "Z",
            "level": record.levelname,
            "event": event,
            "logger": record.name,
            "text": _write_message(record).removeprefix(of_coin),
            "fields": fields,
        }
        if (known := coin or fields.get("coin")) is not None:
            values["coin"] = known
        if record.exc_info:
            values["exception"] = self.formatException(record.exc_info)
        return hide_keys(json.dumps(values))


def _plain(value: object) -> object:
    """Return a value that JSON has, else its text: amounts of money stay exact."""
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    is_exact = isinstance(value, int) and abs(value) <= MOST_EXACT_INT
    return value if value is None or (is_exact and type(value) in (int, bool)) else str(value)


def _write_message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - a log call whose arguments do not fit must not end what it reports
        return str(record.msg)


def choose_format(name: str) -> None:
    """Choose how this process writes its log lines from now on: one of `FORMATS`."""
    assert name in FORMATS, name
    _chosen["format"] = name


def make_formatter() -> logging.Formatter:
    """Make a formatter of the chosen format."""
    return JsonLines() if _chosen["format"] == "json" else TextLines()
