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

from mm_trio.account_config.settings import AccountSettings
from mm_trio.cli.copy_programs.ledger_copies import Label, LedgerCopy, find_copy
from mm_trio.cli.ledger_programs.check_steps import CheckSteps
from mm_trio.cli.ledger_programs.held_ledger import HeldLedger, Replaced, hold_ledger
from mm_trio.cli.ledger_programs.lost_entries import find_lost_entries
from mm_trio.config.private_paths import find_open_folder, make_private_folders
from mm_trio.halts.standing import Standing, StandingUnread, State, parse_standing
from mm_trio.halts.standing_file import STANDING_NAME, replace_standing
from mm_trio.journal.data_dir import describe_lost, find_last_written, finish_setting_aside, is_blank
from mm_trio.journal.sqlite_journal import Journal, JournalRow
from mm_trio.model.errors import ConfigError, JournalError

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

    `replaced` is the ledger before. `halted` names what needs `resume` before it starts: the coin, or of several
    markets those, and all of them by the name of the account's folder. `coins` are listed ones.
    """

    folder: Path
    copy: LedgerCopy
    replaced: Replaced
    halted: tuple[str, ...]
    coins: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        aside = self.replaced.aside
        return {
            "restored": True,
            "folder": str(self.folder),
            "copy": str(self.copy.folder),
            "copied": self.copy.describe_time(),
            "set_aside": None if aside is None else str(aside),
            "entries_restored": self.replaced.n_entries,
            "lives_found": self.replaced.n_sessions_found,
            "orders_found": self.replaced.n_orders_found,
            "halted": bool(self.halted),
            **({"coins": list(self.coins), "halted_names": list(self.halted)} if self.coins else {}),
        }

    def to_text(self) -> str:
        """Return what happened, and what to do next."""
        aside, replaced = self.replaced.aside, self.replaced
        old = "there was no ledger before" if aside is None else f"the ledger before is in {aside}"
        who = f"halted: {', '.join(self.halted)}: " if self.coins else "the maker is halted: "
        resume = f"{who}look at the reason, and let it go on with `mm-trio resume`; then " if self.halted else ""
        return (
            f"{self.folder}: ledger of {self.copy.describe_time()} with {replaced.n_entries} entries restored from "
            f"{self.copy.folder}; the venue knew {replaced.n_sessions_found} sessions and {replaced.n_orders_found} "
            f"orders of later\n{old}\n{resume}the next start books what traded since the copy; run `mm-trio ledger "
            "audit` after it"
        )


async def restore_ledger(
    account: AccountSettings, *, environ: Mapping[str, str], plan: RestorePlan, stop_scope: trio.CancelScope
) -> Restored:
    """Replace the ledger by a copy and what the venue knows of later.

    The present ledger is set aside, not deleted. A maker without a trace in its state folder is left halted, because
    a halt of later than the copy is not known there. Errors: ConfigError, VenueError, JournalError; Interrupted once
    `stop_scope` is cancelled, and then the ledger is unchanged.
    """
    steps = CheckSteps(*RESTORE_STEPS)
    with stop_scope:
        async with hold_ledger(account, environ=environ) as held:
            steps.finish("pair at the venue")
            label = Label(network=held.network, account=held.account, coin=held.name)
            copy, rows = await trio.to_thread.run_sync(partial(_read_copy, plan.source, label))
            await trio.to_thread.run_sync(partial(_check_present, held.folder, rows[-1].seq, plan))
            steps.finish("every entry of the copy")
            found = await find_lost_entries(held, rows)
            steps.finish("what the venue knows of later")
            # Nothing is awaited after the replacement: a stop would say that the ledger was not changed.
            halted = await trio.to_thread.run_sync(partial(_halt, held, copy))
            replaced = await held.replace(rows, found)
            coins = tuple(market.coin for _, market in held.markets) if held.is_shared else ()
            return Restored(folder=held.folder, copy=copy, replaced=replaced, halted=halted, coins=coins)
    raise steps.make_interruption(
        summary={"restored": False, "coin": account.grids[0].market.coin}, note="the ledger was not changed"
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


def _halt(held: HeldLedger, copy: LedgerCopy) -> tuple[str, ...]:
    """Leave what must not go on by itself halted; return the names of what is. Errors: OSError."""
    _halt_if_new(held.folder, copy)
    _stop_markets(held.folder.parent, copy)
    return held.find_halted()


def _halt_if_new(folder: Path, copy: LedgerCopy) -> None:
    """Leave a maker halted where nothing tells how it ended. Errors: OSError."""
    if (folder / STANDING_NAME).exists() or not is_blank(folder) or describe_lost(folder) is not None:
        return
    then = "active" if copy.standing is None else copy.standing.get("state", "not readable")
    why = (
        f"the ledger was restored from a copy of {copy.describe_time()} into a state folder without an earlier one; "
        f"the maker was {then} then, and whether it was halted later is not known"
    )
    replace_standing(folder, Standing(state=State.HALTED, since_ms=time.time_ns() // 1_000_000, why=why))


def _stop_markets(account_folder: Path, copy: LedgerCopy) -> None:
    """Stop the markets again that were stopped when the copy was made, where nothing tells of later.

    A market that goes on has a file that says so. Errors: OSError.
    """
    for name, raw in copy.standings.items():
        folder = account_folder / name
        if (folder / STANDING_NAME).exists():
            continue
        make_private_folders(folder)
        try:
            standing = parse_standing(raw)
        except StandingUnread as error:
            why = f"its standing could not be read when the ledger was copied, {copy.describe_time()}: {error}"
            standing = Standing(state=State.HALTED, since_ms=copy.copied_ms, why=why)
        replace_standing(folder, standing)
