"""What a service manager is told of a running guard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Never

import trio

from mm_trio.cli.run_programs.service_manager import STARTING_WORDS, ServiceManager
from mm_trio.guard.watcher import Watcher

__all__ = ["tell_manager_of_guard"]

# A look takes a second where the disk hangs, and is made four times a second where it does not.
LOOK_WITHIN_S = 15.0
LOOK_AT_START_EVERY_S = 1.0


async def tell_manager_of_guard(manager: ServiceManager, find_watcher: Callable[[], Watcher | None]) -> Never:
    """Tell a service manager of a guard until that ends.

    The guard is ready with its first look at the maker's files. Before that it may have to wait for the venue to name
    the pair, for which it takes its time. The watchdog hears nothing of one that does not look any more.
    """
    is_ready = False
    try:
        while True:
            watcher = find_watcher()
            if watcher is None or watcher.looked_s_ago > LOOK_WITHIN_S:
                status = "hung: no look at the maker's files any more" if is_ready else "waiting for the venue"
                manager.tell(f"STATUS={status}", *(() if is_ready else STARTING_WORDS))
            else:
                manager.tell(*(() if is_ready else ("READY=1",)), "WATCHDOG=1", f"STATUS={watcher.describe()}")
                is_ready = True
            await trio.sleep(manager.speak_every_s if is_ready else LOOK_AT_START_EVERY_S)
    finally:
        manager.tell("STOPPING=1", "STATUS=ending; nobody guards the maker")
