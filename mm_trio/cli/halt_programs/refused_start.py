"""Orders of an earlier run, where the next start is refused.

A maker that was killed leaves its orders, and its supervisor starts it again. A start that is refused before it takes
them up says what rests. It only looks: it may be repeated every second, and cancels would use up the account's
requests. `cancel-all` and the guard are there to cancel.
"""

from __future__ import annotations

import logging
import shlex
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import trio

from mm_trio.cli.halt_programs.maker_place import MakerPlace, find_place, is_running, touch_disk
from mm_trio.cli.programs.start_checks import find_pair
from mm_trio.concurrency.thread_pools import ThreadPools
from mm_trio.config.settings import MarketSettings, Settings
from mm_trio.grids.shutdown import LeftOrder
from mm_trio.journal.data_dir import ACCOUNT_NAME, describe_lost, find_network_folder, find_state_folder, is_blank
from mm_trio.model.cloid import decode_cloid
from mm_trio.model.errors import OrdersMayRest, VenueError
from mm_trio.model.replies import OpenOrder
from mm_trio.terminal_ui.streams import tell, tell_end
from mm_trio.venue import wire
from mm_trio.venue.rest_client import VenueClient
from mm_trio.venue.sdk import make_plain_info

__all__ = ["look_after_refusal"]

_log = logging.getLogger(__name__)

# Of all of it: the refusal itself must not wait for a venue or a disk that hangs.
LOOK_WITHIN_S = 8.0
LOOK_TRIES, AGAIN_S = 3, 1.0


async def look_after_refusal(
    grids: Sequence[Settings], refusal: Exception | None, *, environ: Mapping[str, str], config: Path
) -> None:
    """Look for orders of an earlier run of these grids after a refused start, or a stopped one (`refusal` None).

    Where that cannot be told, stderr says so. Errors: OrdersMayRest, raised from the refusal, where any is listed, and
    where a start was stopped and it cannot be told.
    """
    coins = ", ".join(grid.market.coin for grid in grids)
    remedy = f"`mm-trio cancel-all --config {shlex.quote(str(config))}`"
    found: tuple[OpenOrder, ...] | None = None
    failure = f"no answer in {LOOK_WITHIN_S:g} s"
    with trio.move_on_after(LOOK_WITHIN_S):
        try:
            found = await _find_left(grids, environ)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not hide why the start was refused
            failure = str(error) or type(error).__name__
    if found is None:
        tell(
            f"mm-trio: whether orders of an earlier run still rest in {coins} could not be verified ({failure}); "
            f"{remedy} cancels them and verifies it"
        )
        if refusal is None:
            raise OrdersMayRest(f"orders of an earlier run may still rest in {coins}: not verified")
    elif found:
        left = tuple(_describe(row, among=len(grids)) for row in found)
        tell_end(
            halted_because=(),
            orders_may_rest=left,
            remedy=f"these orders of an earlier run in {coins} can trade while nobody looks after them, and "
            f"this start was {'stopped' if refusal is None else 'refused'}: {remedy} cancels them",
        )
        raise OrdersMayRest(f"orders may still rest: {'; '.join(left)}") from refusal


def _describe(row: OpenOrder, *, among: int) -> str:
    """Describe an order, with its coin where there are several."""
    text = LeftOrder(f"oid {row.oid}", row).describe()
    return text if among == 1 else f"{row.coin}: {text}"


async def _find_left(grids: Sequence[Settings], environ: Mapping[str, str]) -> tuple[OpenOrder, ...]:
    """Find what rests of a maker that ran here and runs no more. Errors: LocalError, ConfigError, VenueError."""
    market = grids[0].market
    base = find_network_folder(environ, market.network)
    # Without any folder of the account nothing ran here, and the venue is not asked.
    if not await touch_disk(base, partial(_has_folder, base, market)):
        return ()
    place = await find_place(grids[0], environ=environ)
    coins = {place.coin: place.folder}
    for grid in grids[1:]:
        found = (
            await find_place(grid, environ=environ)
            if place.pairs is None
            else _find_beside(place, grid.market, environ)
        )
        coins[found.coin] = found.folder
    # One that runs looks after its orders itself.
    left = [
        coin
        for coin, folder in coins.items()
        if not await is_running(folder) and await touch_disk(folder, partial(_has_run, folder))
    ]
    return await _ask_for_ours(market, left) if left else ()


def _find_beside(place: MakerPlace, market: MarketSettings, environ: Mapping[str, str]) -> MakerPlace:
    """Find the place of another grid of an account. Errors: ConfigError."""
    assert place.pairs is not None
    coin = find_pair(place.pairs, market).coin
    folder = find_state_folder(environ, network=place.network, account=market.account, coin=coin)
    return MakerPlace(coin, place.network, folder, place.pairs)


def _has_folder(base: Path, market: MarketSettings) -> bool:
    account = market.account.lower()
    return any(base.glob(f"*/{account}" if market.network == "sandbox" else account))


def _has_run(folder: Path) -> bool:
    # The ledger of several markets is beside their folders.
    return any(not is_blank(each) or describe_lost(each) is not None for each in (folder, folder.parent / ACCOUNT_NAME))


async def _ask_for_ours(market: MarketSettings, coins: Collection[str]) -> tuple[OpenOrder, ...]:
    """Ask for the open orders with our mark, a few times. Errors: VenueError."""
    info = make_plain_info(market.base_url)
    client = VenueClient(info, address=market.account, run_sync=ThreadPools(trio.to_thread.run_sync).reads)
    for n in range(1, LOOK_TRIES + 1):
        try:
            raw = await client.ask(info.open_orders, market.account)
            return tuple(row for coin in coins for row in _pick_ours(raw, coin))
        except VenueError as error:
            if n == LOOK_TRIES:
                raise
            _log.warning("open orders not read: error=%s retry_s=%g", error, AGAIN_S)
        await trio.sleep(AGAIN_S)
    raise AssertionError("the last try returns or raises")


def _pick_ours(raw: Any, coin: str) -> tuple[OpenOrder, ...]:
    """Pick the orders of the coin with our mark.

    Errors: ProtocolError where a row of the coin cannot be read and no other is ours.
    """
    rows, unreadable = wire.parse_open_orders(raw, "")
    ours = tuple(row for row in rows if row.coin == coin and decode_cloid(row.cloid) is not None)
    if unreadable and not ours:
        wire.parse_open_orders(raw, coin)
    return ours
