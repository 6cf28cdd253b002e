"""Dispatch of `/info` requests by their `type`.

A request is a JSON object with a `type`. Parameters that the type does not use are ignored.
"""

from __future__ import annotations

from collections.abc import Callable

from mm_trio.sandbox.info import account_answers as answers
from mm_trio.sandbox.info import empty_answers, fee_answers, market_answers
from mm_trio.sandbox.info.aggregation import is_aggregation
from mm_trio.sandbox.info.candles import INTERVALS
from mm_trio.sandbox.info.question import BadRequest, Question, unreadable
from mm_trio.sandbox.matching.exchange import Exchange
from mm_trio.sandbox.model.agents import Agents

__all__ = ["answer_question"]


def answer_question(exchange: Exchange, request: object, *, now_ms: int, agents: Agents | None = None) -> object:
    """Answer the body of an `/info` request with JSON.

    `agents` are the known approvals; None means that there are none.
    Errors: BadRequest 422 for an unknown type or a malformed parameter; 500 `null` for a parameter that is well
    formed and names something that does not exist.
    """
    if not isinstance(request, dict) or not isinstance(kind := request.get("type"), str) or kind not in _KINDS:
        raise unreadable()
    return _KINDS[kind](Question(exchange, agents or Agents(), request, now_ms))


def _open_orders(question: Question) -> object:
    question.require_main_dex()
    return answers.open_orders(question.exchange, question.user())


def _frontend_open_orders(question: Question) -> object:
    question.require_main_dex()
    return answers.frontend_open_orders(question.exchange, question.user())


def _fills(question: Question) -> object:
    return answers.fills_newest_first(question.exchange, question.user(), aggregate=question.flag("aggregateByTime"))


def _fills_by_time(question: Question) -> object:
    return answers.fills_by_time(
        question.exchange,
        question.user(),
        start_ms=question.integer("startTime"),
        end_ms=question.maybe_integer("endTime"),
        aggregate=question.flag("aggregateByTime"),
        newest_first=question.flag("reversed"),
    )


def _order_status(question: Question) -> object:
    key = question.hex_128("oid") if isinstance(question.body.get("oid"), str) else question.integer("oid")
    return answers.order_status(question.exchange, question.user(), key)


def _ledger_updates(question: Question) -> object:
    start_ms, end_ms = question.maybe_integer("startTime"), question.maybe_integer("endTime")
    return answers.ledger_updates(question.exchange, question.user(), start_ms=start_ms or 0, end_ms=end_ms)


def _l2_book(question: Question) -> object:
    coin, sig_figs, mantissa = (
        question.text("coin"),
        question.maybe_integer("nSigFigs"),
        question.maybe_integer("mantissa"),
    )
    if not is_aggregation(sig_figs, mantissa):
        raise BadRequest(500, "null")
    if not _is_listed(question, coin):
        return None
    return answers.l2_book(question.exchange, coin, now_ms=question.now_ms, sig_figs=sig_figs, mantissa=mantissa)


def _recent_trades(question: Question) -> object:
    coin = question.text("coin")
    return market_answers.recent_trades(question.exchange, coin) if _is_listed(question, coin) else None


def _candles(question: Question) -> object:
    """Answer `candleSnapshot`.

    An unknown interval is answered with 422 and an unknown pair with 500, as decided here.
    """
    req = question.nested("req")
    coin, interval = req.text("coin"), req.text("interval")
    start_ms, end_ms = req.integer("startTime"), req.maybe_integer("endTime")
    if interval not in INTERVALS:
        raise unreadable()
    if not _is_listed(question, coin):
        raise BadRequest(500, "null")
    end_ms = question.now_ms if end_ms is None else min(end_ms, question.now_ms)
    return market_answers.candle_snapshot(question.exchange, coin, interval, start_ms=start_ms, end_ms=end_ms)


def _is_listed(question: Question, coin: str) -> bool:
    return any(pair.name == coin for pair in question.exchange.markets.pairs)


def _token_details(question: Question) -> object:
    details = market_answers.token_details(question.exchange, question.hex_128("tokenId"), now_ms=question.now_ms)
    if details is None:
        raise BadRequest(500, "null")
    return details


def _all_mids(question: Question) -> object:
    question.require_main_dex()
    return answers.all_mids(question.exchange)


def _meta(question: Question) -> object:
    question.require_main_dex()
    return empty_answers.PERP_META


def _perp_asset(question: Question) -> object:
    """Refuse `activeAssetData`: of the one perp here, nobody may have any."""
    question.user()
    question.text("coin")
    raise BadRequest(500, "null")


def _margin_table(question: Question) -> object:
    if question.integer("id") != empty_answers.MARGIN_TABLE_ID:
        raise BadRequest(500, "null")
    return empty_answers.MARGIN_TABLE


def _no_such_token(question: Question) -> object:
    """Refuse a question about a token that can be lent, or is aligned."""
    question.integer("token")
    raise BadRequest(500, "null")


def _perp_state(question: Question) -> object:
    question.require_main_dex()
    question.user()
    return answers.perp_state(now_ms=question.now_ms)


def _role(question: Question) -> object:
    user = question.user()
    agent = question.agents.find(user, now_ms=question.now_ms)
    if agent is not None:
        return {"role": "agent", "data": {"user": agent.master}}
    sub_account = question.agents.sub_accounts.find(user)
    if sub_account is not None:
        return (
            {"role": "vault"}
            if sub_account.is_vault
            else {"role": "subAccount", "data": {"master": sub_account.master}}
        )
    return {"role": "user" if answers.is_known(question.exchange, user) else "missing"}


def _extra_agents(question: Question) -> object:
    """Answer `extraAgents` with the agents that have a name."""
    named = question.agents.named(question.user(), now_ms=question.now_ms)
    return [{"name": a.name, "address": a.address, "validUntil": a.valid_until_ms} for a in named]


def _sub_accounts(question: Question) -> object:
    """Answer `subAccounts`; null for an account that has none."""
    of_user = question.agents.sub_accounts.of(question.user())
    return [
        {
            "subAccountUser": each.address,
            "name": each.name,
            "master": each.master,
            "clearinghouseState": answers.perp_state(now_ms=question.now_ms),
            "spotState": answers.spot_state(question.exchange, each.address),
        }
        for each in of_user
    ] or None


def _same_for_all(answer: object) -> Callable[[Question], object]:
    """Make a handler with one answer for all addresses."""

    def answer_for(question: Question) -> object:
        question.user()
        return answer

    return answer_for


def _no_rows(question: Question) -> object:
    """Answer a time-span request with no rows."""
    question.user()
    question.maybe_integer("startTime")
    question.maybe_integer("endTime")
    return []


def _transfer_check(question: Question) -> object:
    question.user("source")
    return empty_answers.transfer_check(question.exchange, question.user())


def _funding_history(question: Question) -> object:
    question.text("coin")
    question.integer("startTime")
    question.maybe_integer("endTime")
    return []  # Only perps pay funding.


_KINDS: dict[str, Callable[[Question], object]] = {
    # Markets.
    "spotMeta": lambda question: question.exchange.markets.spot_meta(),
    "spotMetaAndAssetCtxs": lambda question: market_answers.spot_meta_and_ctxs(
        question.exchange, now_ms=question.now_ms
    ),
    "tokenDetails": _token_details,
    "allMids": _all_mids,
    "l2Book": _l2_book,
    "recentTrades": _recent_trades,
    "candleSnapshot": _candles,
    "exchangeStatus": lambda question: {"time": question.now_ms, "specialStatuses": None},
    # One account.
    "openOrders": _open_orders,
    "frontendOpenOrders": _frontend_open_orders,
    "orderStatus": _order_status,
    "historicalOrders": lambda question: answers.historical_orders(question.exchange, question.user()),
    "userFills": _fills,
    "userFillsByTime": _fills_by_time,
    "spotClearinghouseState": lambda question: answers.spot_state(question.exchange, question.user()),
    "userRateLimit": lambda question: answers.user_rate_limit(question.exchange, question.user()),
    "userFees": lambda question: fee_answers.user_fees(question.exchange, question.user(), now_ms=question.now_ms),
    "userRole": _role,
    "extraAgents": _extra_agents,
    "subAccounts": _sub_accounts,
    "userNonFundingLedgerUpdates": _ledger_updates,
    "portfolio": lambda question: empty_answers.portfolio(question.exchange, question.user(), now_ms=question.now_ms),
    "referral": lambda question: empty_answers.referral(question.exchange, question.user()),
    "maxBuilderFee": lambda question: question.agents.builder_rate(question.user(), question.user("builder")),
    "approvedBuilders": lambda question: question.agents.builders(question.user()),
    "webData2": lambda question: answers.web_data2(question.exchange, question.user(), now_ms=question.now_ms),
    # A spot exchange without staking and shares of vaults has fixed answers to these.
    "meta": _meta,
    "allPerpMetas": lambda question: [empty_answers.PERP_META],
    "outcomeMeta": lambda question: {"outcomes": [], "questions": []},
    "perpCategories": lambda question: [],
    "perpConciseAnnotations": lambda question: [],
    "perpsAtOpenInterestCap": lambda question: [],
    "predictedFundings": lambda question: [],
    "maxMarketOrderNtls": lambda question: [],
    "liquidatable": lambda question: [],
    "perpDexLimits": lambda question: None,
    "perpDexStatus": lambda question: {"totalNetDeposit": "0.0"},
    "perpAnnotation": lambda question: None,
    "activeAssetData": _perp_asset,
    "marginTable": _margin_table,
    "alignedQuoteTokenInfo": _no_such_token,
    "borrowLendReserveState": _no_such_token,
    "metaAndAssetCtxs": lambda question: [empty_answers.PERP_META, [empty_answers.PERP_CONTEXT]],
    "perpDexs": lambda question: [None],
    "clearinghouseState": _perp_state,
    "fundingHistory": _funding_history,
    "userFunding": _no_rows,
    "subAccounts2": _same_for_all(None),
    "userToMultiSigSigners": _same_for_all(None),
    "userAbstraction": lambda question: answers.abstraction(question.exchange, question.user()),
    "userDexAbstraction": _same_for_all(False),
    "userTwapSliceFills": _no_rows,
    "userTwapSliceFillsByTime": _no_rows,
    "twapHistory": _no_rows,
    "userVaultEquities": _same_for_all([]),
    "leadingVaults": _same_for_all([]),
    "vaultSummaries": lambda question: [],
    "vaultDetails": lambda question: None,
    "isVip": _same_for_all(False),
    "legalCheck": _same_for_all(empty_answers.ALLOWED),
    "preTransferCheck": _transfer_check,
    "userBorrowLendInterest": _no_rows,
    "borrowLendUserState": _same_for_all(empty_answers.NO_LOANS),
    "allBorrowLendReserveStates": lambda question: [],
    "delegations": _same_for_all([]),
    "delegatorRewards": _same_for_all([]),
    "delegatorHistory": _same_for_all([]),
    "delegatorSummary": _same_for_all(empty_answers.NO_STAKE),
    "validatorSummaries": lambda question: [],
    "validatorL1Votes": lambda question: [],
    "gossipRootIps": lambda question: [],
    "spotPairDeployAuctionStatus": lambda question: empty_answers.NO_AUCTION,
    "perpDeployAuctionStatus": lambda question: empty_answers.NO_AUCTION,
    "spotDeployState": _same_for_all({"states": [], "gasAuction": empty_answers.NO_AUCTION}),
}
