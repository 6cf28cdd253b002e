"""Ledger that a command is about to replace: of one market, or of all that a file lists.

It is held against makers and other commands. Nothing is changed before a new one is written beside it, whole.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path

import trio

from mm_trio.account_config.settings import AccountSettings
from mm_trio.cli.programs.start_checks import PAIRS_WEIGHT, ask_for_pairs, find_network, find_pair
from mm_trio.config.settings import Settings
from mm_trio.halts.standing import StandingUnread, State
from mm_trio.halts.standing_file import read_standing
from mm_trio.journal.data_dir import ACCOUNT_NAME, hold_account_folder, hold_state_folder, replace_ledger
from mm_trio.journal.ledger_sums import LedgerSums, read_ledger, read_ledgers
from mm_trio.journal.sqlite_journal import Journal, JournalRow
from mm_trio.model.errors import ConfigError
from mm_trio.model.journal_entries import Adopted, Began, Entry, Of
from mm_trio.model.market import Market, SpotMeta
from mm_trio.venue import wire
from mm_trio.venue.rest_client import START_PATIENCE_S, VenueClient
from mm_trio.venue.sdk import make_info

__all__ = ["HeldLedger", "Replaced", "hold_ledger", "replace_journal", "unwrap", "write_rows"]


@dataclass(frozen=True, slots=True)
class Replaced:
    """A ledger that was replaced.

    `aside` is where it is now, None where there was none. What only the venue knew is counted.
    """

    aside: Path | None
    n_entries: int
    n_sessions_found: int
    n_orders_found: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldLedger:
    """Ledger in `folder` that nobody else works on, and the venue that knows what it may lack.

    `markets` are the configured ones. `is_shared`: all of them are in it, and each of its entries names its coin.
    """

    client: VenueClient
    spot_meta: SpotMeta
    markets: tuple[tuple[Settings, Market], ...]
    network: str
    account: str
    folder: Path
    is_shared: bool

    @property
    def name(self) -> str:
        """Return the name that its folder has for the venue: the coin, or that of the account's."""
        return ACCOUNT_NAME if self.is_shared else self.markets[0][1].coin

    def read(self, rows: Iterable[JournalRow]) -> Mapping[str, LedgerSums]:
        """Sum up rows of it, by coin. A coin without an entry is left out."""
        timed = [(row.at_ms, row.entry) for row in rows]
        if self.is_shared:
            return read_ledgers(timed)
        return {self.name: read_ledger(timed)} if timed else {}

    def list_markets(self, coins: Iterable[str]) -> list[Market]:
        """List the configured markets, and those of further coins as far as the venue has them."""
        found = {market.coin: market for _, market in self.markets}
        for coin in sorted(set(coins) - found.keys()):
            try:
                found[coin] = wire.find_market(self.spot_meta, coin)
            except ConfigError:
                # Of a pair that the venue does not have any more it knows nothing.
                continue
        return list(found.values())

    def wrap(self, coin: str, entries: Iterable[Entry]) -> list[Entry]:
        """Return entries of a coin as the journal has them."""
        return [Of(coin, entry) if self.is_shared else entry for entry in entries]

    async def replace(self, rows: Sequence[JournalRow], found: Sequence[Entry]) -> Replaced:
        """Replace it by these rows, and what was found beyond them; a signal stops all of it or nothing."""
        aside = await replace_journal(self.folder, partial(write_rows, rows=rows, found=found))
        inner = [unwrap(entry) for entry in found]
        n_sessions, n_orders = (sum(isinstance(entry, kind) for entry in inner) for kind in (Began, Adopted))
        return Replaced(aside, len(rows), n_sessions, n_orders)

    def find_halted(self) -> tuple[str, ...]:
        """Name what a start leaves out, or refuses, until it is resumed: a coin, or all of them. Blocks."""
        places = [(self.name, self.folder)]
        if self.is_shared:
            coins = [market.coin for _, market in self.markets]
            places += [(coin, self.folder.parent / coin.replace("/", "-")) for coin in coins]
        return tuple(name for name, folder in places if _is_halted(folder))


@asynccontextmanager
async def hold_ledger(account: AccountSettings, *, environ: Mapping[str, str]) -> AsyncIterator[HeldLedger]:
    """Hold the configured ledger, once the venue has told the pairs. Errors: ConfigError, VenueError, JournalError."""
    configured = account.grids[0].market
    spot_meta = await ask_for_pairs(configured.base_url)
    markets = tuple((grid, find_pair(spot_meta, grid.market)) for grid in account.grids)
    client = VenueClient(
        make_info(configured.base_url, spot_meta),
        address=configured.account,
        run_sync=trio.to_thread.run_sync,
        patience_s=START_PATIENCE_S,
    )
    client.weight.on_request(PAIRS_WEIGHT, now_s=trio.current_time())
    where = {"network": await find_network(configured), "account": configured.account}
    if account.lists_markets:
        hold = hold_account_folder(environ, **where, coins=[market.coin for _, market in markets], signer=None)
    else:
        hold = hold_state_folder(environ, **where, coin=markets[0][1].coin, signer=None)
    with hold as folder:
        yield HeldLedger(
            client=client,
            spot_meta=spot_meta,
            markets=markets,
            **where,
            folder=folder,
            is_shared=account.lists_markets,
        )


def unwrap(entry: Entry) -> Entry:
    """Return an entry without its coin."""
    return entry.entry if isinstance(entry, Of) else entry


async def replace_journal(folder: Path, write: Callable[[Journal], None]) -> Path | None:
    """Write the new journal and replace the old one.

    A signal stops both or neither.
    """
    await trio.lowlevel.checkpoint_if_cancelled()
    aside: Path | None = None
    with trio.CancelScope(shield=True):
        aside = await trio.to_thread.run_sync(replace_ledger, folder, write)
    return aside  # noqa: RET504 - to mypy a cancel scope may swallow what is inside


def write_rows(journal: Journal, *, rows: Sequence[JournalRow], found: Sequence[Entry]) -> None:
    """Write rows as they were recorded, and what was found beyond them as of now. Errors: JournalError."""
    for at_ms, same_time in groupby(rows, key=lambda row: row.at_ms):
        journal.append([row.entry for row in same_time], at_ms=at_ms)
    journal.append(found, at_ms=time.time_ns() // 1_000_000)


def _is_halted(folder: Path) -> bool:
    try:
        return read_standing(folder).state is State.HALTED
    except StandingUnread:
        return True
