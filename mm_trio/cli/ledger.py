"""`ledger audit` and `ledger rebuild`: a maker's journal explained entry by entry, and a damaged one made anew."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar

import trio

from mm_trio.cli.run import ask_at_start, make_grid
from mm_trio.cli.stop_signal import CheckSteps
from mm_trio.config.settings import Settings
from mm_trio.journal.audit import Audit, compute_audit, compute_effect
from mm_trio.journal.data_dir import (
    describe_lost,
    find_last_written,
    find_state_folder,
    finish_setting_aside,
    hold_state_folder,
    is_blank,
    replace_ledger,
)
from mm_trio.journal.sqlite_journal import Journal, JournalRow
from mm_trio.model.journal_entries import Adjusted, Adopted, Allocated, Arrived, Began, Entry, LookedUp
from mm_trio.model.market import Balances, Market
from mm_trio.model.replies import Fill, OpenOrder
from mm_trio.state.fill_history import FILLS_OVERLAP_MS
from mm_trio.state.ownership import Ownership, find_epochs, read_quote
from mm_trio.state.snapshot_diff import compute_foreign_holds, describe_rival_fills, describe_rivals
from mm_trio.venue import wire
from mm_trio.venue.rest_client import VenueClient
from mm_trio.venue.sdk import fetch_spot_meta, make_info

__all__ = ["AuditReport", "LostLedger", "Rebuilt", "audit_ledger", "rebuild_ledger"]

# Orders without a cloid in their fills' rows are asked for one by one; the venue keeps about so many of them.
MOST_ORDERS_ASKED = 2_000
AUDIT_STEPS = ("pair at the venue", "fills at the venue", "balances at the venue", "every entry of the journal")
REBUILD_STEPS = ("pair at the venue", "entries that can be read", "lives and orders at the venue", "the new journal")


@dataclass(frozen=True, slots=True)
class AuditReport:
    """An audit, and whose it is."""

    audit: Audit
    folder: Path
    coin: str
    base: str
    quote: str

    @property
    def is_ok(self) -> bool:
        """Whether every difference has its reason."""
        return self.audit.is_ok

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; amounts are decimal strings."""
        return {**self.audit.to_json(), "coin": self.coin, "folder": str(self.folder)}

    def to_text(self) -> str:
        """A table for people: what moved the account, what it should be, what it is, and why they differ."""
        audit = self.audit
        rows: list[tuple[str, ...]] = [("", "count", self.base, self.quote)]
        rows += [(line.what, str(line.count), f"{line.token:+f}", f"{line.usdc:+f}") for line in audit.movements]
        rows.append(("the account by this ledger", "", f"{audit.account.token:f}", f"{audit.account.usdc:f}"))
        rows.append(("the account at the venue", "", f"{audit.venue.token:f}", f"{audit.venue.usdc:f}"))
        rows.append(("difference", "", f"{audit.gap.token:+f}", f"{audit.gap.usdc:+f}"))
        rows += [(f"  {x.what}", str(x.count), f"{x.token:+f}", f"{x.usdc:+f}") for x in audit.explained]
        left = audit.unexplained
        rows.append(("  unexplained: a transfer, or a loss", "", f"{left.token:+f}", f"{left.usdc:+f}"))
        allotted = ["the whole account" if amount is None else f"{amount:f}" for amount in audit.ledger]
        rows.append(("allocation with all fills", "", *allotted))
        widths = [max(len(row[i]) for row in rows) for i in range(4)]
        table = [
            "  ".join([row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))])
            for row in rows
        ]
        unlisted = [f"booked, and not in the venue's history: time={f.time_ms} tid={f.tid}" for f in audit.unlisted]
        verdict = "every difference is explained" if audit.is_ok else "NOT everything is explained"
        head = f"{self.folder}: {audit.n_entries} entries, {audit.n_fills} fills, chain unbroken; {verdict}"
        return "\n".join([head, *table, *unlisted])


@dataclass(frozen=True, slots=True)
class LostLedger:
    """No ledger to audit where there was one, and what tells of it: never right."""

    folder: Path
    coin: str
    told: str
    is_ok: ClassVar[bool] = False

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"ok": self.is_ok, "coin": self.coin, "folder": str(self.folder), "lost": self.told}

    def to_text(self) -> str:
        """What is known of it, and what to do."""
        return f"{self.folder}: NO LEDGER; {self.told}"


async def audit_ledger(
    settings: Settings, *, environ: Mapping[str, str], stop_scope: trio.CancelScope
) -> AuditReport | LostLedger:
    """Read the whole journal, its chain checked row by row, and ask the venue; nothing is changed or sent.

    Errors: ConfigError, VenueError; JournalError where there never was a ledger or it is damaged; Interrupted once
    `stop_scope` is cancelled.
    """
    place = settings.market
    steps = CheckSteps(*AUDIT_STEPS)
    with stop_scope:
        spot_meta = await ask_at_start(fetch_spot_meta, place.base_url)
        market = wire.parse_market(spot_meta, place.coin)
        steps.finish("pair at the venue")
        folder = find_state_folder(environ, network=place.network, account=place.account, coin=market.coin)
        info = make_info(place.base_url, spot_meta)
        client = VenueClient(info, address=place.account, run_sync=trio.to_thread.run_sync)
        fills = await client.fetch_fills(market, since_ms=0)
        steps.finish("fills at the venue")
        rows = await client.fetch_open_orders(market)
        told = await trio.to_thread.run_sync(_describe_lost, folder, market.coin, fills, rows)
        if told is not None:
            return LostLedger(folder, market.coin, told)
        total = await client.fetch_balances(market)
        steps.finish("balances at the venue")
        held = compute_foreign_holds(rows, market, Ownership(market.coin, keep_foreign=True))
        venue = Balances(total.token - held.token, total.usdc - held.usdc)
        # The thread only reads: nothing is lost where a signal leaves it behind.
        audit = await trio.to_thread.run_sync(_read_and_compute, folder, fills, venue, abandon_on_cancel=True)
        return AuditReport(audit, folder, market.coin, market.base.name, market.quote.name)
    raise steps.make_interruption(summary={"ok": False, "coin": place.coin})


def _describe_lost(folder: Path, coin: str, fills: Sequence[Fill], rows: Sequence[OpenOrder]) -> str | None:
    """What tells of a ledger that is not there; None where there is one, or never was."""
    if not is_blank(folder):
        return None
    if (told := describe_lost(folder)) is not None:
        return told
    # No session is known here, so everything that carries this program's mark is of a lost one.
    ownership = Ownership(coin, keep_foreign=True, knows_all_sessions=True)
    if traded := ownership.find_rivals(fills):
        return describe_rival_fills(traded)
    resting = ownership.find_rivals(rows)
    return describe_rivals(resting) if resting else None


def _read_and_compute(folder: Path, fills: Any, venue: Balances) -> Audit:
    journal = Journal.open_to_read(folder)
    try:
        rows = journal.read(since_checkpoint=False)
        return compute_audit(((row.at_ms, row.entry) for row in rows), fills, venue)
    finally:
        journal.close()


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What became of a damaged ledger: where the old one is (None: there is none), and what the new one begins with."""

    folder: Path
    aside: Path | None
    n_entries: int
    n_lives_found: int
    n_orders_found: int

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "folder": str(self.folder),
            "set_aside": None if self.aside is None else str(self.aside),
            "entries_saved": self.n_entries,
            "lives_found": self.n_lives_found,
            "orders_found": self.n_orders_found,
        }

    def to_text(self) -> str:
        """What happened, and what to do next."""
        old = "there was no old one" if self.aside is None else f"the old one is in {self.aside}"
        return (
            f"{self.folder}: a new ledger of the {self.n_entries} entries that could be read; of the rest the venue "
            f"knew {self.n_lives_found} lives and {self.n_orders_found} orders\n"
            f"{old}\n"
            "the next start books what traded since; look at `mm-trio ledger audit` after it"
        )


async def rebuild_ledger(settings: Settings, *, environ: Mapping[str, str], stop_scope: trio.CancelScope) -> Rebuilt:
    """Make a new ledger of what a damaged one still says and what the venue knows; the old file stays, set aside.

    Exact as far as the venue's fill history reaches; without one readable entry the ledger is the configured
    allocation with every fill of an order of this program. Errors: ConfigError, VenueError, JournalError; Interrupted
    once `stop_scope` is cancelled, and then the ledger is as it was.
    """
    place = settings.market
    steps = CheckSteps(*REBUILD_STEPS)
    with stop_scope:
        spot_meta = await ask_at_start(fetch_spot_meta, place.base_url)
        market = wire.parse_market(spot_meta, place.coin)
        steps.finish("pair at the venue")
        client = VenueClient(
            make_info(place.base_url, spot_meta), address=place.account, run_sync=trio.to_thread.run_sync
        )
        with hold_state_folder(
            environ, network=place.network, account=place.account, coin=market.coin, signer=None
        ) as folder:
            rows, source = await trio.to_thread.run_sync(_salvage, folder)
            steps.finish("entries that can be read")
            found = await _find_what_is_lost(client, market, [row.entry for row in rows])
            parameters = settings.maker_parameters(make_grid(settings, spot_meta))
            opening: list[Entry] = []
            if not rows:
                opening.append(Allocated(parameters.get("allocated_token"), parameters.get("allocated_usdc")))
                found = found if any(isinstance(entry, Began) for entry in found) else [Began(0, {}), *found]
                opening.append(await _compute_first_balance(client, market, found))
            steps.finish("lives and orders at the venue")
            write = partial(_write_anew, rows=rows, found=[*opening, *found])
            aside = await _replace_journal(folder, write)
            n_lives = sum(isinstance(entry, Began) for entry in found)
            n_orders = sum(isinstance(entry, Adopted) for entry in found)
            old = aside if source in (None, folder) else source
            return Rebuilt(folder, old, len(rows), n_lives, n_orders)
    raise steps.make_interruption(summary={"rebuilt": False, "coin": place.coin}, note="the ledger is as it was")


async def _replace_journal(folder: Path, write: Callable[[Journal], None]) -> Path | None:
    """Write the new journal and put it in the old one's place; a signal stops both or neither."""
    await trio.lowlevel.checkpoint_if_cancelled()
    aside: Path | None = None
    with trio.CancelScope(shield=True):
        aside = await trio.to_thread.run_sync(replace_ledger, folder, write)
    return aside  # noqa: RET504 - to mypy a cancel scope may swallow what is inside


async def _find_what_is_lost(client: VenueClient, market: Market, entries: Sequence[Entry]) -> list[Entry]:
    """Lives and orders of this program that the venue tells of and the entries do not."""
    epochs = {entry.epoch for entry in entries if isinstance(entry, Began)}
    oids = {entry.oid for entry in entries if isinstance(entry, Adopted | Arrived)}
    since_ms = max((entry.until_ms for entry in entries if isinstance(entry, LookedUp)), default=0)
    fills = await client.fetch_fills(market, since_ms=max(0, since_ms - FILLS_OVERLAP_MS))
    cloids = [row.cloid for row in await client.fetch_open_orders(market) if row.coin == market.coin]
    cloids += [fill.cloid for fill in fills]
    found: list[Entry] = []
    for oid in sorted({fill.oid for fill in fills if fill.cloid is None} - oids)[-MOST_ORDERS_ASKED:]:
        order = (await client.fetch_order_status(oid=oid)).order
        quote = None if order is None else read_quote(order)
        if order is not None and quote is not None:
            cloids.append(order.cloid)
            found.append(Adopted(oid, quote, order.cloid, Decimal(0)))
    lives = find_epochs(cloids) - epochs
    return [*(Began(epoch, {}) for epoch in sorted(lives)), *found]


async def _compute_first_balance(client: VenueClient, market: Market, found: Sequence[Entry]) -> Adjusted:
    """The account before the fills that the next start will book: what it holds now, without them."""
    epochs = {entry.epoch for entry in found if isinstance(entry, Began)}
    ownership = Ownership(market.coin, keep_foreign=True, epochs=epochs)
    oids = {entry.oid for entry in found if isinstance(entry, Adopted)}
    total = await client.fetch_balances(market)
    held = compute_foreign_holds(await client.fetch_open_orders(market), market, ownership)
    token, usdc = total.token - held.token, total.usdc - held.usdc
    for fill in await client.fetch_fills(market, since_ms=0):
        if fill.oid in oids or ownership.read_own_cloid(fill.cloid) is not None:
            moved = compute_effect(fill)
            token, usdc = token - moved[0], usdc - moved[1]
    return Adjusted(token, usdc, "rebuilt")


def _salvage(folder: Path) -> tuple[Sequence[JournalRow], Path | None]:
    """What can be read of the newest ledger there is, and its folder: an earlier rebuild may have been cut short."""
    finish_setting_aside(folder)
    source = find_last_written(folder)
    return ([] if source is None else Journal.salvage(source)), source


def _write_anew(journal: Journal, *, rows: Sequence[JournalRow], found: Sequence[Entry]) -> None:
    for at_ms, alike in groupby(rows, key=lambda row: row.at_ms):
        journal.append([row.entry for row in alike], at_ms=at_ms)
    journal.append(found, at_ms=time.time_ns() // 1_000_000)
