"""Faults of what is told of fills: rows listed late, frames that lie, orders filled in their own block.

The server and the simulation share them: each says what changes, the caller's dice say when.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from random import Random
from typing import Any

from mm_trio.sandbox.api.gateway import Gateway
from mm_trio.sandbox.model.commands import Deposit, NewOrder, PlaceOrders
from mm_trio.sandbox.model.records import OrderRecord

__all__ = ["LISTED_LATE_S", "MAY_BE_LATE_MS", "fill_at_once", "lie_about_fills"]

Json = dict[str, Any]

# Least and greatest seconds by which a fill is listed late. Rows of the venue's history were seen to appear behind
# newer ones within this.
LISTED_LATE_S = (1.0, 50.0)
# Older rows of a history are listed for sure.
MAY_BE_LATE_MS = int(1000 * LISTED_LATE_S[1])
# Before any order of the account.
LONG_AGO_MS = 30 * 24 * 3600 * 1000
# A client's cloids begin with its mark: `0x` and four bytes.
MARK_CHARS = 10
# The counterparty of orders that trade in their own block.
STRANGER = "0x" + "5e" * 20


def lie_about_fills(fills: Sequence[Json], others: Sequence[Json], rng: Random) -> list[Json] | None:
    """Return the rows of a frame with one that contradicts the truth.

    A true row is altered, or an invented one is added. `others` are rows told before, of the same account. Every lie
    contradicts the order that it names, in its side, time, price or oid, so that a client can tell; its oid is that of
    another order of the same client, for nobody can tell that of a stranger's. None: there is nothing to lie about.
    """
    if not fills:
        return None
    place = rng.randrange(len(fills))
    truth = fills[place]
    mark = _read_mark(truth)
    oids = [row["oid"] for row in others if row["px"] != truth["px"] and _read_mark(row) == mark]
    lies: list[Json] = [
        {"side": "A" if truth["side"] == "B" else "B"},
        {"time": truth["time"] - LONG_AGO_MS},
        {"px": f"{Decimal(truth['px']) * rng.choice((2, Decimal('0.5'))):f}"},
    ]
    if oids:
        lies.append({"oid": rng.choice(oids)})
    lie = {**truth, **rng.choice(lies)}
    if rng.random() < 0.5:
        return [*fills[:place], lie, *fills[place + 1 :]]
    return [*fills, {**lie, "tid": rng.getrandbits(48)}]


def _read_mark(row: Json) -> str:
    """Return the part of a fill's cloid that all orders of a client share."""
    return str(row.get("cloid") or "")[:MARK_CHARS]


def fill_at_once(gateway: Gateway, answer: Any, rng: Random) -> bool:
    """Let a stranger take an order that was just placed.

    `answer` is that of an order action, and says `filled` afterwards instead of `resting`. The order still trades as a
    maker, at its limit, whole or in part. Return whether there was such an order.
    """
    orders = [(status, record) for status in _find_statuses(answer) if (record := _find_best(gateway, status))]
    if not orders:
        return False
    status, order = rng.choice(orders)
    size = order.size if rng.random() < 0.5 else _take_part(order.size, gateway, order)
    pair = gateway.exchange.settings.markets.pair(order.coin)
    for token, amount in ((pair.base.index, size), (pair.quote.index, 2 * size * order.price)):
        gateway.apply(Deposit(STRANGER, token, amount))
    gateway.apply(PlaceOrders(STRANGER, (NewOrder(order.asset, not order.is_buy, order.price, size, "Ioc"),)))
    open_orders = gateway.exchange.open_orders(order.address)
    left = next((row.size for row in open_orders if row.oid == order.oid), Decimal(0))
    if left == order.size:
        return False
    status.clear()
    status["filled"] = {"totalSz": f"{order.size - left:f}", "avgPx": f"{order.price:f}", "oid": order.oid}
    return True


def _find_statuses(answer: Any) -> list[Json]:
    """Return the statuses of an action's answer that are objects."""
    response = answer.get("response") if isinstance(answer, dict) else None
    data = response.get("data") if isinstance(response, dict) else None
    statuses = data.get("statuses") if isinstance(data, dict) else None
    return [status for status in statuses if isinstance(status, dict)] if isinstance(statuses, list) else []


def _find_best(gateway: Gateway, status: Json) -> OrderRecord | None:
    """Return the order that rests, if it is the first to trade."""
    exchange, oid = gateway.exchange, status.get("resting", {}).get("oid")
    found = (exchange.find_record(address, oid) for address in exchange.addresses() if oid is not None)
    order = next((order for order in found if order is not None and order.status == "open"), None)
    if order is None:
        return None
    bid, ask = gateway.exchange.best_bid_ask(order.coin)
    return order if order.price == (bid if order.is_buy else ask) else None


def _take_part(size: Decimal, gateway: Gateway, order: OrderRecord) -> Decimal:
    """Return about half of a size, in whole lots, worth the minimum."""
    pair = gateway.exchange.settings.markets.pair(order.coin)
    lot = Decimal(1).scaleb(-pair.base.sz_decimals)
    half = (size / 2 / lot).to_integral_value() * lot
    return half if half * order.price >= gateway.exchange.settings.min_notional else size
