"""Start of a maker of several markets: checks, locks, ledger, and what each grid is started with."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import trio

from mm_trio.account_config.settings import AccountSettings
from mm_trio.changes.follow_changes import refuse_earlier
from mm_trio.cli.account_programs.refusals import refuse_own_ledgers, refuse_repeated, refuse_unordered_ledgers
from mm_trio.cli.programs.start_checks import (
    CHECKS_WEIGHT,
    FirstAnswers,
    ask_first,
    check_account,
    check_signer,
    find_pair,
    make_grid,
    refuse_skew,
)
from mm_trio.cli.run_programs.maker_run import OpenMaker
from mm_trio.cli.run_programs.open_maker import (
    Start,
    Terms,
    close_all,
    keep_log,
    make_guard,
    make_recorder,
    make_transport,
    open_when_free,
    take_terms,
    tell_account,
)
from mm_trio.config.keys import Secret
from mm_trio.config.sandbox_folders import remove_old_instances
from mm_trio.config.settings import Settings
from mm_trio.engine.account_maker import AccountMaker, GridTerms
from mm_trio.halts.applied_file import note_applied
from mm_trio.halts.requests import Asked
from mm_trio.halts.standing import State, refuse_halted
from mm_trio.halts.standing_file import StandingFile
from mm_trio.journal.data_dir import (
    ACCOUNT_NAME,
    find_signer_lock,
    find_state_folder,
    hold_account_folder,
    hold_state_folder,
    open_ledger,
)
from mm_trio.limits.terms import NO_LIMITS, RiskLimits
from mm_trio.logs.log_file import LOG_NAME
from mm_trio.model.errors import Halted
from mm_trio.model.market import Market, SpotMeta
from mm_trio.model.settings import MakerSettings
from mm_trio.recorder.recorder import Recorder
from mm_trio.venue.sdk import make_exchange, make_info, make_plain_info, make_wallet
from mm_trio.witness.account_role import AccountRole
from mm_trio.witness.key_life import KeyLife

__all__ = ["OpenAccount", "Signalled", "open_account"]

_log = logging.getLogger(__name__)

# Takes the operator's signals since the last call.
Signalled: TypeAlias = Callable[[], Iterable[Asked]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Checked:
    """What is known once the venue has confirmed account, key and clock."""

    first: FirstAnswers
    pairs: tuple[Market, ...]
    role: AccountRole
    network: str

    @property
    def coins(self) -> tuple[str, ...]:
        return tuple(pair.coin for pair in self.pairs)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """One grid's market and folder, and what holds of it from before."""

    settings: Settings
    market: Market
    folder: Path
    standing: StandingFile


@dataclass(slots=True, kw_only=True)
class _Opener:
    """What a grid is made with, at the start and later.

    `places` are those of each pair that was quoted so far; their folders stay locked until the end, by `held`.
    """

    environ: Mapping[str, str]
    account: str
    network: str
    pairs: SpotMeta
    prepare: Callable[[Start], Terms]
    key_life: KeyLife | None
    places: dict[str, _Place]
    held: ExitStack = field(default_factory=ExitStack)
    recorders: list[Recorder] = field(default_factory=list)

    async def make_terms(self, settings: Settings) -> GridTerms:
        """Make what a grid is added or goes on with while others quote, with the checks of a start.

        Errors: ConfigError, LedgerError.
        """
        refuse_unordered_ledgers([settings])
        pair = find_pair(self.pairs, settings.market)
        if pair.coin not in self.places:
            self.places[pair.coin] = await self._take_place(settings, pair)
        place = replace(self.places[pair.coin], settings=settings)
        refuse_halted(place.standing.standing)
        return await self.settle(place)

    async def _take_place(self, settings: Settings, pair: Market) -> _Place:
        where = {"network": self.network, "account": self.account, "coin": pair.coin}
        folder = find_state_folder(self.environ, **where)
        await trio.to_thread.run_sync(refuse_own_ledgers, [folder])
        hold = hold_state_folder(self.environ, **where, signer=None)
        await trio.to_thread.run_sync(self.held.enter_context, hold)
        (place,) = await trio.to_thread.run_sync(_read_places, [settings], [pair], [folder])
        _log.info("pair: %s", pair.describe())
        return place

    async def settle(self, place: _Place, *, take_over: bool = False) -> GridTerms:
        """Let one grid be judged by what it knows, and make what it is started with. Errors: ConfigError."""
        terms = await _settle_terms(place, self.prepare, key_life=self.key_life)
        recorder = make_recorder(place.settings, place.folder, coin=place.market.coin)
        if recorder is not None:
            self.recorders.append(recorder)
        return _make_grid_terms(place, terms, recorder, take_over=take_over)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAccount(OpenMaker):
    """A maker of all grids, with the folder of its ledger and what makes further grids."""

    maker: AccountMaker
    make_terms: Callable[[Settings], Awaitable[GridTerms]]


@asynccontextmanager
async def open_account(
    account: AccountSettings,
    key: Secret,
    *,
    environ: Mapping[str, str],
    take_over: bool = False,
    prepare: Callable[[Start], Terms] = take_terms,
    signalled: Signalled | None = None,
) -> AsyncIterator[OpenAccount]:
    """Build a maker of all grids and hold their ledger.

    Key, account and clock are checked with the venue first, once for all. `prepare` judges each grid as it does a maker
    of one market; it blocks. `signalled` are the operator's signals, which are for the whole account. Errors:
    ConfigError, VenueError, LedgerError.
    """
    market = account.grids[0].market
    transport = make_transport(account.grids[0])
    wallet = key.lend(make_wallet)
    plain = make_plain_info(market.base_url)
    checked = await _check(account, plain, signer=wallet.address)
    where = {"network": checked.network, "account": market.account}
    with (
        hold_account_folder(environ, **where, coins=checked.coins, signer=wallet.address) as folder,
        keep_log(folder / LOG_NAME),
    ):
        # Read first, and armed before anything else is read or sent.
        standing = await trio.to_thread.run_sync(partial(StandingFile, folder, signalled=signalled))
        refuse_halted(standing.standing)
        folders = [find_state_folder(environ, **where, coin=coin) for coin in checked.coins]
        places = await trio.to_thread.run_sync(_read_places, account.grids, checked.pairs, folders)
        _tell_standings(standing, places)
        await trio.to_thread.run_sync(refuse_own_ledgers, folders)
        for pair in checked.pairs:
            _log.info("pair: %s", pair.describe())
        key_life = await tell_account(checked.first.ahead, market.account, checked.role, signer=wallet.address)
        opener = _Opener(
            environ=environ,
            account=market.account,
            network=checked.network,
            pairs=checked.first.spot_meta,
            prepare=prepare,
            key_life=key_life,
            places={place.market.coin: place for place in places},
        )
        grids = [await opener.settle(place, take_over=take_over) for place in places]
        if market.network == "sandbox":
            await trio.to_thread.run_sync(remove_old_instances, folder.parents[1], time.time())
        lock = find_signer_lock(environ, network=checked.network, signer=wallet.address)
        journal = await open_when_free(partial(open_ledger, folder, signer_lock=lock))
        await refuse_earlier(folder, account)
        await note_applied(folder, account)
        maker = AccountMaker(
            grids,
            info=make_info(market.base_url, checked.first.spot_meta, like=plain),
            exchange=make_exchange(market, wallet, checked.first.spot_meta, coins=checked.coins),
            address=market.account,
            journal=journal,
            used_weight=CHECKS_WEIGHT,
            key_life=key_life,
            limits=_take_limits(account),
            standing=standing,
            guard=make_guard(account, folder, network=checked.network, coin=ACCOUNT_NAME, signer=wallet.address),
            dead_man=account.guard.dead_man == "venue",
            network=checked.network,
            asked=checked.first.to_asked_before(),
            transport=transport,
        )
        with opener.held:
            try:
                yield OpenAccount(maker=maker, folder=folder, make_terms=opener.make_terms)
            finally:
                await close_all(journal.close, *(recorder.close for recorder in opener.recorders))


async def _check(account: AccountSettings, info: Any, *, signer: str) -> _Checked:
    """Check account, key and clock with the venue, and find the pairs. Errors: ConfigError, VenueError."""
    market = account.grids[0].market
    first = await ask_first(info, market, signer=signer)
    pairs = tuple(find_pair(first.spot_meta, grid.market) for grid in account.grids)
    refuse_repeated(account.coins, pairs)
    role = await check_account(first.ahead, market, signer=signer)
    await check_signer(first.ahead, signer, role.approver, network=market.network)
    clock, _ = first.give_clock()
    refuse_skew(clock)
    return _Checked(first=first, pairs=pairs, role=role, network=first.give_network())


def _read_places(grids: Sequence[Settings], pairs: Sequence[Market], folders: Sequence[Path]) -> list[_Place]:
    """Read what holds of each grid. Blocks. Errors: StandingUnread."""
    return [
        _Place(settings=settings, market=pair, folder=folder, standing=StandingFile(folder))
        for settings, pair, folder in zip(grids, pairs, folders, strict=True)
    ]


def _tell_standings(standing: StandingFile, places: Sequence[_Place]) -> None:
    """Tell what keeps account or grids from placing. Errors: Halted where every grid is halted."""
    if not standing.standing.state.may_place:
        _log.warning("nothing is placed: %s; `mm-trio resume` lets the maker go on", standing.standing.describe())
    states = {place.market.coin: place.standing.standing for place in places}
    if all(found.state is State.HALTED for found in states.values()):
        why = "; ".join(f"{coin} is {found.describe()}" for coin, found in states.items())
        raise Halted(f"every market of the account is halted: {why}; `mm-trio resume` shows it and lets them go on")
    for coin, found in states.items():
        if not found.state.may_place:
            _log.warning(
                "left out: coin=%s standing=%s; `mm-trio resume --coin %s` lets it go on"
                if found.state is State.HALTED
                else "nothing is placed: coin=%s standing=%s; `mm-trio resume --coin %s` lets it go on",
                coin,
                found.describe(),
                coin,
            )


async def _settle_terms(place: _Place, prepare: Callable[[Start], Terms], *, key_life: KeyLife | None) -> Terms:
    """Let the start of one grid be judged by what it knows, and tell the limits that it gets."""
    start = Start(
        settings=place.settings,
        market=place.market,
        grid=make_grid(place.settings, place.market),
        folder=place.folder,
        key_life=key_life,
        accepted_px=None,
    )
    terms = await trio.to_thread.run_sync(prepare, start)
    if terms.limits is not None:
        _log.info("limits: coin=%s %s", place.market.coin, terms.limits.describe())
    return terms


def _take_limits(account: AccountSettings) -> RiskLimits | None:
    """Return the limits over all grids, and tell them."""
    if account.limits is None:
        return None
    limits = account.limits.to_risk_limits()
    _log.info("limits of the account: %s", limits.describe())
    return limits


def _make_grid_terms(place: _Place, terms: Terms, recorder: Recorder | None, *, take_over: bool) -> GridTerms:
    parameters = terms.settings.maker_parameters(make_grid(place.settings, place.market))
    amounts: dict[str, Any] = {"allocated_token": None, "allocated_usdc": None}
    return GridTerms(
        settings=MakerSettings(**{**amounts, **parameters}, take_over=take_over),
        limits=terms.limits or NO_LIMITS,
        standing=place.standing,
        check_opening=terms.check_opening,
        recorder=recorder,
    )
