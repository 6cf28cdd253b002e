"""Rebuild of a damaged ledger."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from itertools import groupby
from pathlib import Path

import trio

from mm_trio.cli.ledger_programs.check_steps import CheckSteps
from mm_trio.cli.programs.start_checks import PAIRS_WEIGHT, ask_for_pairs, find_network, find_pair, make_grid
from mm_trio.config.settings import MakerParameters, MarketSettings, Settings
from mm_trio.funds.holds import find_usable
from mm_trio.halts.standing import StandingUnread, State
from mm_trio.halts.standing_file import read_standing
from mm_trio.journal.audit import compute_effect
from mm_trio.journal.data_dir import (
    describe_lost,
    find_last_written,
    finish_setting_aside,
    hold_state_folder,
    is_blank,
    replace_ledger,
)
from mm_trio.journal.ledger_sums import LedgerSums, read_ledger
from mm_trio.journal.replay import replay
from mm_trio.journal.sqlite_journal import Journal, JournalRow
from mm_trio.model.errors import ConfigError, JournalError
from mm_trio.model.journal_entries import REBUILT, Adjusted, Adopted, Allocated, Began, Entry, LookedUp, Numbered
from mm_trio.model.market import Market, SpotMeta
from mm_trio.model.numbers import Number
from mm_trio.state.ownership import Ownership, read_quote
from mm_trio.venue.rest_client import START_PATIENCE_S, VenueClient
from mm_trio.venue.sdk import make_info

__all__ = ["Rebuilt", "find_lost_entries", "make_client", "rebuild_ledger", "replace_journal", "write_rows"]

# Orders whose fills carry no cloid are asked for one by one; the venue remembers about so many orders.
MOST_ORDERS_ASKED = 2_000
REBUILD_STEPS = ("pair at the venue", "entries that can be read", "sessions and orders at the venue", "the new journal")


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """Result of a rebuild.

    `aside` is where the old ledger is now, None where there was none. `is_halted`: a start still needs `resume`.
    """

    folder: Path
    aside: Path | None
    n_entries: int
    n_sessions_found: int
    n_orders_found: int
    is_halted: bool = False

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        return {
            "folder": str(self.folder),
            "set_aside": None if self.aside is None else str(self.aside),
            "entries_saved": self.n_entries,
            "lives_found": self.n_sessions_found,
            "orders_found": self.n_orders_found,
            "halted": self.is_halted,
        }

    def to_text(self) -> str:
        """Return what happened, and what to do next."""
        old = "there was no old ledger" if self.aside is None else f"the old ledger is in {self.aside}"
        return (
            f"{self.folder}: new ledger with {self.n_entries} entries read from the old one; the venue knew "
            f"{self.n_sessions_found} sessions and {self.n_orders_found} orders that were lost\n"
            f"{old}\n"
            f"{self._describe_next()}"
        )

    def _describe_next(self) -> str:
        if not self.is_halted:
            return "the next start books what traded since; run `mm-trio ledger audit` after it"
        return (
            "the maker is halted: look at the reason, and let it go on with `mm-trio resume`; its next start books "
            "what traded since; run `mm-trio ledger audit` after it"
        )


async def rebuild_ledger(
    settings: Settings, *, environ: Mapping[str, str], stop_scope: trio.CancelScope, even_if_sound: bool = False
) -> Rebuilt:
    """Rebuild a ledger from its readable entries and the venue.

    The old file is set aside. The new ledger is exact as far as the venue's fill history reaches; without one readable
    entry it is the configured allocation with every fill of an order of this program. A ledger that is sound, or that
    never was, is refused, the first one unless `even_if_sound`. Errors: ConfigError, VenueError, JournalError;
    Interrupted once `stop_scope` is cancelled, and then the ledger is unchanged.
    """
    configured = settings.market
    steps = CheckSteps(*REBUILD_STEPS)
    with stop_scope:
        spot_meta = await ask_for_pairs(configured.base_url)
        market = find_pair(spot_meta, configured)
        steps.finish("pair at the venue")
        client = make_client(configured, spot_meta)
        network = await find_network(configured)
        with hold_state_folder(
            environ, network=network, account=configured.account, coin=market.coin, signer=None
        ) as folder:
            rows, source = await trio.to_thread.run_sync(_salvage, folder)
            steps.finish("entries that can be read")
            parameters = settings.maker_parameters(make_grid(settings, market))
            known = read_ledger((row.at_ms, row.entry) for row in rows)
            found = await find_lost_entries(client, market, known)
            is_cut = any(isinstance(entry, Numbered) for entry in found)
            if not is_cut and not even_if_sound:
                await trio.to_thread.run_sync(partial(_check_need, folder, order_size=parameters["order_sz"]))
            if not rows:
                found = await _prepend_opening(client, market, found, parameters)
            steps.finish("sessions and orders at the venue")
            # Nothing is awaited after the replacement: a stop would say that the ledger was not changed.
            is_halted = await trio.to_thread.run_sync(_is_halted, folder)
            aside = await replace_journal(folder, partial(write_rows, rows=rows, found=found))
            n_sessions = sum(isinstance(entry, Began) for entry in found)
            n_orders = sum(isinstance(entry, Adopted) for entry in found)
            old = aside if source in (None, folder) else source
            return Rebuilt(folder, old, len(rows), n_sessions, n_orders, is_halted)
    raise steps.make_interruption(
        summary={"rebuilt": False, "coin": configured.coin}, note="the ledger was not changed"
    )


def make_client(configured: MarketSettings, spot_meta: SpotMeta) -> VenueClient:
    """Make the client that asks what the venue knows of a ledger, once it has told the pairs."""
    info = make_info(configured.base_url, spot_meta)
    client = VenueClient(
        info, address=configured.account, run_sync=trio.to_thread.run_sync, patience_s=START_PATIENCE_S
    )
    client.weight.on_request(PAIRS_WEIGHT, now_s=trio.current_time())
    return client


def _is_halted(folder: Path) -> bool:
    try:
        return read_standing(folder).state is State.HALTED
    except StandingUnread:
        return True


async def replace_journal(folder: Path, write: Callable[[Journal], None]) -> Path | None:
    """Write the new journal and replace the old one.

    A signal stops both or neither.
    """
    await trio.lowlevel.checkpoint_if_cancelled()
    aside: Path | None = None
    with trio.CancelScope(shield=True):
        aside = await trio.to_thread.run_sync(replace_ledger, folder, write)
    return aside  # noqa: RET504 - to mypy a cancel scope may swallow what is inside


def _check_need(folder: Path, *, order_size: Number) -> None:
    """Refuse to rebuild where nothing is lost.

    Called where the venue has no row that the ledger lacks. Errors: ConfigError.
    """
    if is_blank(folder):
        if describe_lost(folder) is None:
            raise ConfigError(
                f"there is no ledger in {folder}, no trace of an earlier one, and no fill or order of mm_trio at the "
                "venue; there is nothing to rebuild from, and a start of the maker begins a ledger (`mm-trio run`)"
            )
        return
    try:
        with closing(Journal.open_to_read(folder, check_pages=True)) as journal:
            n_entries = sum(1 for _ in journal.read(since_checkpoint=False))
            replay((row.entry for row in journal.read()), order_size=order_size, now_s=0.0, wall_ms=0)
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


async def find_lost_entries(client: VenueClient, market: Market, known: LedgerSums) -> list[Entry]:
    """Find sessions and orders that only the venue knows.

    The next start reads the venue's fills on from the first one that is lost.
    """
    fills = await client.fetch_fills(market, since_ms=0)
    fills = tuple(fill for fill in fills if fill.key not in known.fills and not known.is_contained(fill))
    rows = [row for row in await client.fetch_open_orders(market) if row.coin == market.coin]
    found: list[Entry] = []
    cloids: dict[int, str | None] = {}
    unnamed = {fill.oid for fill in fills if fill.cloid is None and not fill.crossed} - known.oids
    for oid in sorted(unnamed)[-MOST_ORDERS_ASKED:]:
        order = (await client.fetch_order_status(oid=oid)).order
        quote = None if order is None else read_quote(order)
        if order is not None and quote is not None:
            cloids[oid] = order.cloid
            found.append(Adopted(oid, quote, order.cloid, Decimal(0)))
    lost = known.find_lost([replace(fill, cloid=cloids.get(fill.oid, fill.cloid)) for fill in fills], rows)
    if lost is None:
        return found
    if lost.first_ms is not None and lost.first_ms < known.looked_up_ms:
        found.append(LookedUp(lost.first_ms))
    began = (Began(epoch, {}) for epoch in lost.unknown_epochs)
    return [*began, *(Numbered(epoch, number) for epoch, number in lost.last_numbers), *found]


async def _prepend_opening(
    client: VenueClient, market: Market, found: list[Entry], parameters: MakerParameters
) -> list[Entry]:
    """Prepend the entries that a ledger begins with."""
    if not any(isinstance(entry, Began) for entry in found):
        found = [Began(0, {}), *found]
    allocated = Allocated(parameters.get("allocated_token"), parameters.get("allocated_usdc"))
    return [allocated, await _compute_first_balance(client, market, found), *found]


async def _compute_first_balance(client: VenueClient, market: Market, found: Sequence[Entry]) -> Adjusted:
    """Compute the account's balance before its lost fills.

    That is the present balance without the fills that the next start will book.
    """
    epochs = {entry.epoch for entry in found if isinstance(entry, Began)}
    ownership = Ownership(market.coin, keep_foreign=True, epochs=epochs)
    oids = {entry.oid for entry in found if isinstance(entry, Adopted)}
    total = await client.fetch_balances(market)
    usable = find_usable(total, await client.fetch_open_orders(market), market, is_foreign=ownership.is_foreign)
    token, usdc = usable.token, usable.usdc
    for fill in await client.fetch_fills(market, since_ms=0):
        if fill.oid in oids or ownership.read_own_cloid(fill.cloid) is not None:
            moved = compute_effect(fill)
            token, usdc = token - moved[0], usdc - moved[1]
    return Adjusted(token, usdc, REBUILT)


def _salvage(folder: Path) -> tuple[Sequence[JournalRow], Path | None]:
    """Read the readable rows of the newest ledger.

    Gives its folder too. The newest one may be set aside, because an earlier rebuild was cut short.
    """
    finish_setting_aside(folder)
    source = find_last_written(folder)
    return ([] if source is None else Journal.salvage(source)), source


def write_rows(journal: Journal, *, rows: Sequence[JournalRow], found: Sequence[Entry]) -> None:
    """Write rows as they were recorded, and what was found beyond them as of now. Errors: JournalError."""
    for at_ms, same_time in groupby(rows, key=lambda row: row.at_ms):
        journal.append([row.entry for row in same_time], at_ms=at_ms)
    journal.append(found, at_ms=time.time_ns() // 1_000_000)
