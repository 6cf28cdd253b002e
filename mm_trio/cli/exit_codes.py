"""Exit codes that scripts may rely on."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["ExitCode"]


class ExitCode(IntEnum):
    """Exit code of a command."""

    CLEAN = 0
    CHECK_FAILED = 1  # Also for a check that a signal cut short.
    CONFIG = 2  # Configuration or usage; argparse exits with the same code.
    VENUE = 3
    ORDERS_MAY_BE_OPEN = 4
    HALTED = 5
    BUG = 70
