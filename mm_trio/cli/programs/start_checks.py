"""Checks with the venue before a maker starts."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from http.client import HTTPConnection, HTTPException
from typing import Any, TypeVar
from urllib.parse import urlsplit

import trio

from mm_trio.concurrency.together import call_together, settle
from mm_trio.config.keys import is_master_key
from mm_trio.config.settings import MarketSettings, Settings
from mm_trio.engine.asked_before import AskedBefore
from mm_trio.grids.events import log_key_news
from mm_trio.grids.schedule import make_wall_clock, read_machine_clock
from mm_trio.model.errors import Busy, ConfigError, LocalError, Unreachable, VenueError
from mm_trio.model.local_failures import find_local_cause
from mm_trio.model.market import Market, SpotMeta
from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.venue import wire
from mm_trio.venue.http_session import VENUE_FAILURES, make_read_error
from mm_trio.venue.rest_client import START_PATIENCE_S, VenueClient, ask_while_busy, log_left_out
from mm_trio.venue.sdk import fetch_spot_meta
from mm_trio.witness.account_role import AccountRole, find_role_fault
from mm_trio.witness.key_life import KeyLife
from mm_trio.witness.key_role import find_key_fault, find_own_key_fault
from mm_trio.witness.opening_check import Opening, OpeningRules, find_opening_fault
from mm_trio.witness.venue_clock import VenueClock

__all__ = [
    "CHECKS_WEIGHT",
    "MODES",
    "PAIRS_WEIGHT",
    "AskedAhead",
    "FirstAnswers",
    "ask_at_start",
    "ask_first",
    "ask_for_pairs",
    "check_account",
    "check_clock",
    "check_opening",
    "check_signer",
    "find_network",
    "find_pair",
    "look_at_key",
    "make_grid",
    "make_opening_rules",
    "tell_account_mode",
    "warn_of_account",
]

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

_ANSWER_WITHIN_S = 30.0
# A page of a gateway in place of the pairs is gone a moment later, or stays.
PAIRS_TRIES, PAIRS_PAUSE_S = 3, 0.5
MODES = {
    "standard": "all that no spot order holds is free",
    "unified": "margin of perps is held of the same balances and is not offered; 50,000 actions a day at most",
    "portfolio margin": "margin is held of the same balances and nothing is borrowed; 50,000 actions a day at most",
}
_INSTANCE_WITHIN_S = 5.0
# More than the name of an exchange needs.
_INSTANCE_BYTES = 1000
ROLE_TRIES, ROLE_PAUSE_S = 3, 1.0
ROLE_LOOKS = 2
# Most request weight of the question for the pairs: spotMeta three times 20.
PAIRS_WEIGHT = 60
# Request weight of all checks, each answered the first time: spotMeta 20, l2Book 2, userRole twice 60, userAbstraction,
# extraAgents and userFees 20. What is asked again is within what the gate keeps free; a maker that counts too much at
# its start could not verify an end that comes soon.
CHECKS_WEIGHT = 202
RATES_WITHIN_S = 2.0
# Names of pairs that are in use at the venue itself; others are found in its list first.
_OLDEST_PAIR, _PAIR_MARK = "PURR/USDC", "@"


def make_grid(settings: Settings, market: Market) -> PricingGrid:
    """Make the ladder with the market's own decimals. Errors: ConfigError."""
    return settings.make_ladder(market.base.sz_decimals)


def find_pair(meta: SpotMeta, configured: MarketSettings) -> Market:
    """Find the configured pair.

    Errors: ConfigError for an unknown pair, or for one with another base token than the configured one.
    """
    market = wire.find_market(meta, configured.coin)
    if configured.base is not None and configured.base != market.base.name:
        raise ConfigError(
            f"[market] base is {configured.base!r}, and the base token of {configured.coin!r} is {market.base.name!r}: "
            f"at the venue it is {market.describe()}; change coin or base"
        )
    return market


def check_opening(opening: Opening, *, rules: OpeningRules) -> None:
    """Refuse to open at a price that the operator cannot have meant. Errors: ConfigError."""
    if (fault := find_opening_fault(opening, rules)) is not None:
        raise ConfigError(fault)


def make_opening_rules(settings: Settings, accepted_px: Decimal | None) -> OpeningRules:
    """Make the rules of the opening from the configuration and `--accept-price`."""
    return OpeningRules(
        max_distance_pct=settings.tuning.max_open_distance_pct,
        target_px=settings.strategy.target_px,
        accepted_px=accepted_px,
    )


async def ask_at_start(call: Callable[..., _T], *args: object) -> _T:
    """Ask the venue, and again while it is busy.

    `call` blocks and runs in a thread. Errors: Unreachable, also after `START_PATIENCE_S` of a busy venue; LocalError
    where this machine could not even begin to ask.
    """
    answer: _T = await ask_while_busy(partial(_ask_once, call, *args), until_s=trio.current_time() + START_PATIENCE_S)
    return answer


async def _ask_once(call: Callable[..., _T], *args: object) -> _T:
    asked = args[0] if args else "the venue"
    try:
        with trio.fail_after(_ANSWER_WITHIN_S):
            return await trio.to_thread.run_sync(call, *args, abandon_on_cancel=True)
    except trio.TooSlowError:
        raise Unreachable(f"{asked}: no answer in {_ANSWER_WITHIN_S:g} s") from None
    except VENUE_FAILURES as error:
        if (cause := find_local_cause(error)) is not None:
            raise LocalError(f"{asked} was not asked: {cause}") from error
        raise make_read_error(asked, error) from error


async def ask_for_pairs(base_url: str) -> SpotMeta:
    """Ask the venue for its pairs, and again where the answer cannot be used.

    Errors: VenueError, after a few tries.
    """
    for _ in range(PAIRS_TRIES - 1):
        try:
            return await _ask_for_pairs_once(base_url)
        except Busy:
            raise
        except VenueError:
            # The last error is reported, in one line.
            pass
        await trio.sleep(PAIRS_PAUSE_S)
    return await _ask_for_pairs_once(base_url)


async def _ask_for_pairs_once(base_url: str) -> SpotMeta:
    meta = await ask_at_start(fetch_spot_meta, base_url)
    log_left_out(meta)
    return meta


async def check_clock(info: Any, coin: str) -> None:
    """Refuse a clock too far from the venue's, or one not compared.

    Errors: ConfigError for a wrong clock, VenueError where several questions got no usable answer.
    """
    clock, _ = await _compare_clock(info, coin)
    refuse_skew(clock)


def refuse_skew(clock: VenueClock) -> None:
    """Refuse a clock too far from the venue's. Errors: ConfigError."""
    if (skew := clock.describe_skew()) is not None:
        raise ConfigError(skew)


async def _compare_clock(info: Any, coin: str) -> tuple[VenueClock, Callable[[], int]]:
    """Compare this machine's clock with the venue's; return the latter, and the calendar that it carries on.

    Errors: VenueError where several questions got no usable answer.
    """
    wall_ms = make_wall_clock()
    clock = VenueClock(wall_ms, wall_ms=read_machine_clock, now_s=trio.current_time, compares=True)
    client = VenueClient(info, address="", run_sync=trio.to_thread.run_sync, clock=clock)
    with client.waiting_while_busy():
        await client.compare_clock(coin)
    return clock, wall_ms


async def check_signer(info: Any, signer: str, account: str | None, *, network: str) -> None:
    """Refuse a key that may not trade for the account.

    For a sub-account that is its master's account; None for a vault, whose leader is not known.
    Errors: ConfigError for the account's own key on mainnet, Unreachable for a key that the venue refuses, and on
    mainnet for one of which it does not tell the role; ProtocolError.
    """
    if account is not None and is_master_key(signer, account):
        if network == "mainnet":
            raise ConfigError(find_own_key_fault(account))
        _log.warning("the key is the account's own; on mainnet only an agent's key is accepted")
        return
    answer = await _ask_role(info, signer, whose="key", is_needed=network == "mainnet")
    if answer is None:
        return
    role, master = wire.parse_role(answer)
    if (fault := find_key_fault(signer, role, master, account=account, network=network)) is not None:
        raise (ConfigError if account is None else Unreachable)(fault)


async def check_account(info: Any, market: MarketSettings, *, signer: str) -> AccountRole:
    """Refuse an address that is not an account to trade for, and name the right one where that is known.

    Return what the account is. Errors: ConfigError; Unreachable where the venue does not tell the role, on mainnet and
    for a sub-account or vault, whose master has to be known; ProtocolError.
    """
    account, network, is_vault = market.account, market.network, market.vault
    # A replica that lags may not know a new account yet, so one answer does not refuse it.
    for _ in range(ROLE_LOOKS):
        answer = await _ask_role(info, account, whose="account", is_needed=is_vault or network == "mainnet")
        if answer is None:
            return AccountRole(account=account, role="")
        role, owner = wire.parse_role(answer)
        known = AccountRole(account=account, role=role, owner=owner)
        if find_role_fault(known, network=network, is_vault=is_vault) is None:
            return known
        await trio.sleep(ROLE_PAUSE_S)
    known = replace(known, signers_master=await _find_master(info, signer))
    raise ConfigError(find_role_fault(known, network=network, is_vault=is_vault))


async def _find_master(info: Any, signer: str) -> str | None:
    """Find the account that our key is an agent of; None where the venue does not tell."""
    try:
        role, master = wire.parse_role(await ask_at_start(info.user_role, signer))
    except VenueError:
        return None
    return master if role == "agent" else None


async def warn_of_account(info: Any, market: MarketSettings) -> None:
    """Warn of an address that a maker would refuse to trade for.

    A plan sends nothing, and may be made before the account is funded. A venue that does not answer stops it later.
    """
    try:
        role, owner = wire.parse_role(await ask_at_start(info.user_role, market.account))
    except VenueError as error:
        _log.warning("role of the account not checked: %s", error)
        return
    known = AccountRole(account=market.account, role=role, owner=owner)
    if (fault := find_role_fault(known, network=market.network, is_vault=market.vault)) is not None:
        _log.warning("a maker would not start: reason=%s", fault)


async def _ask_role(info: Any, address: str, *, whose: str, is_needed: bool) -> Any:
    """Ask for the role of a key or of the account, a few times.

    Return None where the venue does not tell it and it is not needed. Errors: VenueError.
    """
    for n in range(1, ROLE_TRIES + 1):
        try:
            return await ask_at_start(info.user_role, address)
        except VenueError as error:
            if n < ROLE_TRIES:
                await trio.sleep(ROLE_PAUSE_S)
            elif is_needed:
                raise Unreachable(f"the role of the {whose} could not be checked: {error}") from error
            else:
                _log.warning("role not checked: of=%s error=%s; on mainnet the maker would not start", whose, error)
    return None


async def tell_account_mode(info: Any, account: str) -> None:
    """Tell the mode of the account, and what of it may be offered.

    A venue that does not tell it stops nobody: what is free is what its balances say.
    """
    try:
        mode = wire.parse_account_mode(await ask_at_start(info.query_user_abstraction_state, account))
    except (VenueError, LocalError) as error:
        _log.warning("account mode not known: %s; what is free is what the venue's balances say", error)
        return
    _log.info("account mode: %s; %s", mode, MODES.get(mode, "not known here: only its balances say what is free"))


async def look_at_key(info: Any, signer: str, *, owner: str) -> KeyLife:
    """Look when the key ends, and tell that.

    A venue that does not tell it stops nobody: the maker looks again.
    """
    life = KeyLife(signer, owner=owner)
    try:
        agents = wire.parse_agents(await ask_at_start(info.extra_agents, owner))
    except VenueError as error:
        _log.warning("end of the key not looked up: error=%s; the maker looks again in an hour", error)
        return life
    now_ms = read_machine_clock()
    news, days_left = life.on_listed(agents, now_ms=now_ms), life.compute_days_left(now_ms)
    if news is not None:
        log_key_news(news)
    elif days_left is None:
        _log.info("end of the key not told: address=%s; the venue lists agents with a name alone", life.address)
    else:
        _log.info("key ends: address=%s days_left=%.0f", life.address, days_left)
    return life


# --- All that a start asks at once ----------------------------------------------------------------


class AskedAhead:
    """The SDK's client, with answers that were asked for before a check needs them.

    Each is given once, or its error raised, and after that the venue is asked. So the checks keep their order, their
    words and their tries, whichever answer came first.
    """

    def __init__(self, info: Any) -> None:
        self._info = info
        self._given: dict[tuple[str, str], Callable[[], Any]] = {}

    async def ask(self, method: str, address: str) -> None:
        """Ask the venue of an address, once."""
        self._given[method, address] = await settle(partial(_ask_once, getattr(self._info, method), address))

    def user_role(self, user: str) -> Any:
        """Give the role of an address."""
        return self._give("user_role", user)

    def extra_agents(self, user: str) -> Any:
        """Give the named agents of an account."""
        return self._give("extra_agents", user)

    def _give(self, method: str, address: str) -> Any:
        give = self._given.pop((method, address), None)
        return getattr(self._info, method)(address) if give is None else give()


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstAnswers:
    """Answers to what a start asks for at once.

    `give_clock`, `give_network` and `give_rates` give theirs, or raise why there is none, in their turn.
    """

    spot_meta: SpotMeta
    pair: Market
    ahead: AskedAhead
    give_clock: Callable[[], tuple[VenueClock, Callable[[], int]]]
    give_network: Callable[[], str]
    give_rates: Callable[[], tuple[Decimal, Decimal] | None]

    def to_asked_before(self) -> AskedBefore:
        """Return what the maker need not ask for again. Errors: VenueError where the clocks were not compared."""
        clock, wall_ms = self.give_clock()
        try:
            rates = self.give_rates()
        except (VenueError, LocalError) as error:
            _log.info("fee rates not read: error=%s; the journal does without them", error)
            rates = None
        return AskedBefore(self.spot_meta, clock, wall_ms, rates)


async def ask_first(info: Any, market: MarketSettings, *, signer: str) -> FirstAnswers:
    """Ask at once for pairs, roles, clock, fee rates and the sandbox's name.

    Nothing but the pair is judged here. Errors: ConfigError for an unknown pair, VenueError where the pairs are not
    told.
    """
    ahead, pair_found = AskedAhead(info), trio.Event()
    pairs: list[Market] = []

    async def find() -> tuple[SpotMeta, Market]:
        meta = await ask_for_pairs(market.base_url)
        pairs.append(find_pair(meta, market))
        pair_found.set()
        return meta, pairs[0]

    async def compare() -> tuple[VenueClock, Callable[[], int]]:
        if market.coin.startswith(_PAIR_MARK) or market.coin == _OLDEST_PAIR:
            return await _compare_clock(info, market.coin)
        await pair_found.wait()
        return await _compare_clock(info, pairs[0].coin)

    (meta, pair), _, give_clock, give_network, give_rates = await call_together(
        find,
        partial(_ask_of_accounts, ahead, market, signer=signer),
        partial(settle, compare),
        partial(settle, partial(find_network, market)),
        partial(settle, partial(_ask_for_rates, info, market.account)),
    )
    return FirstAnswers(
        spot_meta=meta,
        pair=pair,
        ahead=ahead,
        give_clock=give_clock,
        give_network=give_network,
        give_rates=give_rates,
    )


async def _ask_of_accounts(ahead: AskedAhead, market: MarketSettings, *, signer: str) -> None:
    """Ask for the account's role, and for what tells of an agent's key.

    A sub-account or a vault has to be known before it is known whose agents may sign.
    """
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ahead.ask, "user_role", market.account)
        if not market.vault and not is_master_key(signer, market.account):
            nursery.start_soon(ahead.ask, "user_role", signer)
            nursery.start_soon(ahead.ask, "extra_agents", market.account)


async def _ask_for_rates(info: Any, account: str) -> tuple[Decimal, Decimal] | None:
    """Ask for the rates of maker and taker; None where that takes too long."""
    with trio.move_on_after(RATES_WITHIN_S):
        return wire.parse_spot_rates(await _ask_once(info.user_fees, account))
    return None


# --- Where the state of a network lies ------------------------------------------------------------


async def find_network(market: MarketSettings) -> str:
    """Find where below the state folder a network's folders lie.

    That is its name, and on a sandbox also the exchange that stands there now: accounts and ports are the same at every
    start, and an exchange that was started anew knows nothing of what a ledger tells. Errors: Unreachable.
    """
    if market.network != "sandbox":
        return market.network
    return f"{market.network}/{await ask_at_start(_fetch_instance, market.base_url)}"


def _fetch_instance(base_url: str) -> str:
    """Ask an exchange on loopback for its name.

    Another program than our sandbox has none, and is known by its address. Blocks. Errors: OSError.
    """
    place = urlsplit(base_url)
    with closing(HTTPConnection(place.hostname or "", place.port, timeout=_INSTANCE_WITHIN_S)) as connection:
        try:
            connection.request("GET", "/sandbox/instance")
            answer = connection.getresponse()
            body = answer.read(_INSTANCE_BYTES) if answer.status == 200 else b""
        except HTTPException:
            body = b""
    found = re.fullmatch(rb'\{"instance": ?"([0-9a-f]{16})"\}', body)
    return found[1].decode() if found else re.sub(r"[^A-Za-z0-9.-]", "-", place.netloc)
