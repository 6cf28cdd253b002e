"""Blocking calls beside the caller's thread, each waited for only a moment."""

from __future__ import annotations

import threading
from collections.abc import Callable

__all__ = ["SideThread"]


class SideThread:
    """Thread for blocking calls that may hang, one at a time.

    A call that outlasts `within_s` goes on alone, and while it does no other is made. May be used from any thread.
    """

    def __init__(self, within_s: float) -> None:
        self._within_s = within_s
        self._busy = threading.Lock()

    def call(self, fn: Callable[[], None]) -> bool:
        """Make a blocking call that raises nothing; return whether it was made and ended in time."""
        if not self._busy.acquire(blocking=False):
            return False
        ended = threading.Event()

        def run() -> None:
            try:
                fn()
            finally:
                self._busy.release()
                ended.set()

        try:
            # Without a wait for it at the end of the process, which a call that hangs would keep from ending.
            threading.Thread(target=run, name="side-thread", daemon=True).start()
        except RuntimeError:
            # No thread can be started.
            run()
        return ended.wait(self._within_s)
