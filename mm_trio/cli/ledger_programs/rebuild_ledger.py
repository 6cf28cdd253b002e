"""Rebuild of a damaged ledger: of one market, or of all that a file lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import trio

from mm_trio.account_config.settings import AccountSettings
from mm_trio.cli.ledger_programs.check_steps import CheckSteps
from mm_trio.cli.ledger_programs.held_ledger import HeldLedger, Replaced, hold_ledger, unwrap
from mm_trio.cli.ledger_programs.lost_entries import find_lost_entries
from mm_trio.journal.data_dir import describe_lost, find_last_written, finish_setting_aside, is_blank
from mm_trio.journal.replay import replay, replay_grids
from mm_trio.journal.sqlite_journal import Journal, JournalRow
from mm_trio.model.errors import ConfigError, JournalError
from mm_trio.model.journal_entries import Numbered

__all__ = ["Rebuilt", "rebuild_ledger"]

REBUILD_STEPS = ("pair at the venue", "entries that can be read", "sessions and orders at the venue", "the new journal")


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """Result of a rebuild.

    `aside` is where the old ledger is now, None where there was none. `halted` names what still needs `resume`: the
    coin, or of several markets those, and all of them by the name of the account's folder. `coins` are listed ones.
    """

    folder: Path
    aside: Path | None
    replaced: Replaced
    halted: tuple[str, ...] = ()
    coins: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        return {
            "folder": str(self.folder),
            "set_aside": None if self.aside is None else str(self.aside),
            "entries_saved": self.replaced.n_entries,
            "lives_found": self.replaced.n_sessions_found,
            "orders_found": self.replaced.n_orders_found,
            "halted": bool(self.halted),
            **({"coins": list(self.coins), "halted_names": list(self.halted)} if self.coins else {}),
        }

    def to_text(self) -> str:
        """Return what happened, and what to do next."""
        old = "there was no old ledger" if self.aside is None else f"the old ledger is in {self.aside}"
        coins = f" of {', '.join(self.coins)}" if self.coins else ""
        return (
            f"{self.folder}: new ledger{coins} with {self.replaced.n_entries} entries read from the old one; the venue "
            f"knew {self.replaced.n_sessions_found} sessions and {self.replaced.n_orders_found} orders that were lost\n"
            f"{old}\n"
            f"{self._describe_next()}"
        )

    def _describe_next(self) -> str:
        if not self.halted:
            return "the next start books what traded since; run `mm-trio ledger audit` after it"
        who = f"halted: {', '.join(self.halted)}" if self.coins else "the maker is halted"
        return (
            f"{who}: look at the reason, and let it go on with `mm-trio resume`; its next start books what traded "
            "since; run `mm-trio ledger audit` after it"
        )


async def rebuild_ledger(
    account: AccountSettings, *, environ: Mapping[str, str], stop_scope: trio.CancelScope, even_if_sound: bool = False
) -> Rebuilt:
    """Rebuild a ledger from its readable entries and the venue.

    The old file is set aside. The new ledger is exact as far as the venue's fill history reaches; without one readable
    entry of a market it is the configured allocation with every fill of an order of this program. A ledger that is
    sound, or that never was, is refused, the first one unless `even_if_sound`. Errors: ConfigError, VenueError,
    JournalError; Interrupted once `stop_scope` is cancelled, and then the ledger is unchanged.
    """
    steps = CheckSteps(*REBUILD_STEPS)
    with stop_scope:
        async with hold_ledger(account, environ=environ) as held:
            steps.finish("pair at the venue")
            rows, source = await trio.to_thread.run_sync(_salvage, held.folder)
            steps.finish("entries that can be read")
            found = await find_lost_entries(held, rows)
            is_cut = any(isinstance(unwrap(entry), Numbered) for entry in found)
            if not is_cut and not even_if_sound:
                await trio.to_thread.run_sync(_check_need, held)
            steps.finish("sessions and orders at the venue")
            # Nothing is awaited after the replacement: a stop would say that the ledger was not changed.
            halted = await trio.to_thread.run_sync(held.find_halted)
            replaced = await held.replace(rows, found)
            old = replaced.aside if source in (None, held.folder) else source
            coins = tuple(market.coin for _, market in held.markets) if held.is_shared else ()
            return Rebuilt(held.folder, old, replaced, halted, coins)
    raise steps.make_interruption(
        summary={"rebuilt": False, "coin": account.grids[0].market.coin}, note="the ledger was not changed"
    )


def _check_need(held: HeldLedger) -> None:
    """Refuse to rebuild where nothing is lost.

    Called where the venue has no row that the ledger lacks. Errors: ConfigError.
    """
    folder = held.folder
    if is_blank(folder):
        if describe_lost(folder) is None:
            raise ConfigError(
                f"there is no ledger in {folder}, no trace of an earlier one, and no fill or order of mm_trio at the "
                "venue; there is nothing to rebuild from, and a start of the maker begins a ledger (`mm-trio run`)"
            )
        return
    sizes = {market.coin: settings.strategy.order_sz for settings, market in held.markets}
    try:
        with closing(Journal.open_to_read(folder, check_pages=True)) as journal:
            n_entries = sum(1 for _ in journal.read(since_checkpoint=False))
            entries = (row.entry for row in journal.read())
            if held.is_shared:
                replay_grids(entries, order_sizes=sizes, now_s=0.0, wall_ms=0)
            else:
                replay(entries, order_size=sizes[held.name], now_s=0.0, wall_ms=0)
            if journal.find_cut() is not None:
                return
    except (JournalError, ValueError):
        # It is damaged, or contradicts itself.
        return
    raise ConfigError(
        f"the ledger in {folder} is sound: the chain of its {n_entries} entries is unbroken, and the end mark and the "
        "venue know of no entry that is missing; nothing was changed. Compare it with the venue by `mm-trio ledger "
        "audit`; to write it anew all the same, add --even-if-sound"
    )


def _salvage(folder: Path) -> tuple[Sequence[JournalRow], Path | None]:
    """Read the readable rows of the newest ledger.

    Gives its folder too. The newest one may be set aside, because an earlier rebuild was cut short.
    """
    finish_setting_aside(folder)
    source = find_last_written(folder)
    return ([] if source is None else Journal.salvage(source)), source
