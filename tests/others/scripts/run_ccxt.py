"""A day of ccxt on a sandbox: its access on the command line, what was seen as JSON on the last line."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import ccxt
import ccxt.pro

SYMBOL = "HYPE/USDC"
SIDES = {"buy": "B", "sell": "A"}


def open_client(access: dict[str, Any], number: int, make: Any = ccxt.hyperliquid) -> Any:
    """Turn ccxt to the sandbox: the mode decides how it signs, and the addresses are replaced."""
    who = access["accounts"][number]
    client = make({"walletAddress": who["account"], "privateKey": who["private_key"]})
    client.options["defaultType"] = "spot"
    client.set_sandbox_mode(True)
    url = access["url"]
    client.urls["api"] = {"public": url, "private": url, "ws": {"public": f"{url.replace('http', 'ws')}/ws"}}
    return client


def list_levels(rows: list[dict[str, Any]]) -> list[list[str]]:
    """Give side, price and size of orders or fills."""
    return [[SIDES[row["side"]], str(row["price"]), str(row["amount"])] for row in rows]


def trade(access: dict[str, Any]) -> dict[str, Any]:
    """Do what a trader does, over HTTP."""
    maker, taker = open_client(access, 0), open_client(access, 1)
    market, ticker = maker.load_markets()[SYMBOL], maker.fetch_ticker(SYMBOL)
    seen: dict[str, Any] = {
        "market": {"asset": int(market["baseId"]), "decimals": 2, "price": str(ticker["last"])},
        "precision": [market["precision"]["amount"], market["precision"]["price"]],
    }
    only_maker = {"postOnly": True}
    placed = maker.create_order(SYMBOL, "limit", "buy", 1.5, 19.5, only_maker)
    seen["rested"] = list_levels(maker.fetch_open_orders(SYMBOL))
    edited = maker.edit_order(placed["id"], SYMBOL, "limit", "buy", 2, 19.6, only_maker)
    seen["modified"] = list_levels(maker.fetch_open_orders(SYMBOL))
    taken = taker.create_order(SYMBOL, "limit", "sell", 1, 19.6, {"timeInForce": "IOC"})
    seen["taken"] = [str(taken["average"]), str(taken["filled"])]
    seen["fills"] = list_levels(maker.fetch_my_trades(SYMBOL))
    seen["balance"] = str(maker.fetch_balance()["HYPE"]["total"])
    seen["book"] = maker.fetch_order_book(SYMBOL)["bids"]
    seen["status"] = maker.fetch_order(edited["id"], SYMBOL)["status"]
    maker.cancel_order(edited["id"], SYMBOL)
    seen["cancelled"] = list_levels(maker.fetch_open_orders(SYMBOL))
    try:
        maker.cancel_order(edited["id"], SYMBOL)
    except ccxt.OrderNotFound as error:
        seen["refused"] = str(error)
    return seen


async def watch(access: dict[str, Any]) -> dict[str, Any]:
    """Trade while the feed of fills is watched."""
    client = open_client(access, 0, ccxt.pro.hyperliquid)
    try:
        await client.load_markets()
        fills = asyncio.create_task(client.watch_my_trades(SYMBOL))
        # It has subscribed before anything happens.
        await asyncio.sleep(0.5)
        seen = await asyncio.to_thread(trade, access)
        return seen | {"feed": list_levels(await asyncio.wait_for(fills, 20))}
    finally:
        await client.close()


if __name__ == "__main__":
    print(json.dumps(asyncio.run(watch(json.loads(sys.argv[1])))))
