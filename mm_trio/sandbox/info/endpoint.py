"""The `/info` questions: which there are, how their parameters are read, who answers them.

A question is a JSON object with a `type`; parameters that a type does not know are ignored.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mm_trio.sandbox.info import account_answers as answers
from mm_trio.sandbox.info import empty_answers as plain_answers
from mm_trio.sandbox.info import fee_answers, market_answers
from mm_trio.sandbox.info.aggregation import is_aggregation
from mm_trio.sandbox.info.candles import INTERVALS
from mm_trio.sandbox.matching.exchange import Exchange
from mm_trio.sandbox.model.agents import Agents

__all__ = ["UNREADABLE", "BadRequest", "answer_question", "read_user"]

UNREADABLE = "Failed to deserialize the JSON body into the target type"

_ADDRESS = re.compile(r"(0x)?[0-9a-fA-F]{40}")  # measured: the prefix may be left out
_HEX_128 = re.compile(r"0x[0-9a-fA-F]{32}")
_U64 = 1 << 64


class BadRequest(Exception):
    """An answer below the level of the protocol: an HTTP status and a body to send as it is."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(f"HTTP {status}: {body}")
        self.status = status
        self.body = body


@dataclass(frozen=True, slots=True)
class Ask:
    """One question: of what exchange, at what time. Its methods read a parameter. Errors of all: BadRequest."""

    exchange: Exchange
    agents: Agents
    body: Mapping[str, object]
    now_ms: int

    def user(self, name: str = "user") -> str:
        return read_user(self.body.get(name))

    def integer(self, name: str) -> int:
        value = self.maybe_integer(name)
        if value is None:
            raise _unreadable()
        return value

    def maybe_integer(self, name: str) -> int | None:
        """None for null, and for a parameter that is not there."""
        value = self.body.get(name)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _U64:
            raise _unreadable()
        return value

    def flag(self, name: str) -> bool:
        value = self.body.get(name)
        if value is not None and not isinstance(value, bool):
            raise _unreadable()
        return bool(value)

    def text(self, name: str) -> str:
        value = self.body.get(name)
        if not isinstance(value, str):
            raise _unreadable()
        return value

    def hex_128(self, name: str) -> str:
        """A cloid or a token id, in lower case."""
        value = self.text(name)
        if not _HEX_128.fullmatch(value):
            raise _unreadable()
        return value.lower()

    def main_dex(self) -> None:
        """Perps of builders have a `dex`; there are none here. What the venue says of one it does not know: decided."""
        if self.body.get("dex") is not None and self.text("dex"):
            raise BadRequest(500, "null")

    def inner(self, name: str) -> Ask:
        """The parameters that are one level deeper."""
        value = self.body.get(name)
        if not isinstance(value, dict):
            raise _unreadable()
        return Ask(self.exchange, self.agents, value, self.now_ms)


def answer_question(exchange: Exchange, request: object, *, now_ms: int, agents: Agents | None = None) -> object:
    """The JSON answer to the body of a `/info` request.

    `agents` are the approvals that are known at the door; without them there are none.
    Errors: BadRequest 422 for an unknown type or a malformed parameter, 500 `null` for one that reads well and
    names nothing that there is.
    """
    if not isinstance(request, dict) or not isinstance(kind := request.get("type"), str) or kind not in _KINDS:
        raise _unreadable()
    return _KINDS[kind](Ask(exchange, agents or Agents(), request, now_ms))


def read_user(value: object) -> str:
    """An address of any letter case, in lower case. Errors: BadRequest 422."""
    if not isinstance(value, str) or not _ADDRESS.fullmatch(value):
        raise _unreadable()
    return f"0x{value.lower().removeprefix('0x')}"


def _unreadable() -> BadRequest:
    return BadRequest(422, UNREADABLE)


def _open_orders(ask: Ask) -> object:
    ask.main_dex()
    return answers.open_orders(ask.exchange, ask.user())


def _frontend_open_orders(ask: Ask) -> object:
    ask.main_dex()
    return answers.frontend_open_orders(ask.exchange, ask.user())


def _fills(ask: Ask) -> object:
    return answers.fills_newest_first(ask.exchange, ask.user(), aggregate=ask.flag("aggregateByTime"))


def _fills_by_time(ask: Ask) -> object:
    return answers.fills_by_time(
        ask.exchange,
        ask.user(),
        start_ms=ask.integer("startTime"),
        end_ms=ask.maybe_integer("endTime"),
        aggregate=ask.flag("aggregateByTime"),
        newest_first=ask.flag("reversed"),
    )


def _order_status(ask: Ask) -> object:
    key = ask.hex_128("oid") if isinstance(ask.body.get("oid"), str) else ask.integer("oid")
    return answers.order_status(ask.exchange, ask.user(), key)


def _ledger_updates(ask: Ask) -> object:
    start_ms, end_ms = ask.maybe_integer("startTime"), ask.maybe_integer("endTime")
    return answers.ledger_updates(ask.exchange, ask.user(), start_ms=start_ms or 0, end_ms=end_ms)


def _l2_book(ask: Ask) -> object:
    coin, sig_figs, mantissa = ask.text("coin"), ask.maybe_integer("nSigFigs"), ask.maybe_integer("mantissa")
    if not is_aggregation(sig_figs, mantissa):
        raise BadRequest(500, "null")
    if not _is_listed(ask, coin):
        return None
    return answers.l2_book(ask.exchange, coin, now_ms=ask.now_ms, sig_figs=sig_figs, mantissa=mantissa)


def _recent_trades(ask: Ask) -> object:
    coin = ask.text("coin")
    return market_answers.recent_trades(ask.exchange, coin) if _is_listed(ask, coin) else None


def _candles(ask: Ask) -> object:
    """An interval that is none is 422, a pair that is none 500: decided here."""
    req = ask.inner("req")
    coin, interval = req.text("coin"), req.text("interval")
    start_ms, end_ms = req.integer("startTime"), req.maybe_integer("endTime")
    if interval not in INTERVALS:
        raise _unreadable()
    if not _is_listed(ask, coin):
        raise BadRequest(500, "null")
    end_ms = ask.now_ms if end_ms is None else min(end_ms, ask.now_ms)
    return market_answers.candle_snapshot(ask.exchange, coin, interval, start_ms=start_ms, end_ms=end_ms)


def _is_listed(ask: Ask, coin: str) -> bool:
    return any(pair.name == coin for pair in ask.exchange.markets.pairs)


def _token_details(ask: Ask) -> object:
    details = market_answers.token_details(ask.exchange, ask.hex_128("tokenId"), now_ms=ask.now_ms)
    if details is None:
        raise BadRequest(500, "null")
    return details


def _all_mids(ask: Ask) -> object:
    ask.main_dex()
    return answers.all_mids(ask.exchange)


def _meta(ask: Ask) -> object:
    ask.main_dex()
    return {"universe": []}  # no perps


def _perp_state(ask: Ask) -> object:
    ask.main_dex()
    ask.user()
    return answers.perp_state(now_ms=ask.now_ms)


def _role(ask: Ask) -> object:
    user = ask.user()
    agent = ask.agents.find(user, now_ms=ask.now_ms)
    if agent is not None:
        return {"role": "agent", "data": {"user": agent.master}}
    return {"role": "user" if answers.is_known(ask.exchange, user) else "missing"}


def _extra_agents(ask: Ask) -> object:
    """Those with a name."""
    named = ask.agents.named(ask.user(), now_ms=ask.now_ms)
    return [{"name": a.name, "address": a.address, "validUntil": a.valid_until_ms} for a in named]


def _of_user(answer: object) -> Callable[[Ask], object]:
    """The same for every address."""

    def ask_for(ask: Ask) -> object:
        ask.user()
        return answer

    return ask_for


def _no_rows(ask: Ask) -> object:
    """Of a span of time."""
    ask.user()
    ask.maybe_integer("startTime")
    ask.maybe_integer("endTime")
    return []


def _funding_history(ask: Ask) -> object:
    ask.text("coin")
    ask.integer("startTime")
    ask.maybe_integer("endTime")
    return []  # only perps pay funding


_KINDS: dict[str, Callable[[Ask], object]] = {
    # markets
    "spotMeta": lambda ask: ask.exchange.markets.spot_meta(),
    "spotMetaAndAssetCtxs": lambda ask: market_answers.spot_meta_and_ctxs(ask.exchange, now_ms=ask.now_ms),
    "tokenDetails": _token_details,
    "allMids": _all_mids,
    "l2Book": _l2_book,
    "recentTrades": _recent_trades,
    "candleSnapshot": _candles,
    "exchangeStatus": lambda ask: {"time": ask.now_ms, "specialStatuses": None},
    # an account
    "openOrders": _open_orders,
    "frontendOpenOrders": _frontend_open_orders,
    "orderStatus": _order_status,
    "historicalOrders": lambda ask: answers.historical_orders(ask.exchange, ask.user()),
    "userFills": _fills,
    "userFillsByTime": _fills_by_time,
    "spotClearinghouseState": lambda ask: answers.spot_state(ask.exchange, ask.user()),
    "userRateLimit": lambda ask: answers.user_rate_limit(ask.exchange, ask.user()),
    "userFees": lambda ask: fee_answers.user_fees(ask.exchange, ask.user(), now_ms=ask.now_ms),
    "userRole": _role,
    "extraAgents": _extra_agents,
    "userNonFundingLedgerUpdates": _ledger_updates,
    "portfolio": lambda ask: plain_answers.portfolio(ask.exchange, ask.user(), now_ms=ask.now_ms),
    "referral": lambda ask: plain_answers.referral(ask.exchange, ask.user()),
    "maxBuilderFee": lambda ask: ask.agents.builder_rate(ask.user(), ask.user("builder")),
    "approvedBuilders": lambda ask: ask.agents.builders(ask.user()),
    "webData2": lambda ask: answers.web_data2(ask.exchange, ask.user(), now_ms=ask.now_ms),
    # what a spot exchange without staking, vaults and sub-accounts has nothing to say about
    "meta": _meta,
    "metaAndAssetCtxs": lambda ask: [{"universe": []}, []],
    "perpDexs": lambda ask: [None],
    "clearinghouseState": _perp_state,
    "fundingHistory": _funding_history,
    "userFunding": _no_rows,
    "subAccounts": _of_user(None),
    "userToMultiSigSigners": _of_user(None),
    "userAbstraction": _of_user("disabled"),
    "userDexAbstraction": _of_user(False),
    "userTwapSliceFills": _no_rows,
    "userTwapSliceFillsByTime": _no_rows,
    "twapHistory": _no_rows,
    "userVaultEquities": _of_user([]),
    "delegations": _of_user([]),
    "delegatorRewards": _of_user([]),
    "delegatorHistory": _of_user([]),
    "delegatorSummary": _of_user(plain_answers.NO_STAKE),
    "perpDeployAuctionStatus": lambda ask: plain_answers.NO_AUCTION,
    "spotDeployState": _of_user({"states": [], "gasAuction": plain_answers.NO_AUCTION}),
}
