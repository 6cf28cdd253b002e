"""JSON of the venue, read into values and written from them.

The venue's field names and texts stand here alone. Nothing is guessed: a value that cannot be read is a
`ProtocolError` with the field's path.
Source: Hyperliquid API documentation (info endpoint, exchange endpoint, websocket), as seen in 2026.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from decimal import Decimal
from typing import Any, TypeVar

from mm_trio.messages.fields import (
    MOST_TEXT_CHARS,
    Rows,
    get_field,
    read_all_rows,
    read_amount,
    read_decimal,
    read_integer,
    read_list,
    read_positive,
    read_rows,
    read_side,
    read_text,
    read_time_ms,
)
from mm_trio.model.errors import ConfigError, ProtocolError
from mm_trio.model.market import Balances, Book, BookLevel, Market, Pair, SpotMeta, Token, suggest_pairs
from mm_trio.model.orders import DesiredOrder
from mm_trio.model.replies import Fill, ListedAgent, OpenOrder, OrderStatus, OrderUpdate

__all__ = [
    "FEEDS",
    "HEARTBEAT_FEED",
    "RETIRED_FEED",
    "Rows",
    "encode_cancel",
    "encode_order",
    "encode_spot_meta",
    "find_market",
    "is_snapshot",
    "newest_fill_ms",
    "parse_account_mode",
    "parse_agents",
    "parse_balances",
    "parse_book",
    "parse_book_time",
    "parse_exchange_status",
    "parse_fills",
    "parse_hip2_funds",
    "parse_market",
    "parse_open_orders",
    "parse_order_status",
    "parse_rate_limit",
    "parse_role",
    "parse_spot_meta",
    "parse_spot_rates",
    "parse_token_id",
    "read_balance_message",
    "read_fill_message",
    "read_fill_times",
    "read_open_orders",
    "read_update_message",
    "to_exact_text",
    "to_sdk_float",
    "write_order",
]

_T = TypeVar("_T")
_Listed = TypeVar("_Listed", Token, Pair)
_SPOT_ASSET_BASE = 10_000
_ACCOUNT_MODES = {"disabled": "standard", "unifiedAccount": "unified", "portfolioMargin": "portfolio margin"}
# Where the answer to userRole names the owner of an address.
_OWNER_FIELDS = {"agent": "user", "subAccount": "master"}
_MOST_SZ_DECIMALS = 8
# Every other status ends an order, and so does a status that the venue adds later.
_LIVE_STATUSES = frozenset({"open", "triggered"})

# The venue refuses this feed since August 2026. It is subscribed to for venues that still have it.
RETIRED_FEED = "webData2"
# The feeds of the specification, by the name of the subscription. Fills come first, because a venue that reports a
# block feed by feed then begins with the feed that is acted on at once.
FEEDS = ("userFills", "orderUpdates", RETIRED_FEED)
# This feed has messages in a quiet market too.
HEARTBEAT_FEED = "allMids"

# --- Info -------------------------------------------------------------------------------------


def parse_spot_meta(raw: Any) -> SpotMeta:
    """Read every token and pair of a spotMeta answer.

    A row that cannot be read is left out, and so are rows that share one index, because neither is known to be the
    right one. Errors: ProtocolError where nothing is left.
    """
    tokens, odd_tokens = _listed(raw, "tokens", _parse_token)
    pairs, odd_pairs = _listed(raw, "universe", _parse_pair)
    if not pairs:
        raise odd_pairs[0][1] if odd_pairs else ProtocolError("spotMeta.universe", raw)
    return SpotMeta(tokens, pairs, (*odd_tokens, *odd_pairs))


def _listed(
    raw: Any, name: str, parse: Callable[[Any, str], _Listed]
) -> tuple[tuple[_Listed, ...], list[tuple[str | None, ProtocolError]]]:
    """Read the rows of a list of spotMeta, and tell those left out with their names."""
    path = f"spotMeta.{name}"
    good: list[_Listed] = []
    odd: list[tuple[str | None, ProtocolError]] = []
    for i, row in enumerate(read_list(get_field(raw, name, "spotMeta"), path)):
        try:
            good.append(parse(row, f"{path}[{i}]"))
        except ProtocolError as error:
            named = row.get("name") if isinstance(row, Mapping) else None
            odd.append((named if isinstance(named, str) else None, error))
    counts = Counter(row.index for row in good)
    odd += [(row.name, ProtocolError(f"{path}.index", row.index)) for row in good if counts[row.index] > 1]
    return tuple(row for row in good if counts[row.index] == 1), odd


def encode_spot_meta(meta: SpotMeta) -> dict[str, Any]:
    """Encode what the SDK's constructors need of a spotMeta answer.

    Pairs whose token is not listed are left out, because the constructors refuse them.
    """
    listed = {token.index for token in meta.tokens}
    return {
        "tokens": [
            {"index": token.index, "name": token.name, "szDecimals": token.sz_decimals} for token in meta.tokens
        ],
        "universe": [
            {"index": pair.index, "name": pair.name, "tokens": [pair.base, pair.quote]}
            for pair in meta.pairs
            if listed.issuperset((pair.base, pair.quote))
        ],
    }


def parse_market(raw: Any, coin: str) -> Market:
    """Find a pair by its name in a spotMeta answer.

    Errors: as `parse_spot_meta` and `find_market`.
    """
    return find_market(parse_spot_meta(raw), coin)


def find_market(meta: SpotMeta, coin: str) -> Market:
    """Find a pair by its name.

    Names are `@107`, `PURR/USDC` or `HYPE/USDC`. Tokens are found by their own index, never by their position in the
    list, because both lists have gaps.
    Errors: ConfigError for a name that no pair has, or that several have; ProtocolError.
    """
    tokens = {token.index: token for token in meta.tokens}
    found = [pair for pair in meta.pairs if pair.name == coin]
    if not found:
        names = {index: token.name for index, token in tokens.items()}
        found = [pair for pair in meta.pairs if f"{names.get(pair.base)}/{names.get(pair.quote)}" == coin]
    if not found:
        if (unread := _find_unread(meta, coin)) is not None:
            raise unread
        near = suggest_pairs(meta, coin)
        hint = f"did you mean {', '.join(near)}? " if near else ""
        raise ConfigError(
            f"unknown coin {coin!r}: none of the venue's {len(meta.pairs)} spot pairs has that name; {hint}"
            "use the pair's name ('@107') or BASE/QUOTE ('HYPE/USDC')"
        )
    if len(found) > 1:
        names_found = ", ".join(sorted(pair.name for pair in found))
        raise ConfigError(f"ambiguous coin {coin!r}: several pairs have that name; use one of {names_found}")
    (pair,) = found
    for token_index in (pair.base, pair.quote):
        if token_index not in tokens:
            raise ProtocolError(f"spotMeta.tokens (index {token_index} of {pair.name})", sorted(tokens)[-5:])
    pair_tokens = {pair.name: (pair.base, pair.quote) for pair in meta.pairs}
    return Market(pair.name, _SPOT_ASSET_BASE + pair.index, tokens[pair.base], tokens[pair.quote], pair_tokens)


def _find_unread(meta: SpotMeta, coin: str) -> ProtocolError | None:
    """Find a row that was left out and may be the wanted pair, or a token of it."""
    names = (None, coin, *coin.split("/"))
    return next((error for name, error in meta.unreadable if name in names), None)


def _parse_token(raw: Any, path: str) -> Token:
    token_id = raw.get("tokenId") if isinstance(raw, Mapping) else None
    return Token(
        read_integer(get_field(raw, "index", path), f"{path}.index"),
        read_text(get_field(raw, "name", path), f"{path}.name"),
        read_integer(get_field(raw, "szDecimals", path), f"{path}.szDecimals", most=_MOST_SZ_DECIMALS),
        # Nothing depends on it, so that an odd one does not make the token unreadable.
        token_id if isinstance(token_id, str) and len(token_id) <= MOST_TEXT_CHARS else None,
    )


def _parse_pair(raw: Any, path: str) -> Pair:
    tokens = read_list(get_field(raw, "tokens", path), f"{path}.tokens")
    if len(tokens) != 2:
        raise ProtocolError(f"{path}.tokens", tokens)
    return Pair(
        read_text(get_field(raw, "name", path), f"{path}.name"),
        read_integer(get_field(raw, "index", path), f"{path}.index"),
        read_integer(tokens[0], f"{path}.tokens[0]"),
        read_integer(tokens[1], f"{path}.tokens[1]"),
    )


def parse_open_orders(raw: Any, coin: str) -> Rows[OpenOrder]:
    """Read the rows of openOrders or frontendOpenOrders.

    Returns too the errors of rows of other coins that cannot be read.
    Errors: ProtocolError if a row of `coin`, or of no coin that can be read, is unreadable.
    """
    rows, unreadable = read_rows(raw, "openOrders", _parse_order)
    if unreadable:
        for row in raw:
            named = row.get("coin") if isinstance(row, Mapping) else None
            if not isinstance(named, str) or named == coin:
                _parse_order(row, "openOrders")
    return rows, unreadable


def read_open_orders(raw: Any) -> Rows[OpenOrder]:
    """Read the rows of openOrders that can be read, and the errors of the others."""
    return read_rows(raw, "openOrders", _parse_order)


def _parse_order(raw: Any, path: str) -> OpenOrder:
    cloid = raw.get("cloid") if isinstance(raw, Mapping) else None
    original = raw.get("origSz") if isinstance(raw, Mapping) else None
    return OpenOrder(
        coin=read_text(get_field(raw, "coin", path), f"{path}.coin"),
        oid=read_integer(get_field(raw, "oid", path), f"{path}.oid"),
        side=read_side(get_field(raw, "side", path), f"{path}.side"),
        price=read_positive(get_field(raw, "limitPx", path), f"{path}.limitPx"),
        size=read_decimal(get_field(raw, "sz", path), f"{path}.sz"),
        original_size=None if original is None else read_decimal(original, f"{path}.origSz"),
        cloid=None if cloid is None else read_text(cloid, f"{path}.cloid"),
    )


def parse_balances(raw: Any, market: Market) -> Balances:
    """Read totals and holds of our two tokens in a spotClearinghouseState answer.

    A token without a row has a total of 0. A row whose token cannot be read is left out where it cannot be ours: it has
    another token's name, or both of ours have a row. Errors: ProtocolError for any other.
    """
    nothing: tuple[Decimal, Decimal | None] = (Decimal(0), Decimal(0))
    amounts: dict[int, tuple[Decimal, Decimal | None]] = {}
    unread: ProtocolError | None = None
    names = {market.base.name: market.base.index, market.quote.name: market.quote.index}
    for i, row in enumerate(read_list(get_field(raw, "balances", "spotState"), "spotState.balances")):
        path = f"spotState.balances[{i}]"
        try:
            index = _find_token(row, path, names)
        except ProtocolError as error:
            named = row.get("coin") if isinstance(row, Mapping) else None
            if not isinstance(named, str) or named in names:
                unread = unread or error
            continue
        if index in (market.base.index, market.quote.index):
            amounts[index] = (read_amount(get_field(row, "total", path), f"{path}.total"), _parse_hold(row, path))
    if unread is not None and len(amounts) < 2:
        raise unread
    (token_total, token_held), (usdc_total, usdc_held) = (
        amounts.get(token.index, nothing) for token in (market.base, market.quote)
    )
    return Balances(token_total, usdc_total, token_held, usdc_held)


def _find_token(row: Any, path: str, names: Mapping[str, int]) -> int | None:
    """Find the token of a balance.

    Names are not unique and some rows have no token index, so the index decides where there is one.
    """
    token = row.get("token") if isinstance(row, Mapping) else None
    if token is not None:
        return read_integer(token, f"{path}.token")
    return names.get(read_text(get_field(row, "coin", path), f"{path}.coin"))


def _parse_hold(row: Mapping[str, Any], path: str) -> Decimal | None:
    """Read what is reserved of a token, None where the row does not say.

    The `hold` of a portfolio-margin account is net of what it could borrow, and `spotHold` is not: we borrow nothing.
    """
    told = [read_amount(row[name], f"{path}.{name}") for name in ("hold", "spotHold") if row.get(name) is not None]
    return max(told, default=None)


def parse_rate_limit(raw: Any) -> tuple[Decimal, int]:
    """Read volume and requests used from a userRateLimit answer."""
    return (
        read_decimal(get_field(raw, "cumVlm", "userRateLimit"), "userRateLimit.cumVlm"),
        read_integer(get_field(raw, "nRequestsUsed", "userRateLimit"), "userRateLimit.nRequestsUsed"),
    )


def parse_fills(raw: Any, market: Market, *, whole: bool = False) -> Rows[Fill]:
    """Read the fills of our coin among userFills rows.

    `whole`: a row that leaves out what an exact ledger needs (time, price, side, fee) counts as unreadable.
    """
    fills, bad = read_rows(raw, "fills", lambda row, path: _parse_fill(row, path, market, whole=whole))
    return tuple(fill for fill in fills if fill is not None and fill.coin == market.coin), bad


def _parse_fill(raw: Any, path: str, market: Market, *, whole: bool) -> Fill | None:
    coin = read_text(get_field(raw, "coin", path), f"{path}.coin")
    if coin != market.coin:
        return None
    for name in ("time", "px", "side", "fee", "feeToken") if whole else ():
        if get_field(raw, name, path) is None:
            raise ProtocolError(f"{path}.{name}", raw)
    fee, cloid, time_ms, crossed = raw.get("fee"), raw.get("cloid"), raw.get("time"), raw.get("crossed")
    if crossed is not None and not isinstance(crossed, bool):
        raise ProtocolError(f"{path}.crossed", raw)
    price, side, fee_token = raw.get("px"), raw.get("side"), raw.get("feeToken")
    if fee_token is not None:
        names = {market.base.name: "base", market.quote.name: "quote"}
        fee_token = names.get(read_text(fee_token, f"{path}.feeToken"), fee_token)
    return Fill(
        oid=read_integer(get_field(raw, "oid", path), f"{path}.oid"),
        tid=read_integer(get_field(raw, "tid", path), f"{path}.tid"),
        size=read_positive(get_field(raw, "sz", path), f"{path}.sz"),
        price=None if price is None else read_positive(price, f"{path}.px"),
        side=None if side is None else read_side(side, f"{path}.side"),
        time_ms=None if time_ms is None else read_time_ms(time_ms, f"{path}.time"),
        fee=Decimal(0) if fee is None else read_decimal(fee, f"{path}.fee"),
        fee_token=fee_token,
        cloid=None if cloid is None else read_text(cloid, f"{path}.cloid"),
        coin=coin,
        crossed=crossed,
        is_dust=raw.get("dir") == "Spot Dust Conversion",
    )


def parse_book_time(raw: Any) -> int:
    """Read the venue's time (ms) from an l2Book answer."""
    return read_time_ms(get_field(raw, "time", "l2Book"), "l2Book.time")


def parse_book(raw: Any, coin: str) -> Book:
    """Read the levels from an l2Book answer about `coin`. Errors: ProtocolError."""
    if (named := read_text(get_field(raw, "coin", "l2Book"), "l2Book.coin")) != coin:
        raise ProtocolError("l2Book.coin", named)
    sides = read_list(get_field(raw, "levels", "l2Book"), "l2Book.levels")
    if len(sides) != 2:
        raise ProtocolError("l2Book.levels", sides)
    bids, asks = (read_all_rows(side, "l2Book.levels", _parse_level) for side in sides)
    return Book(bids, asks)


def _parse_level(raw: Any, path: str) -> BookLevel:
    return BookLevel(
        read_positive(get_field(raw, "px", path), f"{path}.px"),
        read_positive(get_field(raw, "sz", path), f"{path}.sz"),
        read_integer(get_field(raw, "n", path), f"{path}.n"),
    )


def parse_spot_rates(raw: Any) -> tuple[Decimal, Decimal]:
    """Read the rates of maker and taker on spot from a userFees answer.

    They are ratios with all discounts taken off; the maker's may be below zero.
    """
    names = ("userSpotAddRate", "userSpotCrossRate")
    maker, taker = (read_decimal(get_field(raw, name, "userFees"), f"userFees.{name}") for name in names)
    return maker, taker


def parse_token_id(raw: Any, token_index: int) -> str | None:
    """Find the id of a token in a spotMeta answer; None without one."""
    for row in read_list(get_field(raw, "tokens", "spotMeta"), "spotMeta.tokens"):
        if get_field(row, "index", "spotMeta.tokens") == token_index:
            return read_text(row["tokenId"], "spotMeta.tokens.tokenId") if row.get("tokenId") else None
    return None


def parse_hip2_funds(raw: Any, address: str) -> tuple[Decimal, Decimal]:
    """Read what HIP-2 began with, from a tokenDetails answer.

    Return the tokens given to its `address` at genesis, and the USDC of its seeded levels. A token that has no genesis
    any more has neither. Source: docs *Spot*, tokenDetails.
    """
    seeded = read_amount(get_field(raw, "seededUsdc", "tokenDetails"), "tokenDetails.seededUsdc")
    genesis = get_field(raw, "genesis", "tokenDetails") or {"userBalances": []}
    path = "tokenDetails.genesis.userBalances"
    rows = read_list(get_field(genesis, "userBalances", "tokenDetails.genesis"), path)
    # A genesis may have a hundred thousand rows, and one of them matters.
    tokens = [
        read_amount(row[1], path) for row in rows if isinstance(row, list) and len(row) == 2 and row[0] == address
    ]
    return sum(tokens, Decimal(0)), seeded


def newest_fill_ms(raw: Any) -> int:
    """Find the newest time (ms) in a page of userFills rows.

    Rows of every coin count.
    """
    return max(read_time_ms(get_field(row, "time", f"fills[{i}]"), f"fills[{i}].time") for i, row in enumerate(raw))


def read_fill_times(raw: Iterable[Any]) -> Iterator[int]:
    """Return the times (ms) of the userFills rows whose time can be read, of whichever coin."""
    for i, row in enumerate(raw):
        with suppress(ProtocolError):
            yield read_time_ms(get_field(row, "time", f"fills[{i}]"), f"fills[{i}].time")


def parse_role(raw: Any) -> tuple[str, str | None]:
    """Read the role of an address, and who owns it.

    The second one is the master of an agent or of a sub-account, and None for every other role.
    """
    role = read_text(get_field(raw, "role", "userRole"), "userRole.role")
    field = _OWNER_FIELDS.get(role)
    if field is None:
        return role, None
    owner = read_text(get_field(get_field(raw, "data", "userRole"), field, "userRole.data"), f"userRole.data.{field}")
    return role, owner.lower()


def parse_agents(raw: Any) -> tuple[ListedAgent, ...]:
    """Read the named agents of an account, in the venue's order."""

    def parse(row: Any, path: str) -> ListedAgent:
        until = get_field(row, "validUntil", path)
        return ListedAgent(
            read_text(get_field(row, "name", path), f"{path}.name"),
            read_text(get_field(row, "address", path), f"{path}.address").lower(),
            None if until is None else read_time_ms(until, f"{path}.validUntil"),
        )

    return read_all_rows(raw, "extraAgents", parse)


def parse_account_mode(raw: Any) -> str:
    """Read the mode of an account in our words; an unknown one as it is."""
    return _ACCOUNT_MODES.get(read_text(raw, "userAbstraction"), str(raw))


def parse_exchange_status(raw: Any) -> str | None:
    """Read what the exchange says of a special state; None where there is none.

    Its words were never seen, so they are returned as they are, cut short.
    """
    told = get_field(raw, "specialStatuses", "exchangeStatus")
    if told is None or told == [] or told == {}:
        return None
    return "".join(filter(str.isprintable, str(told)))[:MOST_TEXT_CHARS]


def parse_order_status(raw: Any) -> OrderStatus:
    """Read the answer to orderStatus.

    `order` is None for an order that the venue does not know, or not any more.
    """
    status = read_text(get_field(raw, "status", "orderStatus"), "orderStatus.status")
    if status != "order":
        return OrderStatus(None, status, live=False)
    record = get_field(raw, "order", "orderStatus")
    status = read_text(get_field(record, "status", "orderStatus.order"), "orderStatus.order.status")
    order = _parse_order(get_field(record, "order", "orderStatus.order"), "orderStatus.order.order")
    return OrderStatus(order, status, status in _LIVE_STATUSES)


# --- Messages of the socket -------------------------------------------------------------------


def read_update_message(message: Any, market: Market) -> Rows[OrderUpdate]:
    """Read the changes of our coin's orders in an orderUpdates message."""

    def parse(row: Any, path: str) -> OrderUpdate:
        order = _parse_order(get_field(row, "order", path), f"{path}.order")
        status = read_text(get_field(row, "status", path), f"{path}.status")
        changed_ms = row.get("statusTimestamp")
        time_ms = None if changed_ms is None else read_time_ms(changed_ms, f"{path}.statusTimestamp")
        return OrderUpdate(order, status, status in _LIVE_STATUSES, time_ms)

    updates, bad = read_rows(get_field(message, "data", "orderUpdates"), "orderUpdates", parse)
    return tuple(update for update in updates if update.order.coin == market.coin), bad


def read_fill_message(message: Any, market: Market, *, whole: bool = False) -> Rows[Fill]:
    """Read the fills of our coin in a userFills message, snapshot or not."""
    data = get_field(message, "data", "userFills")
    return parse_fills(get_field(data, "fills", "userFills.data"), market, whole=whole)


def is_snapshot(message: Any) -> bool:
    """Check whether a userFills message repeats earlier fills.

    The first one after subscribing does.
    """
    data = message.get("data") if isinstance(message, Mapping) else None
    return isinstance(data, Mapping) and data.get("isSnapshot") is True


def read_balance_message(message: Any, market: Market) -> Balances | None:
    """Read the balances in a webData2 or spotState message.

    None where it carries none.
    """
    data = get_field(message, "data", "webData2")
    if not isinstance(data, Mapping):
        raise ProtocolError("webData2.data", data)
    state = data.get("spotState")
    rows = state.get("balances") if isinstance(state, Mapping) else data.get("spotBalances", data.get("balances"))
    return None if rows is None else parse_balances({"balances": rows}, market)


# --- Requests ---------------------------------------------------------------------------------


def to_sdk_float(value: Decimal) -> float:
    """Convert to the float that the SDK turns back into exactly `value`.

    Errors: ConfigError if there is none.
    """
    number = float(value)
    if Decimal(f"{number:.8f}") != value:
        raise ConfigError(f"{value} changes when it passes through the SDK's floats; use fewer digits")
    return number


def to_exact_text(value: Decimal) -> str:
    """Write a number as the venue does: every digit, and no zeros at the end.

    Not `normalize`, which rounds to the digits of its context. Errors: TypeError for a float, which would be cut to six
    decimals.
    """
    if not isinstance(value, Decimal):
        raise TypeError(f"an exact number must be a Decimal, got {value!r}")
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def encode_order(order: DesiredOrder, *, coin: str, cloid: Any, exact: bool = False) -> dict[str, Any]:
    """Encode an order request of the SDK, post-only.

    With `exact` its numbers are Decimals, for an exchange that writes them as they are; else the SDK's floats.
    Errors: ConfigError for a number that no float carries.
    """
    request: dict[str, Any] = {
        "coin": coin,
        "is_buy": order.side == "buy",
        "sz": order.size if exact else to_sdk_float(order.size),
        "limit_px": order.price if exact else to_sdk_float(order.price),
        "order_type": {"limit": {"tif": "Alo"}},
        "reduce_only": False,
    }
    if cloid is not None:
        request["cloid"] = cloid
    return request


def write_order(request: Mapping[str, Any], asset: int) -> dict[str, Any]:
    """Write an exact order request as the venue wants it signed.

    It is what the SDK writes, but without its floats. They refuse a number of many digits, and that would be found out
    only after the order was written down as sent.
    """
    order = {
        "a": asset,
        "b": request["is_buy"],
        "p": to_exact_text(request["limit_px"]),
        "s": to_exact_text(request["sz"]),
        "r": request["reduce_only"],
        "t": request["order_type"],
    }
    return order if request.get("cloid") is None else {**order, "c": request["cloid"].to_raw()}


def encode_cancel(oid: int, *, coin: str) -> dict[str, Any]:
    """Encode a cancel request of the SDK."""
    return {"coin": coin, "oid": oid}
