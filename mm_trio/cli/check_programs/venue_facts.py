"""Facts of the venue: pair, account, key and itself. Questions alone, nothing is sent.

Each question has a deadline, and all of them together have one. A question without an answer costs its own fact.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any, TypeVar

import trio

from mm_trio.cli.alert_programs.channel_facts import NO_ALERTS, AlertFacts
from mm_trio.cli.check_programs.facts import AccountFacts, MarketFacts, QuestionFacts
from mm_trio.cli.check_programs.findings import Fact, Unknown, Verdict
from mm_trio.cli.programs.pair_facts import HIP2_ADDRESS
from mm_trio.concurrency.blocking_calls import RunSync
from mm_trio.config.keys import is_master_key
from mm_trio.config.settings import MarketSettings
from mm_trio.grids.schedule import read_machine_clock
from mm_trio.model.errors import Busy, ConfigError, VenueError
from mm_trio.model.market import Balances, Book, Market, SpotMeta
from mm_trio.model.replies import ListedAgent, OpenOrder
from mm_trio.planning.income import Fees
from mm_trio.venue import wire
from mm_trio.venue.rest_client import VenueClient
from mm_trio.venue.sdk import make_info
from mm_trio.witness.account_role import AccountRole
from mm_trio.witness.venue_clock import VenueClock

__all__ = ["ALL_QUESTIONS_S", "MOST_WEIGHT", "QUESTION_S", "Examiner", "VenueFacts", "ask_venue"]

_T = TypeVar("_T")

# All questions together, and each of them.
ALL_QUESTIONS_S, QUESTION_S = 40.0, 8.0
PAIRS_TRIES, PAIRS_PAUSE_S = 2, 0.5
# The most request weight: spotMeta twice 20, userRole twice 60, l2Book five times 2, six questions of 20 (mode, agents,
# orders, budget, fees, token), and two of 2 (balances, status).
MOST_WEIGHT = 294
# Why everything else is skipped; the reason itself is told once.
_UNREACHED = "the venue did not tell its pairs"
_ASK_AGAIN = "run `mm-trio doctor` again; where that stays, look at the venue's status and at this machine's network"


def _ignore(step: str) -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Examiner:
    """Means of an examination, and who is told its steps.

    `make_info` makes a client that knows these pairs; None: the SDK's. `of_account`: the configuration lists markets,
    which share a ledger and a guard. `alerts` were looked at before.
    """

    environ: Mapping[str, str]
    make_info: Callable[[SpotMeta], Any] | None = None
    run_sync: RunSync = trio.to_thread.run_sync
    clock_ms: Callable[[], int] = read_machine_clock
    on_step: Callable[[str], None] = _ignore
    of_account: bool = False
    alerts: AlertFacts = NO_ALERTS


@dataclass(frozen=True, slots=True)
class VenueFacts:
    """What the venue told."""

    market: MarketFacts
    account: AccountFacts
    questions: QuestionFacts


class _Asker:
    """Asks one question after the other, and tells each.

    `client` asks by `info`, an object of the SDK or of its shape.
    """

    def __init__(self, client: VenueClient, info: Any, *, on_step: Callable[[str], None], until_s: float) -> None:
        self.client = client
        self.info = info
        self._on_step = on_step
        self._until_s = until_s
        self.unreached: str | None = None
        self.n_busy = 0

    def use(self, client: VenueClient, info: Any) -> None:
        """Ask by another client from here on.

        The weight used so far counts on.
        """
        now_s = trio.current_time()
        client.weight.on_request(self.client.weight.used(now_s), now_s=now_s)
        self.client, self.info = client, info

    async def ask(self, name: str, question: Callable[[], Awaitable[_T]]) -> Fact[_T]:
        """Return the answer, or why there is none."""
        if self.unreached is not None:
            return Unknown(_UNREACHED, verdict=Verdict.SKIP)
        self._on_step(name)
        with trio.move_on_at(self._until_s):
            try:
                return await question()
            except Busy as error:
                self.n_busy += 1
                return Unknown(str(error), "wait a minute, then run `mm-trio doctor` again")
            except VenueError as error:
                return Unknown(str(error), _ASK_AGAIN)
        return Unknown(f"not answered within the {ALL_QUESTIONS_S:g} s of all questions", _ASK_AGAIN)


async def ask_venue(market: MarketSettings, signer: Fact[str], *, examiner: Examiner) -> VenueFacts:
    """Ask the venue everything that a check needs.

    The weight is `MOST_WEIGHT` at most.
    """
    make_a_client = examiner.make_info or partial(make_info, market.base_url)
    bare = make_a_client(SpotMeta((), ()))
    make_client = partial(VenueClient, address=market.account, run_sync=examiner.run_sync, read_timeout_s=QUESTION_S)
    until_s = trio.current_time() + ALL_QUESTIONS_S
    asker = _Asker(make_client(bare), bare, on_step=examiner.on_step, until_s=until_s)
    raw = await asker.ask("pairs", partial(_ask_for_pairs, asker))
    meta: Fact[SpotMeta]
    if isinstance(raw, Unknown):
        asker.unreached, meta = raw.why, raw
    else:
        meta = wire.parse_spot_meta(raw)
        info = make_a_client(meta)
        asker.use(make_client(info, clock=VenueClock(examiner.clock_ms, now_s=trio.current_time, compares=True)), info)
    pair = _find_pair(meta, market)
    told_market = await _ask_of_market(asker, pair, meta=meta, raw=raw)
    told_account = await _ask_of_account(asker, market, pair=pair, signer=signer)
    weight = asker.client.weight.used(trio.current_time())
    return VenueFacts(
        told_market, told_account, QuestionFacts(weight=weight, n_busy=asker.n_busy, unreached=asker.unreached)
    )


async def _ask_for_pairs(asker: _Asker) -> Any:
    """Ask for spotMeta, and return it as it is.

    It is asked for again where the answer cannot be used. Errors: VenueError.
    """
    for n in range(1, PAIRS_TRIES + 1):
        try:
            raw = await asker.client.ask(asker.info.spot_meta)
            wire.parse_spot_meta(raw)
            return raw
        except Busy:
            raise
        except VenueError:
            if n == PAIRS_TRIES:
                raise
        await trio.sleep(PAIRS_PAUSE_S)
    raise AssertionError("the loop returns or raises")


def _find_pair(meta: Fact[SpotMeta], market: MarketSettings) -> Fact[Market]:
    if isinstance(meta, Unknown):
        return Unknown(_UNREACHED, verdict=Verdict.SKIP)
    try:
        return wire.find_market(meta, market.coin)
    except ConfigError as error:
        return Unknown(str(error), "put the pair's name into [market] coin", Verdict.FAIL)
    except VenueError as error:
        return Unknown(str(error), _ASK_AGAIN)


# --- The market -------------------------------------------------------------------------------


async def _ask_of_market(asker: _Asker, pair: Fact[Market], *, meta: Fact[SpotMeta], raw: Any) -> MarketFacts:
    no_pair = Unknown("the pair is not known", verdict=Verdict.SKIP)
    book: Fact[Book] = no_pair
    skew: Fact[str | None] = no_pair
    token_id: Fact[str | None] = no_pair
    hip2: Fact[tuple[Decimal, Decimal]] = no_pair
    if not isinstance(pair, Unknown):
        client = asker.client
        compared = await asker.ask("clock and book", partial(client.compare_clock, pair.coin))
        skew = compared if isinstance(compared, Unknown) else client.clock.describe_skew()
        book = client.books.get(pair.coin) or Unknown("the book could not be read", _ASK_AGAIN)
        token_id = _find_token_id(raw, pair)
        hip2 = Unknown("the venue tells no id of the token", verdict=Verdict.SKIP)
        if isinstance(token_id, str):
            hip2 = await asker.ask("token", partial(_ask_for_hip2, asker, token_id))
    return MarketFacts(
        meta=meta,
        market=pair,
        token_id=token_id,
        book=book,
        skew=skew,
        status=await asker.ask("status of the exchange", partial(_ask_for_status, asker)),
        hip2=hip2,
    )


def _find_token_id(raw: Any, pair: Market) -> Fact[str | None]:
    try:
        return wire.parse_token_id(raw, pair.base.index)
    except VenueError as error:
        return Unknown(str(error), _ASK_AGAIN)


async def _ask_for_hip2(asker: _Asker, token_id: str) -> tuple[Decimal, Decimal]:
    def token_details() -> Any:
        return asker.info.post("/info", {"type": "tokenDetails", "tokenId": token_id})

    return wire.parse_hip2_funds(await asker.client.ask(token_details), HIP2_ADDRESS)


async def _ask_for_status(asker: _Asker) -> str | None:
    def exchange_status() -> Any:
        return asker.info.post("/info", {"type": "exchangeStatus"})

    return wire.parse_exchange_status(await asker.client.ask(exchange_status))


# --- The account ------------------------------------------------------------------------------


async def _ask_of_account(
    asker: _Asker, market: MarketSettings, *, pair: Fact[Market], signer: Fact[str]
) -> AccountFacts:
    client = asker.client
    role = await asker.ask("role of the account", partial(_ask_for_role, client, market.account))
    agents: Fact[tuple[ListedAgent, ...]] = Unknown(
        "who approves the account's keys is not known", verdict=Verdict.SKIP
    )
    if not isinstance(role, Unknown) and role.approver is not None:
        agents = await asker.ask("agents", partial(client.fetch_agents, role.approver))
    balances: Fact[Balances] = Unknown("the pair is not known", verdict=Verdict.SKIP)
    orders: Fact[tuple[OpenOrder, ...]] = Unknown("the pair is not known", verdict=Verdict.SKIP)
    if not isinstance(pair, Unknown):
        balances = await asker.ask("balances", partial(client.fetch_balances, pair))
        orders = await asker.ask("open orders", partial(client.fetch_open_orders, pair))
    return AccountFacts(
        role=role,
        key_role=await _ask_of_key(asker, signer, role=role, agents=agents),
        agents=agents,
        mode=await asker.ask("account mode", partial(_ask_for_mode, asker, market.account)),
        balances=balances,
        orders=orders,
        budget=await asker.ask("request budget", client.fetch_budget),
        fees=await asker.ask("fees", partial(_ask_for_fees, asker, market.account)),
    )


async def _ask_for_role(client: VenueClient, address: str) -> AccountRole:
    role, owner = await client.fetch_role(address)
    return AccountRole(account=address, role=role, owner=owner)


async def _ask_of_key(
    asker: _Asker, signer: Fact[str], *, role: Fact[AccountRole], agents: Fact[tuple[ListedAgent, ...]]
) -> Fact[tuple[str, str | None]]:
    """Find the role of the key.

    The question is dear, and spared where another answer has it.
    """
    if isinstance(signer, Unknown):
        return Unknown("the signing key is not known", verdict=Verdict.SKIP)
    if not isinstance(role, Unknown) and role.approver is not None:
        if is_master_key(signer, role.approver):
            return "user", None
        if not isinstance(agents, Unknown) and any(agent.address == signer for agent in agents):
            return "agent", role.approver
    return await asker.ask("role of the key", partial(asker.client.fetch_role, signer))


async def _ask_for_mode(asker: _Asker, account: str) -> str:
    return wire.parse_account_mode(await asker.client.ask(asker.info.query_user_abstraction_state, account))


async def _ask_for_fees(asker: _Asker, account: str) -> Fees:
    maker, taker = wire.parse_spot_rates(await asker.client.ask(asker.info.user_fees, account))
    return Fees(maker, taker)
