"""Errors of the operator, the venue and the ledger.

Our own errors are assertions and are not caught.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence

__all__ = [
    "ActionsRefused",
    "Busy",
    "ConfigError",
    "Contradiction",
    "Halted",
    "HaltedAll",
    "HistoryLost",
    "Interrupted",
    "JournalBusy",
    "JournalError",
    "JournalGone",
    "LedgerCut",
    "LedgerError",
    "LocalError",
    "NotMade",
    "NotSigned",
    "OrdersMayRest",
    "ProtocolError",
    "RecordError",
    "Unreachable",
    "VenueError",
    "find_halting_error",
    "find_leaves",
    "is_of_account",
]

# Enough to recognise a message, too little to fill a log.
_EXCERPT_CHARS = 120


class _Excerpts(reprlib.Repr):
    """Short texts of whatever was found: millions of values, or nested deeper than can be printed."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 6
        self.maxdict = self.maxlist = self.maxtuple = 10
        self.maxstring = self.maxlong = self.maxother = _EXCERPT_CHARS


_excerpts = _Excerpts()


class ConfigError(ValueError):
    """Value of the operator that is not allowed.

    The message names the value, what is allowed, and what to do.
    """


class LocalError(Exception):
    """Something of this machine that could not be used.

    A file, a port, a stream. The message names it, says what happened, and what to do.
    """


class RecordError(LocalError):
    """Record of observations that could not be used.

    It never stops a maker: without it figures are missing, and no money is.
    """


class VenueError(Exception):
    """Request that the venue did not fulfil.

    Trying again may help.
    """


class Unreachable(VenueError):
    """Answer that did not come, or is not usable.

    Refused, timed out, cut off, or an HTTP error.
    """


class Busy(Unreachable):
    """Rate limit of this IP address, used up (HTTP 429)."""


class ProtocolError(VenueError):
    """Answer or message that could not be read.

    `path` is the field that was wrong, `excerpt` a short piece of what stood there.
    """

    def __init__(self, path: str, found: object) -> None:
        self.path = path
        self.excerpt = _excerpts.repr(found)[:_EXCERPT_CHARS]
        super().__init__(f"cannot read {path}: {self.excerpt}")


class LedgerError(Exception):
    """Ledger that can no longer be trusted.

    Nothing new is placed, and a person has to look.
    """


class JournalError(LedgerError):
    """Ledger file that cannot be read or written.

    A full disk, a damaged file, or one that another process keeps locked.
    """


class JournalBusy(JournalError):
    """Ledger file that another process has locked.

    Nothing was written. A later attempt succeeds once that process lets go.
    """


class JournalGone(JournalError):
    """Ledger file that was deleted or replaced while it was in use.

    Every later start finds that too, and refuses until the ledger is rebuilt.
    """


class LedgerCut(LedgerError):
    """Ledger that lacks entries at its end, by the venue's records."""


class HistoryLost(LedgerError):
    """Fill history that does not reach the ledger's end."""


class Contradiction(LedgerError):
    """Sources of the venue that contradict each other, or us."""


class ActionsRefused(LedgerError):
    """Refusal of every action, whose cause a person has to find.

    The ledger is sound, but the maker can no longer act on it.
    """


class Halted(LedgerError):
    """Limit of the operator that was broken, or a halt that nobody ended.

    The ledger is sound; only `resume` lets the maker place again.
    """


class HaltedAll(Halted):
    """Halt of the whole account, where it has several grids."""


class NotMade(Exception):
    """Action that could not be encoded or signed, so nothing was sent.

    It is raised from the error that says why.
    """


class NotSigned(Exception):
    """Action that the signer must not sign, or an address that it must not sign for.

    It is a mistake of ours, whatever the operator configured.
    """


class OrdersMayRest(Exception):
    """End of a maker by an error, with orders that may rest.

    It is raised from that error.
    """


class Interrupted(BaseException):
    """Signal that stopped a check before its verdict.

    `checked` and `not_checked` name its steps, `summary` has plain JSON values of the findings so far, and `note` is
    further information for the operator.
    """

    # Like KeyboardInterrupt it does not derive from Exception: interrupted code must not take it for its own failure.

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


def find_halting_error(leaves: Sequence[BaseException]) -> LedgerError | None:
    """Find an error after which a person has to look before the maker places again.

    None where there is none: a halt is known already, a lock passes, and a ledger that is gone stops every start.
    """
    known = (Halted, JournalBusy, JournalGone)
    return next((leaf for leaf in leaves if isinstance(leaf, LedgerError) and not isinstance(leaf, known)), None)


def is_of_account(error: BaseException) -> bool:
    """Check if an error concerns every grid of an account: the journal they share, the key, or a halt of all."""
    return isinstance(error, JournalError | ActionsRefused | HaltedAll)


def find_leaves(error: BaseException) -> list[BaseException]:
    """Return the errors in a group, however deep.

    An error that is not a group is its own leaf.
    """
    if isinstance(error, BaseExceptionGroup):
        return [leaf for part in error.exceptions for leaf in find_leaves(part)]
    return [error]
