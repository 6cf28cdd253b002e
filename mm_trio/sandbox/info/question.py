"""Body of an `/info` request, and its parameters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from mm_trio.sandbox.matching.exchange import Exchange
from mm_trio.sandbox.model.agents import Agents

__all__ = ["UNREADABLE", "BadRequest", "Question", "read_user", "unreadable"]

UNREADABLE = "Failed to deserialize the JSON body into the target type"

# The prefix may be left out, as was measured.
_ADDRESS = re.compile(r"(0x)?[0-9a-fA-F]{40}")
_HEX_128 = re.compile(r"0x[0-9a-fA-F]{32}")
_U64 = 1 << 64


class BadRequest(Exception):
    """Request that is answered with an HTTP error status.

    `body` is sent as it is.
    """

    def __init__(self, status: int, body: str) -> None:
        super().__init__(f"HTTP {status}: {body}")
        self.status = status
        self.body = body


@dataclass(frozen=True, slots=True)
class Question:
    """Request to an exchange at one time.

    Each method reads one parameter. Errors: all of them raise BadRequest for a malformed parameter.
    """

    exchange: Exchange
    agents: Agents
    body: Mapping[str, object]
    now_ms: int

    def user(self, name: str = "user") -> str:
        """Read an address, in lower case."""
        return read_user(self.body.get(name))

    def integer(self, name: str) -> int:
        """Read an unsigned 64-bit integer that must be given."""
        value = self.maybe_integer(name)
        if value is None:
            raise unreadable()
        return value

    def maybe_integer(self, name: str) -> int | None:
        """Read an integer; None if null or missing."""
        value = self.body.get(name)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _U64:
            raise unreadable()
        return value

    def flag(self, name: str) -> bool:
        """Read a boolean; False if null or missing."""
        value = self.body.get(name)
        if value is not None and not isinstance(value, bool):
            raise unreadable()
        return bool(value)

    def text(self, name: str) -> str:
        """Read a string that must be given."""
        value = self.body.get(name)
        if not isinstance(value, str):
            raise unreadable()
        return value

    def hex_128(self, name: str) -> str:
        """Read a cloid or token id, in lower case."""
        value = self.text(name)
        if not _HEX_128.fullmatch(value):
            raise unreadable()
        return value.lower()

    def require_main_dex(self) -> None:
        """Refuse a named `dex`.

        Only builders' perps have one, and the sandbox has no perps. The venue's answer for an unknown dex is not
        known, so it is decided here.
        """
        if self.body.get("dex") is not None and self.text("dex"):
            raise BadRequest(500, "null")

    def nested(self, name: str) -> Question:
        """Return a nested object as a question."""
        value = self.body.get(name)
        if not isinstance(value, dict):
            raise unreadable()
        return Question(self.exchange, self.agents, value, self.now_ms)


def read_user(value: object) -> str:
    """Read an address and return it in lower case.

    Errors: BadRequest 422.
    """
    if not isinstance(value, str) or not _ADDRESS.fullmatch(value):
        raise unreadable()
    return f"0x{value.lower().removeprefix('0x')}"


def unreadable() -> BadRequest:
    """Build the error for a malformed request."""
    return BadRequest(422, UNREADABLE)
