"""The least that quotes a fill again: no ledger, no ladder, no doubts, no deadline kept. What is faster does not exist.

It subscribes, places the same ladder once, and answers each fill by one order at its price, through the same socket,
signer and HTTP as the maker. `side_by_side.py` runs it to know what of a reaction is the machine's.
"""

from __future__ import annotations

import os
import sys
import time
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any

import trio

from mm_trio.config.settings import MarketSettings
from mm_trio.model.orders import DesiredOrder
from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.venue import wire
from mm_trio.venue.sdk import fetch_spot_meta, make_cloid, make_exchange, make_info, make_wallet
from mm_trio.venue.socket import replace_socket

__all__: list[str] = []

EXPIRES_MS = 10_000


class Floor:
    """One ladder, and what answers its fills."""

    def __init__(self, config: dict[str, Any]) -> None:
        market, self._strategy = config["market"], config["strategy"]
        url, self._account, self._coin = market["api_url"], market["account"], market["coin"]
        meta = fetch_spot_meta(url)
        settings = MarketSettings(coin=self._coin, api_url=url, account=self._account)
        self._exchange = make_exchange(settings, make_wallet(os.environ["MM_TRIO_PRIVATE_KEY"]), meta)
        self._info = make_info(url, meta)
        self._n_cloids = 0
        n_orders = self._strategy["n_orders"]
        self._levels = PricingGrid(self._strategy["start_px"], n_orders, sz_decimals=2).levels

    async def quote_forever(self) -> None:
        """Subscribe, place the ladder, answer fills."""
        replace_socket(self._info)
        token = trio.lowlevel.current_trio_token()
        for feed, answer in (("userFills", self._answer), ("orderUpdates", self._ignore)):
            self._info.subscribe(
                {"type": feed, "user": self._account},
                lambda frame, answer=answer: trio.from_thread.run(answer, frame, trio_token=token),
            )
        size, middle = Decimal(self._strategy["order_sz"]), len(self._levels) // 2
        asks = range(middle, middle + self._strategy["active_levels"])
        bids = range(middle - 1, middle - 1 - self._strategy["active_levels"], -1)
        self._exchange.post_signed(
            self._sign(
                [DesiredOrder("sell", level, self._levels[level], size) for level in asks]
                + [DesiredOrder("buy", level, self._levels[level], size) for level in bids]
            )
        )
        await trio.sleep_forever()

    async def _ignore(self, frame: Any) -> None:
        await trio.lowlevel.checkpoint()

    async def _answer(self, frame: Any) -> None:
        for fill in () if frame["data"].get("isSnapshot") else frame["data"]["fills"]:
            price = Decimal(fill["px"])
            order = DesiredOrder(
                "buy" if fill["side"] == "A" else "sell", self._levels.index(price), price, Decimal(fill["sz"])
            )
            await trio.to_thread.run_sync(self._exchange.post_signed, self._sign([order]))

    def _sign(self, orders: list[DesiredOrder]) -> Any:
        now_ms = time.time_ns() // 1_000_000
        items = []
        for order in orders:
            self._n_cloids += 1
            cloid = make_cloid(f"0x{self._n_cloids:032x}")
            items.append(wire.encode_order(order, coin=self._coin, cloid=cloid, exact=True))
        unsigned = self._exchange.make_action("bulk_orders", items, nonce=now_ms, expires_after=now_ms + EXPIRES_MS)
        return self._exchange.sign_action(unsigned)


if __name__ == "__main__":
    trio.run(Floor(tomllib.loads(Path(sys.argv[1]).read_text())).quote_forever)
