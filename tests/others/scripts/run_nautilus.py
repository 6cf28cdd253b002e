"""Listen to a sandbox with the socket of nautilus_trader.

Its access comes on the command line. It prints `ready` once it listens, and what it heard as JSON on the last line,
after each order that it heard of was cancelled.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

from nautilus_trader.core import nautilus_pyo3 as nautilus
from nautilus_trader.model.data import capsule_to_data

PAIR = nautilus.InstrumentId.from_str("HYPE-USDC-SPOT.HYPERLIQUID")
ENOUGH_S = 30.0


def describe_pair() -> Any:
    """Describe the pair by hand: nautilus reads it over HTTP, from addresses of its own alone."""
    hype, usdc = (
        nautilus.Currency(name, decimals, 0, name, nautilus.CurrencyType.CRYPTO)
        for name, decimals in (("HYPE", 2), ("USDC", 8))
    )
    return nautilus.CurrencyPair(
        instrument_id=PAIR,
        raw_symbol=nautilus.Symbol("@107"),
        base_currency=hype,
        quote_currency=usdc,
        price_precision=4,
        size_precision=2,
        price_increment=nautilus.Price.from_str("0.0001"),
        size_increment=nautilus.Quantity.from_str("0.01"),
        ts_event=0,
        ts_init=0,
    )


class Heard:
    """What came over the socket, in plain values."""

    def __init__(self) -> None:
        self.seen: dict[str, list[Any]] = {"QuoteTick": [], "TradeTick": [], "orders": [], "fills": []}
        self.is_over = asyncio.Event()

    def take(self, message: Any) -> None:
        kind = type(message).__name__
        if kind == "PyCapsule":
            data = capsule_to_data(message)
            self.seen.setdefault(type(data).__name__, []).append(describe_data(data))
        elif kind == "OrderStatusReport":
            status = str(message.order_status)
            orders = self.seen["orders"]
            orders.append([status, str(message.price), str(message.quantity)])
            ended = [row for row in orders if row[0] == "CANCELED"]
            if 2 * len(ended) == len(orders):
                self.is_over.set()
        elif kind == "FillReport":
            self.seen["fills"].append([str(message.last_px), str(message.last_qty), str(message.commission)])


def describe_data(data: Any) -> list[str]:
    """Give the prices and sizes of a quote or a trade."""
    if type(data).__name__ == "QuoteTick":
        return [str(each) for each in (data.bid_price, data.bid_size, data.ask_price, data.ask_size)]
    return [str(data.price), str(data.size)]


async def listen(access: dict[str, Any]) -> None:
    heard, user = Heard(), access["accounts"][0]["account"]
    socket = nautilus.HyperliquidWebSocketClient(
        url=f"{access['url'].replace('http', 'ws')}/ws",
        environment=nautilus.HyperliquidEnvironment.TESTNET,
        account_id="HYPERLIQUID-001",
    )
    loop = asyncio.get_running_loop()
    await socket.connect(loop, [describe_pair()], lambda message: loop.call_soon_threadsafe(heard.take, message))
    await socket.wait_until_active(ENOUGH_S)
    socket.cache_spot_fill_coins({"@107": "HYPE-USDC-SPOT"})
    await socket.subscribe_order_updates(user)
    await socket.subscribe_user_events(user)
    await socket.subscribe_trades(PAIR)
    await socket.subscribe_quotes(PAIR)
    # Subscriptions are not confirmed to the caller.
    await asyncio.sleep(1.0)
    print("ready", flush=True)
    await asyncio.wait_for(heard.is_over.wait(), ENOUGH_S)
    await socket.close()
    print(json.dumps(heard.seen), flush=True)
    # A thread of the client may still call back, and aborts the process where it finds the loop closed.
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(listen(json.loads(sys.argv[1])))
