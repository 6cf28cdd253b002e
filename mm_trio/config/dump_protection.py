"""Protection of this process's memory from being written to disk or read."""

from __future__ import annotations

import contextlib
import sys

__all__ = ["forbid_dumps"]

# Of <sys/prctl.h>.
_PR_SET_DUMPABLE = 4


def forbid_dumps() -> None:
    """Forbid core dumps, and on Linux debuggers of this user too.

    For a process with a key in its memory. It never fails: where the system does not offer it, nothing changes.
    """
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        with contextlib.suppress(ImportError, AttributeError, OSError):
            import ctypes

            # From now on /proc/PID belongs to root, so other processes of this user cannot read memory or environment.
            ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
