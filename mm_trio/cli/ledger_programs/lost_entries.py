"""Entries that a ledger has lost, as far as the venue knows of them: sessions, orders, and how it began."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from mm_trio.cli.ledger_programs.held_ledger import HeldLedger
from mm_trio.cli.programs.start_checks import make_grid
from mm_trio.config.settings import Settings
from mm_trio.funds.holds import find_usable
from mm_trio.journal.audit import compute_effect
from mm_trio.journal.ledger_sums import LedgerSums
from mm_trio.journal.sqlite_journal import JournalRow
from mm_trio.model.journal_entries import REBUILT, Adjusted, Adopted, Allocated, Began, Entry, LookedUp, Numbered
from mm_trio.model.market import Balances, Market
from mm_trio.model.replies import Fill, OpenOrder
from mm_trio.state.ownership import Ownership, read_quote
from mm_trio.venue.rest_client import FillPages, OpenOrderRows, VenueClient

__all__ = ["find_lost_entries"]

# Orders whose fills carry no cloid are asked for one by one; the venue remembers about so many orders.
MOST_ORDERS_ASKED = 2_000


async def find_lost_entries(held: HeldLedger, rows: Sequence[JournalRow]) -> list[Entry]:
    """Find sessions and orders that only the venue knows, of each market, beyond the rows of a ledger.

    The next start reads the venue's fills on from the first one that is lost. A market of which no row is left begins
    as it is configured; one that the venue does not know either is left to the next start, unless no row is left at
    all. Errors: ConfigError, VenueError.
    """
    known = held.read(rows)
    pages, open_orders = await held.client.fetch_fill_pages(0), await held.client.fetch_open_order_rows()
    lost: dict[str, list[Entry]] = {}
    n_asked = 0
    for market in held.list_markets(known):
        fills, orders = _read(market, pages, open_orders)
        sums = known.get(market.coin) or LedgerSums()
        search = _Search(held.client, sums, most=MOST_ORDERS_ASKED - n_asked)
        lost[market.coin] = await search.find(fills, orders)
        n_asked += search.n_asked
    blank = {coin for coin, found in lost.items() if coin not in known and (found or not rows)}
    if blank:
        lost |= await _find_beginnings(held, {coin: lost[coin] for coin in blank})
    return [entry for coin, found in lost.items() for entry in held.wrap(coin, found)]


def _read(market: Market, pages: FillPages, open_orders: OpenOrderRows) -> tuple[tuple[Fill, ...], list[OpenOrder]]:
    fills = pages.read(market, since_ms=0).fills
    return fills, [row for row in open_orders.read(market) if row.coin == market.coin]


class _Search:
    """Search for lost entries of one market. `n_asked` counts the orders that were asked for, of `most`."""

    def __init__(self, client: VenueClient, known: LedgerSums, *, most: int) -> None:
        self._client = client
        self._known = known
        self._most = most
        self.n_asked = 0

    async def find(self, fills: Iterable[Fill], orders: Sequence[OpenOrder]) -> list[Entry]:
        """Return what is lost, in the order in which a ledger has it. Errors: VenueError."""
        known = self._known
        new = [fill for fill in fills if fill.key not in known.fills and not known.is_contained(fill)]
        found, cloids = await self._name_orders({fill.oid for fill in new if fill.cloid is None and not fill.crossed})
        lost = known.find_lost([replace(fill, cloid=cloids.get(fill.oid, fill.cloid)) for fill in new], orders)
        if lost is None:
            return found
        if lost.first_ms is not None and lost.first_ms < known.looked_up_ms:
            found.append(LookedUp(lost.first_ms))
        sessions = [Began(epoch, {}) for epoch in lost.unknown_epochs]
        return [*sessions, *(Numbered(epoch, number) for epoch, number in lost.last_numbers), *found]

    async def _name_orders(self, oids: set[int]) -> tuple[list[Entry], dict[int, str | None]]:
        """Return orders that the ledger lacks, and their cloids, as far as the venue remembers them."""
        found: list[Entry] = []
        cloids: dict[int, str | None] = {}
        for oid in sorted(oids - self._known.oids)[-self._most :] if self._most > 0 else ():
            self.n_asked += 1
            order = (await self._client.fetch_order_status(oid=oid)).order
            quote = None if order is None else read_quote(order)
            if order is not None and quote is not None:
                cloids[oid] = order.cloid
                found.append(Adopted(oid, quote, order.cloid, Decimal(0)))
        return found, cloids


# --- Markets of which nothing is left -----------------------------------------------------------


async def _find_beginnings(held: HeldLedger, lost: Mapping[str, list[Entry]]) -> dict[str, list[Entry]]:
    """Prepend the entries that a ledger begins with, for the configured ones of these markets."""
    client = held.client
    balances, open_orders = await client.fetch_balance_rows(), await client.fetch_open_order_rows()
    pages = await client.fetch_fill_pages(0)
    n_users = Counter(token for _, market in held.markets for token in (market.base.index, market.quote.index))
    found = {}
    for settings, market in held.markets:
        if market.coin not in lost:
            continue
        entries = lost[market.coin]
        if not any(isinstance(entry, Began) for entry in entries):
            entries = [Began(0, {}), *entries]
        allocated = _read_allocation(settings, market)
        total = client.read_balances(balances, market)
        fills = pages.read(market, since_ms=0).fills
        first = _compute_first_balance(market, entries, total, open_orders.read(market), fills)
        # Of a token that several markets use each has its own part, as if that were all.
        token = allocated.token if n_users[market.base.index] > 1 else None
        usdc = allocated.usdc if n_users[market.quote.index] > 1 else None
        first = replace(first, token=first.token if token is None else token, usdc=first.usdc if usdc is None else usdc)
        found[market.coin] = [allocated, first, *entries]
    return found


def _read_allocation(settings: Settings, market: Market) -> Allocated:
    parameters = settings.maker_parameters(make_grid(settings, market))
    return Allocated(parameters.get("allocated_token"), parameters.get("allocated_usdc"))


def _compute_first_balance(
    market: Market, entries: Sequence[Entry], total: Balances, orders: Sequence[OpenOrder], fills: Iterable[Fill]
) -> Adjusted:
    """Compute the account's balance before its lost fills.

    That is the present balance without the fills that the next start will book.
    """
    epochs = {entry.epoch for entry in entries if isinstance(entry, Began)}
    ownership = Ownership(market.coin, keep_foreign=True, epochs=epochs)
    oids = {entry.oid for entry in entries if isinstance(entry, Adopted)}
    usable = find_usable(total, orders, market, is_foreign=ownership.is_foreign)
    token, usdc = usable.token, usable.usdc
    for fill in fills:
        if fill.oid in oids or ownership.read_own_cloid(fill.cloid) is not None:
            moved = compute_effect(fill)
            token, usdc = token - moved[0], usdc - moved[1]
    return Adjusted(token, usdc, REBUILT)
