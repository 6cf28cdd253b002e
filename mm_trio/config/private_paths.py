"""Folders and files that nobody else may change.

Whoever may write to a folder may replace everything below it. So the folders above count as much as a file itself.
Root is trusted, and so is a sticky folder such as /tmp, where users cannot replace what belongs to others. All of it is
about the permissions of POSIX; elsewhere nothing is found and nothing is refused.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

__all__ = ["REQUEST_NAMES", "find_open_folder", "find_open_place", "make_private_folders"]

POSIX = os.name == "posix"
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
# Files by which an operator asks a maker for something. They count by being there, and `touch` gives them the mode that
# the umask leaves: that must not keep a maker from starting.
REQUEST_NAMES = frozenset({"PAUSE", "CANCEL_ONLY", "HALT", "RESUME"})
# A process that sees users as they are has this map of them.
_WHOLE_MAP = ["0", "0", str(2**32 - 1)]


def make_private_folders(folder: Path) -> None:
    """Create the folder and those missing above it, with mode 0700.

    `Path.mkdir` would give the ones above the mode that the umask leaves. Errors: OSError.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(mode=0o700, exist_ok=True)


def find_open_folder(folder: Path, *, may_be_sticky: bool = False) -> str | None:
    """Say which folder others may change: this one, or one above.

    Returns its path, what is wrong and what mends it; None where all is well. Where a link is in the path, the folders
    above the link and those above its target count. Others may begin a file in a sticky folder, so one that we write to
    may not be sticky, but those above it may. Errors: OSError.
    """
    if not POSIX:
        return None
    named, real = folder.absolute(), Path(os.path.realpath(folder))
    for path in dict.fromkeys((real, named, *real.parents, *named.parents)):
        is_above = path not in (real, named)
        if not path.exists():
            continue
        if (fault := _find_fault(path, path.stat(), may_be_sticky=may_be_sticky or is_above)) is not None:
            return fault
    return None


def find_open_place(folder: Path) -> str | None:
    """Say what others may change: the folder, one above, or an entry.

    The rest is as in `find_open_folder`. An entry that is a link is refused too, because its target may lie anywhere.
    A request of the operator may have any mode.
    """
    return find_open_folder(folder) or (_find_open_entry(folder) if POSIX else None)


def _find_open_entry(folder: Path) -> str | None:
    for path in sorted(folder.iterdir()):
        if path.name in REQUEST_NAMES:
            continue
        try:
            status = path.lstat()
        except FileNotFoundError:
            # SQLite removes its log when the last reader closes.
            continue
        if stat.S_ISLNK(status.st_mode):
            return f"{path} is a symbolic link, which is not followed; put the file itself in its place"
        if (fault := _find_fault(path, status, may_be_sticky=False)) is not None:
            return fault
    return None


def _find_fault(path: Path, status: os.stat_result, *, may_be_sticky: bool) -> str | None:
    owner, me = status.st_uid, os.geteuid()
    if owner not in (0, me) and owner != _find_unmapped_user():
        return f"{path} belongs to user {owner}, and this process runs as {me}; run: chown {me} '{path}'"
    is_sticky = may_be_sticky and bool(status.st_mode & stat.S_ISVTX)
    if status.st_mode & _OTHERS_WRITE and not is_sticky:
        mode = stat.S_IMODE(status.st_mode)
        return f"{path} has mode {mode:04o}, so other users may change what is in it; run: chmod go-w '{path}'"
    return None


def _find_unmapped_user() -> int | None:
    """Return the user that stands for all outside a user namespace.

    In a container without root, the folders of the system belong to it. None outside of one.
    """
    try:
        if Path("/proc/self/uid_map").read_text().split() == _WHOLE_MAP:
            return None
        return int(Path("/proc/sys/kernel/overflowuid").read_text())
    except (OSError, ValueError):
        return None
