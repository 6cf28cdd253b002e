"""The `/info` questions: which there are, how their parameters are read, who answers them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from mm_trio.sandbox import answers
from mm_trio.sandbox.exchange import Exchange

__all__ = ["UNREADABLE", "BadRequest", "answer_question", "read_user"]

UNREADABLE = "Failed to deserialize the JSON body into the target type"

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_CLOID = re.compile(r"0x[0-9a-fA-F]{32}")

Request = Mapping[str, object]


class BadRequest(Exception):
    """An answer below the level of the protocol: an HTTP status and a body to send as it is."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(f"HTTP {status}: {body}")
        self.status = status
        self.body = body


def answer_question(exchange: Exchange, request: object, *, now_ms: int) -> object:
    """The JSON answer to the body of a `/info` request.

    Errors: BadRequest 422 for an unknown type or a malformed parameter, 500 `null` for an aggregation
    of the book (not offered here, though the venue does).
    """
    if not isinstance(request, dict) or not isinstance(kind := request.get("type"), str):
        raise BadRequest(422, UNREADABLE)
    if kind in _FIXED:
        return _FIXED[kind](exchange)
    if kind in _OF_USER:
        return _OF_USER[kind](exchange, read_user(request.get("user")), request)
    if kind == "l2Book":
        return _l2_book(exchange, request, now_ms)
    if kind == "webData2":
        return answers.web_data2(exchange, read_user(request.get("user")), now_ms=now_ms)
    raise BadRequest(422, UNREADABLE)


def read_user(value: object) -> str:
    """An address of any letter case, in lower case. Errors: BadRequest 422."""
    if not isinstance(value, str) or not _ADDRESS.fullmatch(value):
        raise BadRequest(422, UNREADABLE)
    return value.lower()


def _integer(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadRequest(422, UNREADABLE)
    return value


def _order_key(value: object) -> int | str:
    if not isinstance(value, str):
        return _integer(value)
    if not _CLOID.fullmatch(value):
        raise BadRequest(422, UNREADABLE)
    return value.lower()


def _fills_by_time(exchange: Exchange, user: str, request: Request) -> object:
    end = request.get("endTime")
    return answers.fills_by_time(
        exchange,
        user,
        start_ms=_integer(request.get("startTime")),
        end_ms=None if end is None else _integer(end),
    )


def _l2_book(exchange: Exchange, request: Request, now_ms: int) -> object:
    coin = request.get("coin")
    if not isinstance(coin, str):
        raise BadRequest(422, UNREADABLE)
    if request.get("nSigFigs") is not None or request.get("mantissa") is not None:
        raise BadRequest(500, "null")
    try:
        return answers.l2_book(exchange, coin, now_ms=now_ms)
    except KeyError:
        return None


_FIXED: dict[str, Callable[[Exchange], object]] = {
    "spotMeta": lambda exchange: exchange.markets.spot_meta(),
    "spotMetaAndAssetCtxs": answers.spot_meta_and_ctxs,
    "meta": lambda exchange: {"universe": []},  # no perps
    "metaAndAssetCtxs": lambda exchange: [{"universe": []}, []],
    "perpDexs": lambda exchange: [None],
    "allMids": answers.all_mids,
}

_OF_USER: dict[str, Callable[[Exchange, str, Request], object]] = {
    "openOrders": lambda exchange, user, request: answers.open_orders(exchange, user),
    "frontendOpenOrders": lambda exchange, user, request: answers.frontend_open_orders(exchange, user),
    "spotClearinghouseState": lambda exchange, user, request: answers.spot_state(exchange, user),
    "clearinghouseState": lambda exchange, user, request: answers.perp_state(),
    "userFills": lambda exchange, user, request: answers.fills_newest_first(exchange, user),
    "userFillsByTime": _fills_by_time,
    "orderStatus": lambda exchange, user, request: answers.order_status(exchange, user, _order_key(request.get("oid"))),
    "historicalOrders": lambda exchange, user, request: answers.historical_orders(exchange, user),
    "userRateLimit": lambda exchange, user, request: answers.user_rate_limit(exchange, user),
    "userFees": lambda exchange, user, request: answers.user_fees(exchange),
    "userRole": lambda exchange, user, request: {"role": "user" if answers.is_known(exchange, user) else "missing"},
    "extraAgents": lambda exchange, user, request: [],
    "subAccounts": lambda exchange, user, request: None,
    "userAbstraction": lambda exchange, user, request: "disabled",
}
