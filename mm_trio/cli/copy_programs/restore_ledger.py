"""Restoring of a ledger from a copy, completed by what the venue knows.

A copy is older than what its maker did after it was made. So it is never put in place as it is: as in a rebuild, a new
ledger is written from its entries and from the sessions and orders that only the venue knows, and replaces the present
one in one step. The next start books the fills.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import trio

from mm_trio.cli.copy_programs.ledger_copies import Label, LedgerCopy, find_copy
from mm_trio.cli.ledger_programs.check_steps import CheckSteps
from mm_trio.cli.ledger_programs.rebuild_ledger import (
    find_lost_entries,
    make_client,
    replace_journal,
    write_rows,
)
from mm_trio.cli.programs.start_checks import ask_for_pairs, find_network, find_pair
from mm_trio.config.private_paths import find_open_folder
from mm_trio.config.settings import Settings
from mm_trio.halts.standing import Standing, StandingUnread, State
from mm_trio.halts.standing_file import STANDING_NAME, read_standing, replace_standing
from mm_trio.journal.data_dir import (
    describe_lost,
    find_last_written,
    finish_setting_aside,
    hold_state_folder,
    is_blank,
)
from mm_trio.journal.ledger_sums import read_ledger
from mm_trio.journal.sqlite_journal import Journal, JournalRow
from mm_trio.model.errors import ConfigError, JournalError
from mm_trio.model.journal_entries import Adopted, Began

__all__ = ["RestorePlan", "Restored", "restore_ledger"]

_log = logging.getLogger(__name__)

RESTORE_STEPS = ("pair at the venue", "every entry of the copy", "what the venue knows of later", "the new journal")


@dataclass(frozen=True, slots=True, kw_only=True)
class RestorePlan:
    """Which copy is put in place of the present ledger.

    `source` is the copy itself, or the folder of all copies. `even_if_older`: also where the present ledger, as far as
    it can be read, reaches as far as the copy or beyond it.
    """

    source: Path
    even_if_older: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """Result of a restore.

    `aside` is where the ledger before is now, None where there was none. `is_halted`: a start needs `resume` first.
    """

    folder: Path
    copy: LedgerCopy
    aside: Path | None
    n_entries: int
    n_sessions_found: int
    n_orders_found: int
    is_halted: bool

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        return {
            "restored": True,
            "folder": str(self.folder),
            "copy": str(self.copy.folder),
            "copied": self.copy.describe_time(),
            "set_aside": None if self.aside is None else str(self.aside),
            "entries_restored": self.n_entries,
            "lives_found": self.n_sessions_found,
            "orders_found": self.n_orders_found,
            "halted": self.is_halted,
        }

    def to_text(self) -> str:
        """Return what happened, and what to do next."""
        old = "there was no ledger before" if self.aside is None else f"the ledger before is in {self.aside}"
        resume = "look at the reason, and let it go on with `mm-trio resume`; then " if self.is_halted else ""
        return (
            f"{self.folder}: ledger of {self.copy.describe_time()} with {self.n_entries} entries restored from "
            f"{self.copy.folder}; the venue knew {self.n_sessions_found} sessions and {self.n_orders_found} orders of "
            f"later\n{old}\n{'the maker is halted: ' if self.is_halted else ''}{resume}the next start books what "
            "traded since the copy; run `mm-trio ledger audit` after it"
        )


async def restore_ledger(
    settings: Settings, *, environ: Mapping[str, str], plan: RestorePlan, stop_scope: trio.CancelScope
) -> Restored:
    """Replace the ledger by a copy and what the venue knows of later.

    The present ledger is set aside, not deleted. A maker without a trace in its state folder is left halted, because
    a halt of later than the copy is not known there. Errors: ConfigError, VenueError, JournalError; Interrupted once
    `stop_scope` is cancelled, and then the ledger is unchanged.
    """
    configured = settings.market
    steps = CheckSteps(*RESTORE_STEPS)
    with stop_scope:
        spot_meta = await ask_for_pairs(configured.base_url)
        market = find_pair(spot_meta, configured)
        steps.finish("pair at the venue")
        client = make_client(configured, spot_meta)
        network = await find_network(configured)
        label = Label(network=network, account=configured.account, coin=market.coin)
        with hold_state_folder(
            environ, network=network, account=configured.account, coin=market.coin, signer=None
        ) as folder:
            copy, rows = await trio.to_thread.run_sync(partial(_read_copy, plan.source, label))
            await trio.to_thread.run_sync(partial(_check_present, folder, rows[-1].seq, plan))
            steps.finish("every entry of the copy")
            known = read_ledger((row.at_ms, row.entry) for row in rows)
            found = await find_lost_entries(client, market, known)
            steps.finish("what the venue knows of later")
            # Nothing is awaited after the replacement: a stop would say that the ledger was not changed.
            is_halted = await trio.to_thread.run_sync(partial(_halt_if_new, folder, copy))
            aside = await replace_journal(folder, partial(write_rows, rows=rows, found=found))
            return Restored(
                folder=folder,
                copy=copy,
                aside=aside,
                n_entries=len(rows),
                n_sessions_found=sum(isinstance(entry, Began) for entry in found),
                n_orders_found=sum(isinstance(entry, Adopted) for entry in found),
                is_halted=is_halted,
            )
    raise steps.make_interruption(
        summary={"restored": False, "coin": configured.coin}, note="the ledger was not changed"
    )


def _read_copy(source: Path, label: Label) -> tuple[LedgerCopy, Sequence[JournalRow]]:
    """Read and check every entry of a copy. Errors: ConfigError, JournalError."""
    copy = find_copy(source.absolute(), label)
    if (fault := find_open_folder(copy.folder, may_be_sticky=True)) is not None:
        raise ConfigError(f"the copy {copy.folder} is not safe from other users: {fault}")
    try:
        with closing(Journal.open_to_read(copy.folder, is_quiet=True, check_pages=True)) as journal:
            if copy.lacks:
                _log.warning("the copy begins at its last checkpoint: archives_missing=%s", ", ".join(copy.lacks))
            rows = list(journal.read(since_checkpoint=bool(copy.lacks)))
            is_whole = journal.find_cut() is None and journal.end.chain.hex() == copy.chain
    except JournalError as error:
        raise JournalError(f"the copy cannot be restored, take another one: {error}") from error
    if not is_whole or not rows:
        raise JournalError(f"the copy {copy.folder} is not the one that was made there; take another one")
    return copy, rows


def _check_present(folder: Path, n_copied: int, plan: RestorePlan) -> None:
    """Refuse to replace a ledger that has what the copy has. Errors: ConfigError."""
    finish_setting_aside(folder)
    if plan.even_if_older or (present := find_last_written(folder)) is None:
        return
    rows = Journal.salvage(present)
    if rows and rows[-1].seq >= n_copied:
        raise ConfigError(
            f"the ledger in {present} can be read up to entry {rows[-1].seq}, and the copy ends at entry {n_copied}; "
            "nothing was changed. `mm-trio ledger audit` says whether it is sound, and `mm-trio ledger rebuild` mends "
            "it without losing entries; to go back to the copy all the same, add --even-if-older"
        )


def _halt_if_new(folder: Path, copy: LedgerCopy) -> bool:
    """Leave a maker halted where nothing tells how it ended.

    Return whether it is halted. Errors: OSError.
    """
    if (folder / STANDING_NAME).exists() or not is_blank(folder) or describe_lost(folder) is not None:
        return _is_halted(folder)
    then = "active" if copy.standing is None else copy.standing.get("state", "not readable")
    why = (
        f"the ledger was restored from a copy of {copy.describe_time()} into a state folder without an earlier one; "
        f"the maker was {then} then, and whether it was halted later is not known"
    )
    replace_standing(folder, Standing(state=State.HALTED, since_ms=time.time_ns() // 1_000_000, why=why))
    return True


def _is_halted(folder: Path) -> bool:
    try:
        return read_standing(folder).state is State.HALTED
    except StandingUnread:
        return True
