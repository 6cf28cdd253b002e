"""What a guard reads of a maker's state folder, and what it keeps of it in memory.

The folder may be deleted, and a file may be replaced by a broken one: the last whole one stays.
"""

from __future__ import annotations

import logging
import os
import time
from contextlib import suppress
from pathlib import Path

from mm_trio.config.private_paths import find_open_folder
from mm_trio.guard.heartbeat import Alive, Heartbeat, read_heartbeat, write_alive
from mm_trio.guard.private_file import FileUnread, read_private
from mm_trio.guard.signed_file import (
    CANCELS_NAME,
    MOST_BYTES,
    NEW_CANCELS_NAME,
    SignedCancels,
    join_cancels,
    parse_cancels,
    read_fired,
    write_fired,
)
from mm_trio.model.errors import ConfigError

__all__ = ["MakerFiles"]

_log = logging.getLogger(__name__)


class _KeptFile:
    """One file of signed cancels, which is parsed again only where it is another one."""

    def __init__(self) -> None:
        self._identity: tuple[int, ...] | None = None
        self.found: SignedCancels | None = None

    def read(self, path: Path) -> SignedCancels | None:
        """Return what the file has, or had last; None where there never was one. Errors: OSError; FileUnread."""
        status = path.lstat() if path.exists() else None
        identity = None if status is None else (status.st_ino, status.st_mtime_ns, status.st_size)
        if identity is not None and identity != self._identity:
            data = read_private(path, most=MOST_BYTES)
            if data is not None:
                self.found, self._identity = parse_cancels(data, name=path.name), identity
        return self.found


class MakerFiles:
    """Files of one maker, read by its guard, and the guard's own beside them.

    `owner` is network, account and coin. Every method blocks.
    """

    def __init__(self, folder: Path, *, owner: tuple[str, str, str]) -> None:
        self.folder = folder
        self.cancels: SignedCancels | None = None
        self._owner = owner
        self._whole, self._changes = _KeptFile(), _KeptFile()
        self._fired: set[int] = set()
        self._told: str | None = None

    def read(self) -> Heartbeat | None:
        """Read what is new, and return the heartbeat if there is a whole one.

        Errors: ConfigError where others may change the folder, before anything was read from it.
        """
        try:
            if not self.folder.exists():
                # Before the first start of a maker there is none.
                self._tell(None if self.cancels is None else f"the state folder {self.folder} is gone")
                return None
            if (fault := find_open_folder(self.folder)) is not None:
                self._refuse(f"the state folder is not safe from other users: {fault}")
                return None
        except OSError as error:
            self._tell(str(error))
            return None
        # The heartbeat first: cancels that are older than it are then never newer than what is known of it.
        faults, beat = [], None
        try:
            beat = read_heartbeat(self.folder)
        except (OSError, FileUnread) as error:
            faults.append(str(error))
        # Each for itself: cancels that cannot be read say nothing of whether the maker lives.
        try:
            self._read_cancels()
        except (OSError, FileUnread) as error:
            faults.append(str(error))
        self._tell("; ".join(faults) or None)
        return beat

    def _refuse(self, fault: str) -> None:
        """Refuse an unsafe folder at the start; later, what was read while it was safe still guards."""
        if self.cancels is None:
            raise ConfigError(fault)
        self._tell(fault)

    def _read_cancels(self) -> None:
        fault: OSError | FileUnread | None = None
        # The changes first: whatever is written meanwhile, the whole file then has them, or they belong to it.
        for kept, name in ((self._changes, NEW_CANCELS_NAME), (self._whole, CANCELS_NAME)):
            try:
                found = kept.read(self.folder / name)
            except (OSError, FileUnread) as error:
                fault = error
                continue
            if found is not None and found.owner != self._owner:
                raise FileUnread(f"{name} is of {found.owner}, and this guard is for {self._owner}")
        if self._whole.found is not None:
            self.cancels = join_cancels(self._whole.found, self._changes.found)
        if fault is not None:
            raise fault

    def _tell(self, fault: str | None) -> None:
        if fault is not None and fault != self._told:
            _log.warning("files of the maker not read: reason=%s; the last whole ones stay in memory", fault)
        self._told = fault

    def note_fired(self, nonces: set[int]) -> None:
        """Tell the maker which nonces are posted from now on.

        A folder that is gone has no maker in it.
        """
        try:
            # Those of a guard before this one too.
            with suppress(FileUnread):
                self._fired |= read_fired(self.folder)
            self._fired |= nonces
            write_fired(self.folder, self._fired, at_ms=_read_clock_ms())
        except OSError as error:
            _log.warning("posted nonces not noted: reason=%s", error)

    def write_alive(self, *, armed: bool) -> None:
        """Leave this guard's sign of life, where there is a folder for it."""
        if not self.folder.exists():
            return
        try:
            write_alive(self.folder, Alive(at_ms=_read_clock_ms(), pid=os.getpid(), armed=armed))
        except OSError as error:
            self._tell(f"{error}; the guard's sign of life is not written")


def _read_clock_ms() -> int:
    return time.time_ns() // 1_000_000
