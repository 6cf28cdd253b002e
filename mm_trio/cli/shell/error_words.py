"""Words and exit code of an error that ends a command."""

from __future__ import annotations

from mm_trio.cli.shell.exit_codes import ExitCode
from mm_trio.model.errors import ConfigError, LedgerError, VenueError
from mm_trio.model.local_failures import describe_local_failure

__all__ = ["PRECEDENCE", "find_words"]

# Several errors may come together. What a person has to know first decides the exit code.
PRECEDENCE = (
    ExitCode.ORDERS_MAY_BE_OPEN,
    ExitCode.HALTED,
    ExitCode.BUG,
    ExitCode.CONFIG,
    ExitCode.VENUE,
    ExitCode.CHECK_FAILED,
    ExitCode.CLEAN,
)


def find_words(leaf: BaseException) -> tuple[str | None, ExitCode]:
    """Find the words for an error, and its exit code.

    No words: it is a bug of ours.
    """
    for kind, code in ((ConfigError, ExitCode.CONFIG), (VenueError, ExitCode.VENUE), (LedgerError, ExitCode.HALTED)):
        if isinstance(leaf, kind):
            return str(leaf), code
    if (words := describe_local_failure(leaf)) is not None:
        return words, ExitCode.CONFIG
    if isinstance(leaf, OSError):
        # What is left of these are errors of a connection.
        return str(leaf), ExitCode.VENUE
    if isinstance(leaf, KeyboardInterrupt):
        return str(leaf), ExitCode.CLEAN
    return None, ExitCode.BUG
