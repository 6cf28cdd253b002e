"""Folders of sandboxes that ended.

Each start of a sandbox is an exchange of its own, and has a folder of its own for the makers that trade there. It is
worth nothing once that exchange has ended, which nobody can tell from here; so some are kept, and all recent ones.
"""

from __future__ import annotations

import re
import shutil
from contextlib import ExitStack, suppress
from pathlib import Path

from filelock import FileLock, Timeout

__all__ = ["remove_old_instances"]

SANDBOX_NAME = "sandbox"
# As the sandbox draws it. A folder with another name is never touched.
_INSTANCE = re.compile("[0-9a-f]{16}")
# The most recently used ones are kept, and each one for so long after its last use.
KEPT = 20
KEPT_S = 7 * 86_400.0
# A folder on its way out has this before its name. No maker looks for it there.
REMOVED_PREFIX = "removed-"


def remove_old_instances(ours: Path, now_s: float) -> list[str]:
    """Remove old folders of other sandboxes beside `ours`.

    One that a maker has locked stays, and so does one that cannot be removed. Nothing is done in the folder of another
    network. Returns the names of what was removed.
    """
    if ours.parent.name != SANDBOX_NAME:
        return []
    others = [path for path in ours.parent.iterdir() if _INSTANCE.fullmatch(path.name) and path != ours]
    used = {path: _find_last_use(path) for path in others if path.is_dir() and not path.is_symlink()}
    oldest_last = sorted(used, key=lambda path: (-used[path], path.name))
    old = [path for path in oldest_last[KEPT:] if used[path] < now_s - KEPT_S]
    removed = [path.name for path in old if _move_out(path)]
    for path in ours.parent.glob(f"{REMOVED_PREFIX}*"):
        shutil.rmtree(path, ignore_errors=True)
    return removed


def _find_last_use(folder: Path) -> float:
    """Find when something in a folder was last written.

    A file that vanishes meanwhile is in use.
    """
    try:
        return max(path.lstat().st_mtime for path in (folder, *folder.rglob("*")))
    except OSError:
        return float("inf")


def _move_out(folder: Path) -> bool:
    """Take a folder away from makers, unless one of them is there.

    All its locks are held meanwhile.
    """
    with ExitStack() as held, suppress(OSError, Timeout):
        for path in (*folder.glob("*/*/lock"), *folder.glob("signers/*.lock")):
            held.enter_context(FileLock(path, timeout=0, mode=0o600, thread_local=False).acquire())
        folder.rename(folder.with_name(f"{REMOVED_PREFIX}{folder.name}"))
        return True
    return False
