"""Exit codes that scripts may rely on."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["ExitCode"]


class ExitCode(IntEnum):
    """Exit code of a command."""

    CLEAN = 0
    CHECK_FAILED = 1  # Also for a check that a signal cut short.
    # Configuration, usage, or this machine: a file, a port, a stream, memory. argparse exits with the same code.
    CONFIG = 2
    VENUE = 3  # The venue alone.
    ORDERS_MAY_BE_OPEN = 4
    HALTED = 5
    BUG = 70
