"""Plan of a change: what runs is compared with a new configuration, and with what rests at the venue.

It sends nothing. The maker itself works the steps out anew, tick by tick, from its own ledger.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import trio

from mm_trio.account_config.changes import compare_accounts
from mm_trio.account_config.settings import AccountSettings
from mm_trio.changes.change_plan import VenueState, plan_grids
from mm_trio.changes.change_report import ChangeReport
from mm_trio.changes.ledgers import read_ledgers
from mm_trio.cli.programs.start_checks import ask_at_start, ask_for_pairs, find_network, find_pair
from mm_trio.config.settings import MarketSettings
from mm_trio.halts.applied_file import APPLIED_NAME, WANTED_NAME, find_applied_folder, read_settings
from mm_trio.halts.change_request import ChangeAnswer, ask_for_change, read_answer
from mm_trio.halts.maker_lock import is_held
from mm_trio.model.errors import ConfigError, Interrupted
from mm_trio.model.market import SpotMeta
from mm_trio.state.rate_limit import RateLimitBudget
from mm_trio.venue import wire
from mm_trio.venue.sdk import make_info

__all__ = ["hand_over", "plan_change"]

# A change of many grids is answered once the last ladder has moved.
ANSWERED_WITHIN_S = 300.0
LOOK_EVERY_S = 0.5


async def plan_change(
    wanted: AccountSettings, *, environ: Mapping[str, str], stop_scope: trio.CancelScope
) -> ChangeReport:
    """Plan the change from the configuration that runs to another one.

    Errors: ConfigError where nothing runs that could be changed, or what cannot be changed would be; VenueError;
    JournalError where the ledger cannot be read;
    Interrupted once `stop_scope` is cancelled.
    """
    with stop_scope:
        market = wanted.grids[0].market
        pairs = await ask_for_pairs(market.base_url)
        folder = find_applied_folder(
            environ, wanted, network=await find_network(market), coin=find_pair(pairs, market).coin
        )
        running = await trio.to_thread.run_sync(_read_running, folder)
        change = compare_accounts(running, wanted)
        if change.refusals:
            raise ConfigError("; ".join(change.refusals))
        state = await _ask_venue(market, pairs)
        is_live = await trio.to_thread.run_sync(is_held, folder)
        ledgers = await trio.to_thread.run_sync(partial(read_ledgers, folder, coin=find_pair(pairs, market).coin))
        grids = plan_grids(change, state, ledgers)
        return ChangeReport(folder=folder, change=change, grids=grids, budget=state.budget, is_live=is_live)
    raise Interrupted


async def hand_over(folder: Path, wanted: AccountSettings, *, stop_scope: trio.CancelScope) -> ChangeAnswer:
    """Hand a planned change to the maker that runs, and wait for what it made of it.

    Errors: ConfigError where no maker runs, or it does not answer; Interrupted, and then it may still follow.
    """
    if not wanted.lists_markets:
        raise ConfigError(
            "a maker of one [market] table takes over no change while it runs, and nothing was changed; end it and "
            "start `mm-trio run` with the new file, or list the market as [[market]]"
        )
    if not await trio.to_thread.run_sync(is_held, folder):
        raise ConfigError(f"no maker runs in {folder}, and nothing was changed; start it with the new configuration")
    with stop_scope:
        digest = await trio.to_thread.run_sync(ask_for_change, folder, wanted)
        with trio.move_on_after(ANSWERED_WITHIN_S):
            while True:
                answer = await trio.to_thread.run_sync(read_answer, folder)
                if answer is not None and answer.digest in (digest, ""):
                    return answer
                await trio.sleep(LOOK_EVERY_S)
        raise ConfigError(
            f"the maker has not answered within {ANSWERED_WITHIN_S:g} s; look at its log. The request stays until it "
            f"is followed: remove {folder / WANTED_NAME} to withdraw it"
        )
    raise Interrupted


def _read_running(folder: Path) -> AccountSettings:
    """Read what runs. Blocks. Errors: ConfigError."""
    try:
        running = read_settings(folder)
    except OSError as error:
        raise ConfigError(f"{folder / APPLIED_NAME} cannot be read: {error.strerror or error}") from error
    if running is None:
        raise ConfigError(
            f"there is no {APPLIED_NAME} in {folder}: no maker has run with this account, so there is nothing to "
            "change; start `mm-trio run` with the new configuration"
        )
    return running


async def _ask_venue(market: MarketSettings, pairs: SpotMeta) -> VenueState:
    """Ask for open orders and budget. Errors: VenueError."""
    info: Any = await trio.to_thread.run_sync(make_info, market.base_url, pairs)
    rows, _ = wire.parse_open_orders(await ask_at_start(info.open_orders, market.account), "")
    budget = RateLimitBudget()
    budget.sync_from_exchange(*wire.parse_rate_limit(await ask_at_start(info.user_rate_limit, market.account)))
    return VenueState(find_market=partial(find_pair, pairs), orders=tuple(rows), budget=max(0, budget.remaining()))
