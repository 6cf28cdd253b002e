"""One tree of errors: the operator's, the venue's, the ledger's. Ours are assertions and are not caught."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = [
    "ConfigError",
    "HistoryLost",
    "Interrupted",
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


class Interrupted(BaseException):
    """A signal stopped a check before it could give its verdict.

    `checked` and `not_checked` name its steps, `summary` has plain JSON values of what was found so far, and `note` is
    what a person should know besides.
    """

    # It is no Exception, as KeyboardInterrupt is none: what was interrupted must not take it for a failure of its own.

    def __init__(
        self,
        *,
        checked: Sequence[str] = (),
        not_checked: Sequence[str] = (),
        summary: Mapping[str, object] | None = None,
        note: str = "",
    ) -> None:
        self.checked = tuple(checked)
        self.not_checked = tuple(not_checked)
        self.summary = dict(summary or {})
        self.note = note
        super().__init__("interrupted")


def find_leaves(error: BaseException) -> list[BaseException]:
    """The errors in a group, however deep; an error that is no group is its own."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for part in error.exceptions for leaf in find_leaves(part)]
    return [error]
