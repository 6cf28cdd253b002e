"""Way to the venue for a sweep: what is needed to ask for orders and to cancel them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import trio

from mm_trio.cli.halt_programs.maker_place import MakerPlace
from mm_trio.cli.programs.start_checks import PAIRS_WEIGHT, ask_for_pairs, find_pair
from mm_trio.concurrency.thread_pools import ThreadPools
from mm_trio.config.keys import Secret
from mm_trio.config.settings import MarketSettings, Settings
from mm_trio.grids.schedule import make_wall_clock, read_machine_clock
from mm_trio.model.errors import Unreachable, VenueError
from mm_trio.model.journal_entries import Entry, forget
from mm_trio.model.market import Pair, SpotMeta, Token
from mm_trio.sending.action_lane import ActionLane
from mm_trio.sending.order_desk import OrderDesk
from mm_trio.venue.order_gateway import OrderGateway, WritesAhead
from mm_trio.venue.rest_client import VenueClient
from mm_trio.venue.sdk import make_cancelling_exchange, make_info, make_wallet
from mm_trio.witness.nonces import Nonces
from mm_trio.witness.venue_clock import VenueClock

__all__ = ["NoLedger", "SweptVenue", "find_pair_number", "reach_venue"]

PAIRS_WITHIN_S = 4.0
CLOCK_WITHIN_S = 4.0
# Cancels name a pair by its number. What the tokens are does not matter to them.
_TOKENS = (Token(0, "base", 0), Token(1, "quote", 0))
# The one pair whose name is not its number.
_OLDEST = {"PURR/USDC": 0}


class NoLedger(WritesAhead):
    """Ledger of a sender that keeps none: it only cancels."""

    covers = True

    def record(self, entry: Entry) -> None:
        """Keep nothing."""

    async def flush_unless_covered(self) -> None:
        """Write nothing."""

    async def flush_then(self, is_wanted: object, send: object, *args: object) -> None:
        """Refuse what is not a cancel."""
        raise RuntimeError("nothing but cancels is sent here")


@dataclass(slots=True, kw_only=True)
class SweptVenue:
    """What is needed to ask and to cancel. `is_silent`: it did not answer so far."""

    coin: str
    coins: frozenset[str]
    client: VenueClient
    info: object
    exchange: object
    pools: ThreadPools
    nonces: Nonces
    until_s: float
    is_silent: bool
    gateway: OrderGateway = field(init=False)

    def __post_init__(self) -> None:
        self.gateway = OrderGateway(
            self.exchange,
            run_sync=self.pools.actions,
            ledger=NoLedger(),
            clock=self.client.clock,
            nonces=self.nonces,
            weight=self.client.weight,
        )
        self.gateway.on_shutdown(max(0.0, self.until_s - trio.current_time()))

    def make_desk(self, coin: str) -> OrderDesk:
        """Return the sender for one coin."""
        return OrderDesk(self.gateway, ActionLane(self.gateway), coin=coin, record=forget)


async def reach_venue(
    settings: Settings, key: Secret, place: MakerPlace | None, *, until_s: float, note: Callable[[str], None]
) -> SweptVenue:
    """Make what is needed to ask and to cancel. Errors: ConfigError; VenueError where the pair has no number."""
    configured = settings.market
    coin, pairs = await _find_pairs(configured, place, note)
    wallet = key.lend(make_wallet)
    info = make_info(configured.base_url, pairs)
    pools = ThreadPools(trio.to_thread.run_sync)
    clock = VenueClock(make_wall_clock(), wall_ms=read_machine_clock, now_s=trio.current_time, compares=True)
    client = VenueClient(info, address=configured.account, run_sync=pools.reads, clock=clock)
    client.weight.on_request(PAIRS_WEIGHT, now_s=trio.current_time())
    # This is what weight is kept for.
    client.on_shutdown()
    failure = f"no answer in {CLOCK_WITHIN_S:g} s"
    with trio.move_on_after(CLOCK_WITHIN_S):
        try:
            await client.compare_clock(coin)
            failure = ""
        except VenueError as error:
            failure = str(error)
    if failure:
        note(f"the clocks were not compared ({failure}): this machine's is taken for right")
    return SweptVenue(
        coin=coin,
        coins=frozenset(pair.name for pair in pairs.pairs),
        client=client,
        info=info,
        exchange=make_cancelling_exchange(configured, wallet, pairs),
        pools=pools,
        nonces=Nonces(clock),
        until_s=until_s,
        is_silent=bool(failure),
    )


async def _find_pairs(
    configured: MarketSettings, place: MakerPlace | None, note: Callable[[str], None]
) -> tuple[str, SpotMeta]:
    """Find the coin, and the numbers of all pairs for cancels, which need no tokens.

    Where the venue does not tell them, the coin's own name has its number. Errors: ConfigError, VenueError.
    """
    try:
        meta = None if place is None else place.pairs
        if meta is None:
            with trio.fail_after(PAIRS_WITHIN_S):
                meta = await ask_for_pairs(configured.base_url)
        coin = find_pair(meta, configured).coin
        numbers = [(pair.name, pair.index) for pair in meta.pairs]
    except (VenueError, trio.TooSlowError) as error:
        coin = configured.coin if place is None else place.coin
        number = find_pair_number(coin)
        why = f"no answer in {PAIRS_WITHIN_S:g} s" if isinstance(error, trio.TooSlowError) else str(error)
        if number is None:
            raise Unreachable(
                f"the pairs could not be read ({why}), and {coin!r} does not tell its number; name the pair by its "
                "number in [market] coin, such as '@107'"
            ) from error
        note(f"the pairs were not read ({why}): only {coin} is looked at")
        numbers = [(coin, number)]
    pairs = tuple(Pair(name, number, _TOKENS[0].index, _TOKENS[1].index) for name, number in numbers)
    return coin, SpotMeta(_TOKENS, pairs)


def find_pair_number(coin: str) -> int | None:
    """Find the number of a pair by its name alone; None where that does not tell it."""
    if coin.startswith("@") and coin[1:].isdecimal():
        return int(coin[1:])
    return _OLDEST.get(coin.replace("-", "/"))
