"""Backup of a ledger beside its maker: once, or again and again."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import trio

from mm_trio.cli.copy_programs.copy_ledger import copy_ledger
from mm_trio.cli.copy_programs.ledger_copies import Label, LedgerCopy, remove_old_copies, told
from mm_trio.cli.halt_programs.maker_place import find_place
from mm_trio.config.private_paths import find_open_place, make_private_folders
from mm_trio.config.settings import Settings
from mm_trio.journal.data_dir import find_network_folder, hold_folder
from mm_trio.journal.sqlite_journal import ACCOUNT_NAME, JOURNAL_NAME
from mm_trio.model.errors import ConfigError, Interrupted, JournalError

__all__ = ["DEFAULT_KEEP", "MOST_KEPT", "BackedUp", "BackupPlan", "back_up_ledger"]

_log = logging.getLogger(__name__)

DEFAULT_KEEP = 24
# Each copy has the whole journal: a number beyond this is a typing mistake.
MOST_KEPT = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupPlan:
    """Where copies go, how often they are made, and how many stay. `every_s` None: one copy."""

    into: Path
    every_s: float | None = None
    keep: int = DEFAULT_KEEP


@dataclass(frozen=True, slots=True, kw_only=True)
class BackedUp:
    """Result of a backup.

    `newest` is the last copy that was made, `fault` why the last attempt failed; None where it did not.
    """

    coin: str
    newest: LedgerCopy
    n_copies: int
    n_failed: int
    n_kept: int
    fault: str | None

    @property
    def is_ok(self) -> bool:
        """Return whether the last attempt made a copy with all archives."""
        return self.fault is None and not self.newest.lacks

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        return {
            "ok": self.is_ok,
            "coin": self.coin,
            "copy": str(self.newest.folder),
            "entries": self.newest.n_entries,
            "archives_missing": list(self.newest.lacks),
            "copies": self.n_copies,
            "failed": self.n_failed,
            "kept": self.n_kept,
            "fault": self.fault,
        }

    def to_text(self) -> str:
        """Return what was copied, and what was not."""
        copy = self.newest
        lines = [f"{copy.folder}: {copy.n_entries} entries; copies made: {self.n_copies}, kept: {self.n_kept}"]
        if copy.lacks:
            lines.append(f"it lacks archives that are missing or damaged in the state folder: {', '.join(copy.lacks)}")
        if self.fault is not None:
            lines.append(f"the last of {self.n_failed} failed attempts: {self.fault}")
        return "\n".join(lines)


async def back_up_ledger(
    settings: Settings, *, environ: Mapping[str, str], plan: BackupPlan, stop_scope: trio.CancelScope
) -> BackedUp:
    """Copy the ledger once, or every `every_s` seconds until `stop_scope` is cancelled.

    Nothing is changed in the state folder, and no maker waits for it. An attempt that fails is logged and made again,
    where there are to be more. Errors: ConfigError, VenueError; JournalError of a single copy; Interrupted where the
    stop came before the first copy was complete.
    """
    done: BackedUp | None = None
    with stop_scope:
        place = await find_place(settings, environ=environ)
        folder = await trio.to_thread.run_sync(_find_ledger, place.folder)
        coin = place.coin if folder == place.folder else folder.name
        label = Label(network=place.network, account=settings.market.account, coin=coin)
        root = plan.into.absolute() / label.path
        await trio.to_thread.run_sync(partial(_prepare, root, state=find_network_folder(environ, ".")))
        refusal = f"another `mm-trio ledger backup` writes the copies of {label.coin} in {root}; stop that one first"
        with hold_folder(root, refusal):
            backup = _Backup(folder, root, label, plan)
            try:
                await backup.run()
            finally:
                done = backup.result
    if done is None:
        raise Interrupted(summary={"ok": False, "coin": settings.market.coin}, note="no copy was made")
    return done


class _Backup:
    """Backup under way; `result` is that of the copies until now, None before the first one."""

    def __init__(self, folder: Path, root: Path, label: Label, plan: BackupPlan) -> None:
        self._folder = folder
        self._root = root
        self._label = label
        self._plan = plan
        self._n_copies = self._n_failed = 0
        self.result: BackedUp | None = None

    async def run(self) -> None:
        """Copy once, or until cancelled."""
        every_s = self._plan.every_s
        if every_s is None:
            return await self._copy()
        due_s = trio.current_time()
        while True:
            await self._try_copy(every_s)
            # A copy that took longer than the pause is not made up for.
            due_s = max(due_s + every_s, trio.current_time())
            await trio.sleep_until(due_s)

    async def _try_copy(self, every_s: float) -> None:
        try:
            await self._copy()
        except (JournalError, ConfigError) as error:
            self._n_failed += 1
            _log.warning("ledger not copied: %s; trying again in %g s", error, every_s)
            if self.result is not None:
                self.result = self._tell(self.result.newest, self.result.n_kept, fault=str(error))

    async def _copy(self) -> None:
        began_s = trio.current_time()
        # A stop is heard within the thread, which then removes what it has begun.
        work = partial(
            copy_ledger, self._folder, self._root, label=self._label, check_stop=trio.from_thread.check_cancelled
        )
        copy = await trio.to_thread.run_sync(work)
        self._n_copies += 1
        self.result = self._tell(copy, self._n_copies)
        n_kept = await trio.to_thread.run_sync(partial(remove_old_copies, self._root, keep=self._plan.keep))
        self.result = self._tell(copy, n_kept)
        took_s = trio.current_time() - began_s
        _log.info("ledger copied: copy=%s entries=%d took_s=%.3f", copy.folder, copy.n_entries, took_s)

    def _tell(self, newest: LedgerCopy, n_kept: int, *, fault: str | None = None) -> BackedUp:
        return BackedUp(
            coin=self._label.coin,
            newest=newest,
            n_copies=self._n_copies,
            n_failed=self._n_failed,
            n_kept=n_kept,
            fault=fault,
        )


def _find_ledger(folder: Path) -> Path:
    """Return the folder of the journal that a maker writes.

    It is the pair's own folder, or that of the account, where one process has several pairs and one journal.
    """
    shared = folder.parent / ACCOUNT_NAME
    is_shared = not (folder / JOURNAL_NAME).exists() and (shared / JOURNAL_NAME).exists()
    return shared if is_shared else folder


def _prepare(root: Path, *, state: Path) -> None:
    """Make the folder of the copies, outside of the state folders and private. Errors: ConfigError."""
    with told(root):
        state, copies = state.resolve(), root.resolve()
        if state.is_relative_to(copies) or copies.is_relative_to(state):
            raise ConfigError(
                f"--to: the copies would lie in {copies}, in or around the state folders in {state}; name a folder "
                "elsewhere, best on another disk"
            )
        make_private_folders(root)
        fault = find_open_place(root)
    if fault is not None:
        raise ConfigError(f"the copies in {root} are not safe from other users: {fault}")
