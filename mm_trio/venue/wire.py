"""JSON <-> model: the sole home of the venue's field names and texts.

Reads what it is given and refuses to guess: what cannot be read is a `ProtocolError` with the field's path.
Source: Hyperliquid API documentation (info endpoint, exchange endpoint, websocket), as seen in 2026.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

from mm_trio.model.errors import ConfigError, ProtocolError
from mm_trio.model.market import Balances, Market, Token
from mm_trio.model.orders import DesiredOrder, Side
from mm_trio.model.replies import Fill, OpenOrder, OrderStatus, OrderUpdate

__all__ = [
    "FEEDS",
    "HEARTBEAT_FEED",
    "RETIRED_FEED",
    "Rows",
    "encode_cancel",
    "encode_order",
    "is_snapshot",
    "newest_fill_ms",
    "parse_balances",
    "parse_book_time",
    "parse_fills",
    "parse_market",
    "parse_open_orders",
    "parse_order_status",
    "parse_rate_limit",
    "read_balance_message",
    "read_fill_message",
    "read_update_message",
    "to_sdk_float",
]

_T = TypeVar("_T")
_SPOT_ASSET_BASE = 10_000
_MOST_DIGITS = 20  # before or behind the point
_SIDES: dict[str, Side] = {"B": "buy", "A": "sell"}
# every other status ends an order; so a status invented tomorrow does too
_LIVE_STATUSES = frozenset({"open", "triggered"})

# The feeds of the specification, by the name of the subscription; and one that speaks in a quiet market too. Fills are
# asked for first: a venue that tells a block feed by feed then begins with what is answered at once.
RETIRED_FEED = "webData2"  # refused by the venue since August 2026; subscribed to for venues that still have it
FEEDS = ("userFills", "orderUpdates", RETIRED_FEED)
HEARTBEAT_FEED = "allMids"

_OBJECT = (dict, Mapping)  # in that order: asking a dict whether it is a mapping takes ten times as long
Rows = tuple[tuple[_T, ...], tuple[ProtocolError, ...]]  # what could be read, and what could not


# --- reading ----------------------------------------------------------------------------------


def _get(raw: Any, key: str, path: str) -> Any:
    if not isinstance(raw, _OBJECT) or key not in raw:
        raise ProtocolError(f"{path}.{key}", raw)
    return raw[key]


def _list(raw: Any, path: str) -> Sequence[Any]:
    if not isinstance(raw, list | tuple):
        raise ProtocolError(path, raw)
    return raw


def _decimal(raw: Any, path: str) -> Decimal:
    if isinstance(raw, bool) or not isinstance(raw, str | int | float | Decimal):
        raise ProtocolError(path, raw)
    try:
        number = Decimal(repr(raw) if isinstance(raw, float) else raw)
    except InvalidOperation:
        raise ProtocolError(path, raw) from None
    # what no market has would overflow where it is reckoned with
    if not number.is_finite() or abs(number.adjusted()) > _MOST_DIGITS:
        raise ProtocolError(path, raw)
    return number


def _positive(raw: Any, path: str) -> Decimal:
    number = _decimal(raw, path)
    if number <= 0:
        raise ProtocolError(path, raw)
    return number


def _integer(raw: Any, path: str) -> int:
    if isinstance(raw, bool) or not isinstance(raw, int):
        raise ProtocolError(path, raw)
    return raw


def _side(raw: Any, path: str) -> Side:
    if not isinstance(raw, str) or raw not in _SIDES:
        raise ProtocolError(path, raw)
    return _SIDES[raw]


def _text(raw: Any, path: str) -> str:
    if not isinstance(raw, str):
        raise ProtocolError(path, raw)
    return raw


def _rows(raw: Any, path: str, parse: Callable[[Any, str], _T]) -> Rows[_T]:
    """Parse row by row: a bad row does not take its neighbours along."""
    good: list[_T] = []
    bad: list[ProtocolError] = []
    for i, row in enumerate(_list(raw, path)):
        try:
            good.append(parse(row, f"{path}[{i}]"))
        except ProtocolError as error:
            bad.append(error)
    return tuple(good), tuple(bad)


def _all_rows(raw: Any, path: str, parse: Callable[[Any, str], _T]) -> tuple[_T, ...]:
    good, bad = _rows(raw, path, parse)
    if bad:
        raise bad[0]
    return good


# --- info -------------------------------------------------------------------------------------


def parse_market(raw: Any, coin: str) -> Market:
    """The pair named `coin` (`@107`, `PURR/USDC`, or `HYPE/USDC`) in a spotMeta answer.

    Tokens are found by their own index, never by their place in the list: both lists have gaps.
    Errors: ConfigError for a name nobody has, or that several pairs have; ProtocolError.
    """
    tokens = {
        token.index: token for token in _all_rows(_get(raw, "tokens", "spotMeta"), "spotMeta.tokens", _parse_token)
    }
    pairs = _all_rows(_get(raw, "universe", "spotMeta"), "spotMeta.universe", _parse_pair)
    found = [pair for pair in pairs if pair[0] == coin]
    if not found:
        names = {index: token.name for index, token in tokens.items()}
        found = [pair for pair in pairs if f"{names.get(pair[2])}/{names.get(pair[3])}" == coin]
    if not found:
        raise ConfigError(
            f"unknown coin {coin!r}: the venue lists {len(pairs)} spot pairs, none of that name; "
            "use the pair's name ('@107') or BASE/QUOTE ('HYPE/USDC')"
        )
    if len(found) > 1:
        names_found = ", ".join(sorted(pair[0] for pair in found))
        raise ConfigError(f"coin {coin!r} is the name of several pairs: {names_found}; use one of these names")
    name, index, base, quote = found[0]
    for token_index in (base, quote):
        if token_index not in tokens:
            raise ProtocolError(f"spotMeta.tokens (index {token_index} of {name})", sorted(tokens)[-5:])
    pair_tokens = {pair[0]: (pair[2], pair[3]) for pair in pairs}
    return Market(name, _SPOT_ASSET_BASE + index, tokens[base], tokens[quote], pair_tokens)


def _parse_token(raw: Any, path: str) -> Token:
    return Token(
        _integer(_get(raw, "index", path), f"{path}.index"),
        _text(_get(raw, "name", path), f"{path}.name"),
        _integer(_get(raw, "szDecimals", path), f"{path}.szDecimals"),
    )


def _parse_pair(raw: Any, path: str) -> tuple[str, int, int, int]:
    tokens = _list(_get(raw, "tokens", path), f"{path}.tokens")
    if len(tokens) != 2:
        raise ProtocolError(f"{path}.tokens", tokens)
    return (
        _text(_get(raw, "name", path), f"{path}.name"),
        _integer(_get(raw, "index", path), f"{path}.index"),
        _integer(tokens[0], f"{path}.tokens[0]"),
        _integer(tokens[1], f"{path}.tokens[1]"),
    )


def parse_open_orders(raw: Any, coin: str) -> Rows[OpenOrder]:
    """Rows of openOrders or frontendOpenOrders, and those of other coins that cannot be read.

    Errors: ProtocolError if a row of `coin`, or of no coin that can be read, is unreadable.
    """
    rows, unreadable = _rows(raw, "openOrders", _parse_order)
    if unreadable:
        for row in raw:
            named = row.get("coin") if isinstance(row, Mapping) else None
            if not isinstance(named, str) or named == coin:
                _parse_order(row, "openOrders")
    return rows, unreadable


def _parse_order(raw: Any, path: str) -> OpenOrder:
    cloid = raw.get("cloid") if isinstance(raw, Mapping) else None
    original = raw.get("origSz") if isinstance(raw, Mapping) else None
    return OpenOrder(
        coin=_text(_get(raw, "coin", path), f"{path}.coin"),
        oid=_integer(_get(raw, "oid", path), f"{path}.oid"),
        side=_side(_get(raw, "side", path), f"{path}.side"),
        price=_positive(_get(raw, "limitPx", path), f"{path}.limitPx"),
        size=_decimal(_get(raw, "sz", path), f"{path}.sz"),
        original_size=None if original is None else _decimal(original, f"{path}.origSz"),
        cloid=None if cloid is None else _text(cloid, f"{path}.cloid"),
    )


def parse_balances(raw: Any, market: Market) -> Balances:
    """Totals of our two tokens in a spotClearinghouseState answer; a token without a row has none."""
    totals = {market.base.index: Decimal(0), market.quote.index: Decimal(0)}
    names = {market.base.name: market.base.index, market.quote.name: market.quote.index}
    for i, row in enumerate(_list(_get(raw, "balances", "spotState"), "spotState.balances")):
        path = f"spotState.balances[{i}]"
        # names are not unique and some rows have no token index: the index decides where it is there
        token = row.get("token") if isinstance(row, Mapping) else None
        index = (
            _integer(token, f"{path}.token")
            if token is not None
            else names.get(_text(_get(row, "coin", path), f"{path}.coin"))
        )
        if index in totals:
            totals[index] = _decimal(_get(row, "total", path), f"{path}.total")
    return Balances(totals[market.base.index], totals[market.quote.index])


def parse_rate_limit(raw: Any) -> tuple[Decimal, int]:
    """(volume, requests) of a userRateLimit answer."""
    return (
        _decimal(_get(raw, "cumVlm", "userRateLimit"), "userRateLimit.cumVlm"),
        _integer(_get(raw, "nRequestsUsed", "userRateLimit"), "userRateLimit.nRequestsUsed"),
    )


def parse_fills(raw: Any, market: Market, *, whole: bool = False) -> Rows[Fill]:
    """Fills of our coin among userFills rows, and what could not be read.

    `whole`: a row that leaves out what an exact ledger needs (time, price, side, fee) is one that cannot be read.
    """
    fills, bad = _rows(raw, "fills", lambda row, path: _parse_fill(row, path, market, whole=whole))
    return tuple(fill for fill in fills if fill is not None and fill.coin == market.coin), bad


def _parse_fill(raw: Any, path: str, market: Market, *, whole: bool) -> Fill | None:
    coin = _text(_get(raw, "coin", path), f"{path}.coin")
    if coin != market.coin:
        return None
    for name in ("time", "px", "side", "fee", "feeToken") if whole else ():
        if _get(raw, name, path) is None:
            raise ProtocolError(f"{path}.{name}", raw)
    fee, cloid, time_ms = raw.get("fee"), raw.get("cloid"), raw.get("time")
    price, side, fee_token = raw.get("px"), raw.get("side"), raw.get("feeToken")
    if fee_token is not None:
        names = {market.base.name: "base", market.quote.name: "quote"}
        fee_token = names.get(_text(fee_token, f"{path}.feeToken"), fee_token)
    return Fill(
        oid=_integer(_get(raw, "oid", path), f"{path}.oid"),
        tid=_integer(_get(raw, "tid", path), f"{path}.tid"),
        size=_positive(_get(raw, "sz", path), f"{path}.sz"),
        price=None if price is None else _positive(price, f"{path}.px"),
        side=None if side is None else _side(side, f"{path}.side"),
        time_ms=None if time_ms is None else _integer(time_ms, f"{path}.time"),
        fee=Decimal(0) if fee is None else _decimal(fee, f"{path}.fee"),
        fee_token=fee_token,
        cloid=None if cloid is None else _text(cloid, f"{path}.cloid"),
        coin=coin,
    )


def parse_book_time(raw: Any) -> int:
    """The venue's time (ms) in an l2Book answer."""
    return _integer(_get(raw, "time", "l2Book"), "l2Book.time")


def newest_fill_ms(raw: Any) -> int:
    """The newest time in a page of userFills rows of any coin."""
    return max(_integer(_get(row, "time", f"fills[{i}]"), f"fills[{i}].time") for i, row in enumerate(raw))


def parse_order_status(raw: Any) -> OrderStatus:
    """The answer to orderStatus; `order` None for an order the venue does not know (any more)."""
    status = _text(_get(raw, "status", "orderStatus"), "orderStatus.status")
    if status != "order":
        return OrderStatus(None, status, live=False)
    record = _get(raw, "order", "orderStatus")
    status = _text(_get(record, "status", "orderStatus.order"), "orderStatus.order.status")
    order = _parse_order(_get(record, "order", "orderStatus.order"), "orderStatus.order.order")
    return OrderStatus(order, status, status in _LIVE_STATUSES)


# --- messages of the socket -------------------------------------------------------------------


def read_update_message(message: Any, market: Market) -> Rows[OrderUpdate]:
    """Status changes of our coin's orders in an orderUpdates message, and what could not be read."""

    def parse(row: Any, path: str) -> OrderUpdate:
        order = _parse_order(_get(row, "order", path), f"{path}.order")
        status = _text(_get(row, "status", path), f"{path}.status")
        told_ms = row.get("statusTimestamp")
        time_ms = None if told_ms is None else _integer(told_ms, f"{path}.statusTimestamp")
        return OrderUpdate(order, status, status in _LIVE_STATUSES, time_ms)

    updates, bad = _rows(_get(message, "data", "orderUpdates"), "orderUpdates", parse)
    return tuple(update for update in updates if update.order.coin == market.coin), bad


def read_fill_message(message: Any, market: Market, *, whole: bool = False) -> Rows[Fill]:
    """Fills of our coin in a userFills message, snapshot or not, and what could not be read."""
    data = _get(message, "data", "userFills")
    return parse_fills(_get(data, "fills", "userFills.data"), market, whole=whole)


def is_snapshot(message: Any) -> bool:
    """Whether a userFills message repeats what was, as the first one after subscribing does."""
    data = message.get("data") if isinstance(message, Mapping) else None
    return isinstance(data, Mapping) and data.get("isSnapshot") is True


def read_balance_message(message: Any, market: Market) -> Balances | None:
    """Balances in a webData2 or spotState message; None where it carries none."""
    data = _get(message, "data", "webData2")
    if not isinstance(data, Mapping):
        raise ProtocolError("webData2.data", data)
    state = data.get("spotState")
    rows = state.get("balances") if isinstance(state, Mapping) else data.get("spotBalances", data.get("balances"))
    return None if rows is None else parse_balances({"balances": rows}, market)


# --- requests ---------------------------------------------------------------------------------


def to_sdk_float(value: Decimal) -> float:
    """The float that the SDK turns back into exactly `value`. Errors: ConfigError if there is none."""
    number = float(value)
    if Decimal(f"{number:.8f}") != value:
        raise ConfigError(f"{value} does not pass through the SDK's floats exactly; use fewer digits")
    return number


def encode_order(order: DesiredOrder, *, coin: str, cloid: Any) -> dict[str, Any]:
    """An order request of the SDK, post-only."""
    request: dict[str, Any] = {
        "coin": coin,
        "is_buy": order.side == "buy",
        "sz": to_sdk_float(order.size),
        "limit_px": to_sdk_float(order.price),
        "order_type": {"limit": {"tif": "Alo"}},
        "reduce_only": False,
    }
    if cloid is not None:
        request["cloid"] = cloid
    return request


def encode_cancel(oid: int, *, coin: str) -> dict[str, Any]:
    """A cancel request of the SDK."""
    return {"coin": coin, "oid": oid}
