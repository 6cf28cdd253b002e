"""Start of a maker of one market: checks, locks, ledger."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio

from mm_trio.account_config.settings import AccountSettings
from mm_trio.cli.programs.start_checks import (
    CHECKS_WEIGHT,
    ask_first,
    check_account,
    check_opening,
    check_signer,
    look_at_key,
    make_grid,
    make_opening_rules,
    refuse_skew,
)
from mm_trio.cli.run_programs.maker_run import OpenMaker
from mm_trio.concurrency.lock_state import START_PATIENCE_S
from mm_trio.config.keys import Secret, is_master_key
from mm_trio.config.sandbox_folders import remove_old_instances
from mm_trio.config.settings import Settings
from mm_trio.engine.ws_state import WsState
from mm_trio.guard.cover import GuardTerms
from mm_trio.halts.applied_file import note_applied
from mm_trio.halts.requests import Asked
from mm_trio.halts.standing import refuse_halted
from mm_trio.halts.standing_file import StandingFile
from mm_trio.journal.data_dir import (
    ACCOUNT_NAME,
    find_signer_lock,
    hold_state_folder,
    is_in_shared_ledger,
    open_ledger,
)
from mm_trio.journal.sqlite_journal import Journal
from mm_trio.limits.terms import RiskLimits
from mm_trio.logs import log_file
from mm_trio.model.errors import ConfigError, JournalBusy
from mm_trio.model.market import Market
from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.recorder.kept_file import RecordBounds
from mm_trio.recorder.recorder import Recorder
from mm_trio.venue.sdk import make_exchange, make_info, make_plain_info, make_wallet
from mm_trio.witness.account_role import AccountRole, describe_role
from mm_trio.witness.key_life import KeyLife
from mm_trio.witness.opening_check import Opening

if TYPE_CHECKING:
    from mm_trio.transport.native import NativeTransport

__all__ = [
    "Start",
    "Terms",
    "close_all",
    "keep_log",
    "make_guard",
    "make_recorder",
    "make_transport",
    "open_maker",
    "open_when_free",
    "take_terms",
    "tell_account",
]

_log = logging.getLogger(__name__)

CLOSE_WITHIN_S = 2.0
TRY_LOCKED_AGAIN_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Facts of a start whose checks passed, and whose state folder is held.

    `key_life` None: the signer's key has no end, or nobody is known who could list it.
    """

    settings: Settings
    market: Market
    grid: PricingGrid
    folder: Path
    key_life: KeyLife | None
    accepted_px: Decimal | None


@dataclass(frozen=True, slots=True)
class Terms:
    """Settings, limits and check that a maker is started with."""

    settings: Settings
    limits: RiskLimits | None
    check_opening: Callable[[Opening], None]


def take_terms(start: Start) -> Terms:
    """Start a maker as it is configured. Errors: ConfigError on mainnet, whose starts are checked further."""
    settings = start.settings
    if settings.market.network == "mainnet":
        raise ConfigError("a maker trades on mainnet with `run --live` alone; nothing was sent")
    limits = None if settings.limits is None else settings.limits.to_risk_limits()
    return Terms(settings, limits, partial(check_opening, rules=make_opening_rules(settings, start.accepted_px)))


@asynccontextmanager
async def open_maker(
    settings: Settings,
    key: Secret,
    *,
    environ: Mapping[str, str],
    take_over: bool = False,
    accepted_px: Decimal | None = None,
    prepare: Callable[[Start], Terms] = take_terms,
    signalled: Callable[[], Iterable[Asked]] | None = None,
) -> AsyncIterator[OpenMaker]:
    """Build a maker and hold its ledger.

    The key and the clock are checked with the venue first. The maker refuses to open at another price than
    `accepted_px`, or without one at a price that cannot be meant. `prepare` may refuse what is known before anything
    is sent, and changes the terms; it blocks. `signalled` are the operator's signals. Errors: ConfigError, VenueError,
    LedgerError.
    """
    market = settings.market
    transport = make_transport(settings)
    wallet = key.lend(make_wallet)
    plain = make_plain_info(market.base_url)
    first = await ask_first(plain, market, signer=wallet.address)
    pair, ahead = first.pair, first.ahead
    role = await check_account(ahead, market, signer=wallet.address)
    await check_signer(ahead, wallet.address, role.approver, network=market.network)
    clock, _ = first.give_clock()
    refuse_skew(clock)
    grid = make_grid(settings, pair)
    coin, network = pair.coin, first.give_network()
    with (
        hold_state_folder(environ, network=network, account=market.account, coin=coin, signer=wallet.address) as folder,
        keep_log(folder / log_file.LOG_NAME),
    ):
        # Read first, and armed before anything else is read or sent.
        standing = await trio.to_thread.run_sync(partial(StandingFile, folder, signalled=signalled))
        refuse_halted(standing.standing)
        if not standing.standing.state.may_place:
            _log.warning("nothing is placed: %s; `mm-trio resume` lets the maker go on", standing.standing.describe())
        # After all checks, so that a refusal stays one line.
        _log.info("pair: %s", pair.describe())
        key_life = await tell_account(ahead, market.account, role, signer=wallet.address)
        start = Start(
            settings=settings, market=pair, grid=grid, folder=folder, key_life=key_life, accepted_px=accepted_px
        )
        terms = await _settle_terms(prepare, start)
        if market.network == "sandbox":
            await trio.to_thread.run_sync(remove_old_instances, folder.parents[1], time.time())
        await trio.to_thread.run_sync(_refuse_shared_ledger, folder)
        lock = find_signer_lock(environ, network=network, signer=wallet.address)
        journal = await open_when_free(partial(open_ledger, folder, signer_lock=lock))
        account = AccountSettings.of_one_market(settings)
        await note_applied(folder, account)
        recorder = make_recorder(settings, folder, coin=coin)
        try:
            maker = WsState(
                **terms.settings.maker_parameters(grid),
                info=make_info(market.base_url, first.spot_meta, like=plain),
                exchange=make_exchange(market, wallet, first.spot_meta),
                address=market.account,
                journal=journal,
                take_over=take_over,
                used_weight=CHECKS_WEIGHT,
                key_life=key_life,
                limits=terms.limits,
                standing=standing,
                guard=make_guard(account, folder, network=network, coin=coin, signer=wallet.address),
                dead_man=settings.guard.dead_man == "venue",
                check_opening=terms.check_opening,
                recorder=recorder,
                network=network,
                asked=first.to_asked_before(),
                transport=transport,
            )
            yield OpenMaker(maker=maker, folder=folder)
        finally:
            await close_all(journal.close, *(() if recorder is None else (recorder.close,)))


async def close_all(*closers: Callable[[], None]) -> None:
    """Close files at the end of a program; a disk that hangs must not keep it from ending."""
    with trio.move_on_after(CLOSE_WITHIN_S, shield=True):
        async with trio.open_nursery() as closing:
            for close in closers:
                closing.start_soon(partial(trio.to_thread.run_sync, close, abandon_on_cancel=True))


def _refuse_shared_ledger(folder: Path) -> None:
    """Refuse a coin whose ledger is in its account's; a new one would know none of its history. Errors: ConfigError."""
    if is_in_shared_ledger(folder):
        raise ConfigError(
            f"the ledger of {folder.name} is in {folder.parent / ACCOUNT_NAME}, together with those of other markets "
            "of the account; a file with one [market] would begin a new one. Start the file that lists this market "
            "under [[market]]"
        )


def make_recorder(settings: Settings, folder: Path, *, coin: str) -> Recorder | None:
    """Make the recorder of the state folder, if one is wanted; nothing is opened yet."""
    record = settings.record
    if not record.enabled:
        return None
    return Recorder(folder, coin=coin, bounds=RecordBounds(keep_days=record.keep_days, max_mb=record.max_mb))


def make_transport(settings: Settings) -> NativeTransport | None:
    """Make the sockets of the event loop, if they are wanted. Errors: ConfigError for a proxy that they cannot use."""
    if settings.tuning.transport == "sdk":
        return None
    # Nobody else pays for the libraries.
    from mm_trio.transport.native import make_transport

    return make_transport(settings.market.base_url)


def make_guard(account: AccountSettings, folder: Path, *, network: str, coin: str, signer: str) -> GuardTerms:
    """Say where signs of life are left, and whose orders the guard may cancel.

    `coin` stands for all of them where the account lists markets.
    """
    market = account.grids[0].market
    return GuardTerms(
        folder=folder,
        network=network,
        account=market.account,
        coin=coin,
        signer=signer.lower(),
        vault=market.vault,
        after_s=account.guard.guard_after_s,
        of_account=account.lists_markets,
    )


async def _settle_terms(prepare: Callable[[Start], Terms], start: Start) -> Terms:
    """Let a start be judged by what it knows, and tell the limits that it gets."""
    terms = await trio.to_thread.run_sync(prepare, start)
    if terms.limits is not None:
        _log.info("limits: %s", terms.limits.describe())
    return terms


async def tell_account(info: Any, account: str, role: AccountRole, *, signer: str) -> KeyLife | None:
    """Tell for which account a maker trades, and when its key ends; return the latter.

    An account's own key has no end, and without its leader there is no list of a vault's agents.
    """
    _log.info("account: %s is %s", account, describe_role(role))
    if role.approver is None or is_master_key(signer, role.approver):
        return None
    return await look_at_key(info, signer, owner=role.approver)


@contextmanager
def keep_log(path: Path) -> Iterator[None]:
    """Keep the log beside the ledger, if that is possible."""
    with ExitStack() as opened:
        try:
            opened.enter_context(log_file.keep_log(path))
        except (OSError, RuntimeError, MemoryError) as error:
            # What the maker does is in its ledger; it need not stop for want of a log.
            _log.warning("no log is kept: file=%s reason=%s", path, error)
        yield


async def open_when_free(open_it: Callable[[], Journal]) -> Journal:
    """Open the ledger, and wait if another process has it locked.

    Errors: JournalError; JournalBusy where that takes too long.
    """
    until_s, is_told = trio.current_time() + START_PATIENCE_S, False
    while True:
        try:
            return await trio.to_thread.run_sync(open_it)
        except JournalBusy as error:
            if trio.current_time() + TRY_LOCKED_AGAIN_S > until_s:
                raise
            if not is_told:
                _log.warning("start delayed: reason=%s; trying for %g s", error, START_PATIENCE_S)
                is_told = True
        await trio.sleep(TRY_LOCKED_AGAIN_S)
