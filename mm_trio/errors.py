"""One tree of errors: the operator's, the venue's, the ledger's. Ours are assertions and are not caught."""

from __future__ import annotations

__all__ = [
    "ConfigError",
    "HistoryLost",
    "JournalError",
    "LedgerError",
    "ProtocolError",
    "Unreachable",
    "VenueError",
    "find_leaves",
]

_EXCERPT_CHARS = 120  # enough to recognise a message, too little to fill a log


class ConfigError(ValueError):
    """A value of the operator's is wrong: says which, what is allowed, what to do."""


class VenueError(Exception):
    """The venue did not do what was asked; trying again may help."""


class Unreachable(VenueError):
    """No usable answer came: refused, timed out, cut off, or an HTTP error."""


class Busy(Unreachable):
    """The venue asks us to wait: HTTP 429, the requests of this IP address are used up for now."""


class ProtocolError(VenueError):
    """An answer or message came and could not be read.

    `path` is the field that was wrong, `excerpt` a short piece of what stood there.
    """

    def __init__(self, path: str, found: object) -> None:
        self.path = path
        self.excerpt = repr(found)[:_EXCERPT_CHARS]
        super().__init__(f"cannot read {path}: {self.excerpt}")


class LedgerError(Exception):
    """What we own can no longer be told for certain: nothing new is placed, and a person has to look."""


class JournalError(LedgerError):
    """The ledger's file cannot be read or written: a full disk, a damaged file, another writer."""


class HistoryLost(LedgerError):
    """The venue's fill history does not reach back to where the ledger ends."""


def find_leaves(error: BaseException) -> list[BaseException]:
    """The errors in a group, however deep; an error that is no group is its own."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for part in error.exceptions for leaf in find_leaves(part)]
    return [error]
