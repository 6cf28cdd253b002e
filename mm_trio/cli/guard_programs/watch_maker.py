"""Run of the guard of one maker: it reads files and open orders, posts signed cancels, and has no key.

A maker of several markets has one guard, which looks into the folder of the account.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import trio

from mm_trio.account_config.settings import AccountSettings
from mm_trio.cli.guard_programs.told_guard import tell_manager_of_guard
from mm_trio.cli.programs.start_checks import ask_for_pairs, find_network, find_pair
from mm_trio.cli.run_programs.service_manager import ServiceManager
from mm_trio.guard.files import MakerFiles
from mm_trio.guard.heartbeat import Life, read_heartbeat
from mm_trio.guard.private_file import FileUnread
from mm_trio.guard.venue_session import VenueSession, call_in_thread, make_poster
from mm_trio.guard.watcher import GuardReport, Watcher
from mm_trio.journal.data_dir import ACCOUNT_NAME, find_state_folder
from mm_trio.model.errors import ConfigError, Interrupted, VenueError
from mm_trio.model.market import SpotMeta
from mm_trio.venue.rest_client import VenueClient
from mm_trio.venue.sdk import make_info

__all__ = ["GuardSummary", "LookResult", "look_once", "watch_maker"]

_log = logging.getLogger(__name__)

# A venue that cannot be reached yet is asked again: a guard that ended would guard nothing.
ASK_AGAIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Guarded:
    """Maker that is guarded.

    `coin` is its pair, or the name of the account's folder where it has several; then `coins` are these.
    """

    coin: str
    coins: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        return {"coin": self.coin, **({"coins": list(self.coins)} if self.coins else {})}

    def __str__(self) -> str:
        return ", ".join(self.coins) or self.coin


@dataclass(frozen=True, slots=True)
class _Place:
    """What the venue says of the configured pairs, and where the maker's files are."""

    meta: SpotMeta
    maker: Guarded
    network: str
    folder: Path

    @property
    def coins(self) -> tuple[str, ...]:
        return self.maker.coins or (self.maker.coin,)


@dataclass(frozen=True, slots=True)
class GuardSummary:
    """What a guard did until its end."""

    maker: Guarded
    report: GuardReport

    @property
    def orders_may_rest(self) -> tuple[str, ...]:
        """Name the orders of a silent maker that may rest."""
        return self.report.may_rest

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        report = self.report
        return {
            **self.maker.to_json(),
            "fired": report.fired,
            "cancels_posted": report.cancels_posted,
            "cancelled": report.cancelled,
            "verified": report.verified,
            "orders_may_rest": list(report.may_rest),
        }

    def to_text(self) -> str:
        """Return the text for a person."""
        report = self.report
        rests = f"; still resting: {', '.join(report.may_rest)}" if report.may_rest else ""
        return f"guard of {self.maker} ended: it acted {report.fired} times, {report.cancelled} orders cancelled{rests}"


@dataclass(frozen=True, slots=True)
class LookResult:
    """What one look at the maker's files found.

    `would_fire`: a guard that had watched all the time would have acted. By the machine's calendar.
    """

    maker: Guarded
    folder: Path
    state: str
    silent_s: float | None
    orders: int | None
    would_fire: bool

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        return {
            **self.maker.to_json(),
            "folder": str(self.folder),
            "state": self.state,
            "silent_s": self.silent_s,
            "orders": self.orders,
            "would_fire": self.would_fire,
        }

    def to_text(self) -> str:
        """Return the text for a person."""
        silent = "" if self.silent_s is None else f", silent for {self.silent_s:.1f} s"
        signed = "no signed cancels" if self.orders is None else f"signed cancels for {self.orders} orders"
        verdict = "a guard would act" if self.would_fire else "a guard would not act"
        return f"maker of {self.maker}: {self.state}{silent}; {signed}; {verdict}"


async def watch_maker(
    account: AccountSettings,
    *,
    environ: Mapping[str, str],
    duration_s: float | None,
    stop_scope: trio.CancelScope,
    beside: Callable[[Watcher], Awaitable[None]] | None = None,
) -> GuardSummary:
    """Guard the configured maker until its duration ends or `stop_scope` is cancelled.

    `beside` is a task beside the guard, which ends with it.
    Errors: ConfigError.
    """
    maker, report = _name_maker(account, account.coins), GuardReport()
    market, after_s = account.grids[0].market, account.guard.guard_after_s
    watcher: Watcher | None = None
    async with trio.open_nursery() as nursery:
        manager = ServiceManager.of_environ(environ)
        if manager.address is not None:
            nursery.start_soon(tell_manager_of_guard, manager, lambda: watcher)
        with stop_scope:
            if duration_s is not None:
                stop_scope.deadline = trio.current_time() + duration_s
            place = await _find_place_at_last(account, environ)
            maker = place.maker
            files = MakerFiles(place.folder, owner=(place.network, market.account, maker.coin))
            info = make_info(market.base_url, place.meta)
            client = VenueClient(info, address=market.account, run_sync=call_in_thread)
            session = VenueSession(client, make_poster(market.base_url))
            watcher = Watcher(files, session, coins=place.coins, after_s=after_s)
            report = watcher.report
            _log.info("guard watches: coin=%s folder=%s after_s=%g", ",".join(place.coins), place.folder, after_s)
            if beside is not None:
                nursery.start_soon(beside, watcher)
            await watcher.watch()
        nursery.cancel_scope.cancel()
    return GuardSummary(maker, report)


async def look_once(
    account: AccountSettings, *, environ: Mapping[str, str], stop_scope: trio.CancelScope
) -> LookResult:
    """Look once whether a guard would act. Errors: ConfigError, VenueError; Interrupted."""
    with stop_scope:
        place = await _find_place(account, environ)
        owner = (place.network, account.grids[0].market.account, place.maker.coin)
        look = partial(_look, place, owner, account.guard.guard_after_s)
        return await trio.to_thread.run_sync(look, abandon_on_cancel=True)
    raise Interrupted(note="the maker was not looked at")


def _look(place: _Place, owner: tuple[str, str, str], after_s: float) -> LookResult:
    files = MakerFiles(place.folder, owner=owner)
    files.read()
    try:
        beat = read_heartbeat(place.folder)
    except (OSError, FileUnread) as error:
        raise ConfigError(f"the heartbeat in {place.folder} cannot be read: {error}; start the maker again") from error
    orders = None if files.cancels is None else len(files.cancels.names)
    if beat is None:
        return LookResult(place.maker, place.folder, "no heartbeat", None, orders, would_fire=False)
    silent_s = max(0.0, time.time() - beat.at_ms / 1000) + max(0.0, beat.venue_heard_s_ago)
    state, is_running = str(beat.state), beat.state is Life.RUNNING
    if not is_running and files.cancels is not None and orders and beat.is_older_than(files.cancels.made_ms):
        state, is_running = "running without a heartbeat", True
        silent_s = max(0.0, time.time() - files.cancels.made_ms / 1000)
    would_fire = is_running and silent_s > after_s
    return LookResult(place.maker, place.folder, state, round(silent_s, 3), orders, would_fire)


async def _find_place_at_last(account: AccountSettings, environ: Mapping[str, str]) -> _Place:
    """Find pairs and folder, and ask until the venue tells."""
    while True:
        try:
            return await _find_place(account, environ)
        except VenueError as error:
            _log.warning("guard waiting: the venue does not name the pair yet: error=%s retry_s=%g", error, ASK_AGAIN_S)
        await trio.sleep(ASK_AGAIN_S)


async def _find_place(account: AccountSettings, environ: Mapping[str, str]) -> _Place:
    market = account.grids[0].market
    meta = await ask_for_pairs(market.base_url)
    maker = _name_maker(account, [find_pair(meta, grid.market).coin for grid in account.grids])
    network = await find_network(market)
    folder = find_state_folder(environ, network=network, account=market.account, coin=maker.coin)
    return _Place(meta, maker, network, folder)


def _name_maker(account: AccountSettings, coins: Sequence[str]) -> Guarded:
    return Guarded(ACCOUNT_NAME, tuple(coins)) if account.lists_markets else Guarded(coins[0])
