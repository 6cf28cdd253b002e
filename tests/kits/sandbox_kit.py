"""A funded exchange and short words for it, for the tests of the sandbox."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from mm_trio.sandbox.api.gateway import Gateway
from mm_trio.sandbox.matching.exchange import Exchange
from mm_trio.sandbox.model.commands import (
    Answered,
    CancelByOid,
    Command,
    Deposit,
    Effect,
    Filled,
    ItemError,
    ItemStatus,
    ModifyOrders,
    NewOrder,
    PlaceOrders,
    Refused,
    Resting,
    Tif,
)

MAKER = "0x" + "a1" * 20
TAKER = "0x" + "b2" * 20
NOBODY = "0x" + "c3" * 20
HYPE, PURR = "@107", "PURR/USDC"
HYPE_ASSET, PURR_ASSET = 10107, 10000
USDC_TOKEN, PURR_TOKEN, HYPE_TOKEN = 0, 1, 150


def dec(text: str) -> Decimal:
    return Decimal(text)


def cloid(number: int) -> str:
    return f"0x{number:032x}"


def fund(exchange: Exchange, *addresses: str) -> None:
    for address in addresses:
        for token, amount in ((USDC_TOKEN, "100000"), (HYPE_TOKEN, "1000"), (PURR_TOKEN, "1000")):
            exchange.apply(0, Deposit(address, token, dec(amount)))


def make_exchange(**options: Any) -> Exchange:
    exchange = Exchange(**options)
    fund(exchange, MAKER, TAKER)
    return exchange


class Clock:
    """A time that the test moves."""

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms


def make_front(*, web_data2: bool = False) -> Gateway:
    return Gateway(make_exchange(), now_ms=Clock(), web_data2=web_data2)


def buy(price: str, size: str, tif: Tif = "Alo", *, asset: int = HYPE_ASSET, tag: int | None = None) -> NewOrder:
    return NewOrder(asset, True, dec(price), dec(size), tif, None if tag is None else cloid(tag))


def sell(price: str, size: str, tif: Tif = "Alo", *, asset: int = HYPE_ASSET, tag: int | None = None) -> NewOrder:
    return NewOrder(asset, False, dec(price), dec(size), tif, None if tag is None else cloid(tag))


def outcome(effects: tuple[Effect, ...]) -> Answered | Refused:
    (answer,) = (effect for effect in effects if isinstance(effect, Answered | Refused))
    return answer


def run(exchange: Exchange, command: Command, *, now_ms: int = 1) -> tuple[ItemStatus, ...]:
    answer = outcome(exchange.apply(now_ms, command))
    assert isinstance(answer, Answered), answer
    return answer.statuses


def place(exchange: Exchange, address: str, *orders: NewOrder, now_ms: int = 1) -> tuple[ItemStatus, ...]:
    return run(exchange, PlaceOrders(address, orders), now_ms=now_ms)


def rest(exchange: Exchange, address: str, order: NewOrder) -> int:
    """Place an order that rests; gives its oid."""
    (status,) = place(exchange, address, order)
    assert isinstance(status, Resting), status
    return status.oid


def take(exchange: Exchange, order: NewOrder, *, address: str = TAKER) -> Filled:
    (status,) = place(exchange, address, order)
    assert isinstance(status, Filled), status
    return status


def modify(exchange: Exchange, oid: int | str, order: NewOrder) -> ItemStatus:
    (status,) = run(exchange, ModifyOrders(MAKER, ((oid, order),)))
    return status


def cancel(exchange: Exchange, oid: int, *, asset: int = HYPE_ASSET) -> ItemStatus:
    (status,) = run(exchange, CancelByOid(MAKER, ((asset, oid),)))
    return status


def refusal(exchange: Exchange, command: Command, *, now_ms: int = 1) -> str:
    answer = outcome(exchange.apply(now_ms, command))
    assert isinstance(answer, Refused), answer
    return answer.text


def error_of(statuses: tuple[ItemStatus, ...]) -> str:
    (status,) = statuses
    assert isinstance(status, ItemError), status
    return status.text


def status_of(exchange: Exchange, oid: int | str, *, address: str = MAKER) -> str:
    record = exchange.find_record(address, oid)
    assert record is not None
    return record.status
