"""Trades of other pairs that moved one of our two tokens, read from rows of `userFills`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from mm_trio.funds.movements import FundEvent
from mm_trio.funds.trade_effects import name_trade
from mm_trio.messages.fields import (
    get_field,
    read_decimal,
    read_integer,
    read_positive,
    read_side,
    read_text,
    read_time_ms,
)
from mm_trio.model.errors import ProtocolError
from mm_trio.model.journal_entries import Moved, MoveKind
from mm_trio.model.market import Market
from mm_trio.model.numbers import EXACT

__all__ = ["parse_other_trades"]

_NOTHING = Decimal(0)


def parse_other_trades(rows: Iterable[Any], market: Market) -> tuple[FundEvent, ...]:
    """Read what the account's trades of other spot pairs moved of our tokens.

    Trades of perpetuals are left out, because they settle against the margin. A row that cannot be read explains
    nothing.
    """
    events = list[FundEvent]()
    for i, row in enumerate(rows):
        try:
            event = _read_trade(row, f"fills[{i}]", market)
        except ProtocolError:
            continue
        if event is not None:
            events.append(event)
    return tuple(events)


def _read_trade(row: Any, path: str, market: Market) -> FundEvent | None:
    coin = row.get("coin") if isinstance(row, Mapping) else None
    tokens = market.pair_tokens.get(coin) if isinstance(coin, str) and coin != market.coin else None
    if tokens is None:
        return None
    size = read_positive(get_field(row, "sz", path), f"{path}.sz")
    cost = EXACT.multiply(size, read_positive(get_field(row, "px", path), f"{path}.px"))
    is_buy = read_side(get_field(row, "side", path), f"{path}.side") == "buy"
    signed = (size, EXACT.minus(cost)) if is_buy else (EXACT.minus(size), cost)
    legs = dict.fromkeys((market.base.index, market.quote.index), _NOTHING)
    touches = not legs.keys().isdisjoint(tokens)
    for token, amount in zip(tokens, signed, strict=True):
        if token in legs:
            legs[token] = EXACT.add(legs[token], amount)
    names = {market.base.name: market.base.index, market.quote.name: market.quote.index}
    paid_in = names.get(read_text(get_field(row, "feeToken", path), f"{path}.feeToken"))
    if paid_in is not None:
        fee = read_decimal(get_field(row, "fee", path), f"{path}.fee")
        legs[paid_in] = EXACT.subtract(legs[paid_in], fee)
    kind = MoveKind.FOREIGN_FEE if not touches else MoveKind.HAND_TRADE
    if touches and row.get("dir") == "Spot Dust Conversion":
        kind = MoveKind.DUST
    ref = name_trade(
        read_integer(get_field(row, "tid", path), f"{path}.tid"),
        read_integer(get_field(row, "oid", path), f"{path}.oid"),
    )
    time_ms = read_time_ms(get_field(row, "time", path), f"{path}.time")
    return FundEvent(Moved(legs[market.base.index], legs[market.quote.index], kind, time_ms, ref))
