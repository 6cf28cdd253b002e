"""Facts that a rehearsal begins with: pair, book of others, fees, funds, requests left.

They are read from the venue, which is sent nothing else, or from a file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import trio

from mm_trio.cli.programs.pair_facts import parse_facts
from mm_trio.cli.programs.start_checks import find_pair
from mm_trio.concurrency.thread_pools import ThreadPools
from mm_trio.config.settings import MarketSettings
from mm_trio.model.errors import ConfigError, ProtocolError, Unreachable
from mm_trio.model.market import Balances, BookLevel, Market, SpotMeta
from mm_trio.model.orders import Side
from mm_trio.model.replies import OpenOrder
from mm_trio.planning.income import BASE_TIER, Fees
from mm_trio.planning.market_view import MarketView
from mm_trio.sandbox import Markets, Pair, Token
from mm_trio.venue import wire
from mm_trio.venue.rest_client import START_PATIENCE_S, VenueClient
from mm_trio.venue.sdk import make_info

__all__ = ["MOST_WEIGHT", "REQUESTS", "VenueFacts", "make_markets", "parse_venue_facts", "read_venue_facts"]

# Of six questions, each counted as a heavy one.
MOST_WEIGHT = 120
# What an account begins with at the venue, and what is rehearsed at most.
REQUESTS = 10_000
# Questions of an account, beside what `grid --offline` needs; the file has their answers under these names.
_OF_ACCOUNT = ("userFees", "spotClearinghouseState", "userRateLimit", "openOrders")
# Rows a side that others keep in the book: the venue shows so many more that each costs time and changes little.
MOST_ROWS = 10
# Most decimals of a balance; a listed token tells its own.
_WEI_DECIMALS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueFacts:
    """What a rehearsal knows of the venue.

    `bids` and `asks` are rows of others, best first. `balances` and `requests_left` are None where they were not read.
    `are_fees_read`: the account's own, not the base tier.
    """

    market: Market
    view: MarketView
    wei_decimals: Mapping[int, int]
    fees: Fees
    are_fees_read: bool
    bids: tuple[BookLevel, ...]
    asks: tuple[BookLevel, ...]
    balances: Balances | None
    requests_left: int | None

    @property
    def mid(self) -> Decimal | None:
        """Return the middle of the others' book; None where a side is empty."""
        return (self.bids[0].price + self.asks[0].price) / 2 if self.bids and self.asks else None


async def read_venue_facts(settings: MarketSettings, *, stop_scope: trio.CancelScope) -> dict[str, Any] | None:
    """Read the facts of a pair and an account; None if stopped.

    Every question waits for the weight of this IP address. Errors: ConfigError for an unknown pair, VenueError.
    """
    with stop_scope:
        info = make_info(settings.base_url, SpotMeta((), ()))
        client = VenueClient(
            info,
            address=settings.account,
            run_sync=ThreadPools(trio.to_thread.run_sync).reads,
            patience_s=START_PATIENCE_S,
        )

        async def ask(**question: str) -> Any:
            return await client.ask(info.post, "/info", question)

        try:
            spot_meta = await ask(type="spotMeta")
        except Unreachable as error:
            raise Unreachable(
                f"{settings.base_url}: {error}; check [market] network and api_url, start a sandbox (`mm-trio "
                "sandbox`), or give --offline FILE"
            ) from error
        coin = wire.parse_market(spot_meta, settings.coin).coin
        facts = {"spotMeta": spot_meta, "l2Book": await ask(type="l2Book", coin=coin)}
        for question in _OF_ACCOUNT:
            facts[question] = await ask(type=question, user=settings.account)
        return facts
    return None


def parse_venue_facts(facts: Mapping[str, Any], settings: MarketSettings, *, source: str | None = None) -> VenueFacts:
    """Parse the facts of a pair and an account; `source` names a file.

    Errors: ConfigError for an unknown pair, and for everything wrong with a file; ProtocolError.
    """
    pair = parse_facts(facts, settings.coin, source=source)
    try:
        market = find_pair(wire.parse_spot_meta(facts["spotMeta"]), settings)
        return _parse(facts, pair.view, pair.fees, market)
    except ProtocolError as error:
        if source is None:
            raise
        raise ConfigError(f"--offline {source}: {error}; make one with --save FILE") from error


def _parse(facts: Mapping[str, Any], view: MarketView, fees: Fees | None, market: Market) -> VenueFacts:
    own: Sequence[OpenOrder] = ()
    if facts.get("openOrders") is not None:
        rows, _ = wire.parse_open_orders(facts["openOrders"], market.coin)
        own = [row for row in rows if row.coin == market.coin]
    left: int | None = None
    if facts.get("userRateLimit") is not None:
        volume, used = wire.parse_rate_limit(facts["userRateLimit"])
        left = max(0, REQUESTS + int(volume) - used)
    balances = facts.get("spotClearinghouseState")
    return VenueFacts(
        market=market,
        view=view,
        wei_decimals=_find_wei_decimals(facts["spotMeta"]),
        fees=fees or BASE_TIER,
        are_fees_read=fees is not None,
        bids=_take_out(view.book.bids, own, side="buy"),
        asks=_take_out(view.book.asks, own, side="sell"),
        balances=None if balances is None else wire.parse_balances(balances, market),
        requests_left=left,
    )


def _take_out(rows: Sequence[BookLevel], own: Sequence[OpenOrder], *, side: Side) -> tuple[BookLevel, ...]:
    """Take the account's own orders out of a side of the book.

    A maker that runs now has its ladder there, and the rehearsal places it anew.
    """
    sizes: dict[Decimal, Decimal] = {}
    for order in own:
        if order.side == side:
            sizes[order.price] = sizes.get(order.price, Decimal(0)) + order.size
    left = [BookLevel(row.price, row.size - sizes.get(row.price, Decimal(0)), row.n_orders) for row in rows]
    return tuple(row for row in left if row.size > 0)[:MOST_ROWS]


def _find_wei_decimals(spot_meta: Any) -> dict[int, int]:
    """Find the decimals of balances, by token; the rest of the rows was checked."""
    rows = [row for row in spot_meta["tokens"] if isinstance(row, Mapping)]
    told = {row.get("index"): row.get("weiDecimals") for row in rows}
    return {index: value for index, value in told.items() if isinstance(index, int) and isinstance(value, int)}


def make_markets(facts: VenueFacts, *, opening_px: Decimal) -> Markets:
    """Make the markets of an exchange that lists this pair alone."""
    market = facts.market
    base, quote = (
        Token(
            token.name,
            token.index,
            token.sz_decimals,
            facts.wei_decimals.get(token.index, _WEI_DECIMALS),
            f"0x{token.index:032x}",
        )
        for token in (market.base, market.quote)
    )
    index = market.asset_id - 10_000
    return Markets(pairs=(Pair(market.coin, index, base, quote, opening_px),), tokens=(quote, base))
