"""Senders for tests: a desk of one coin, and one that sends orders which were made beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mm_trio.model.journal_entries import forget
from mm_trio.model.orders import Intent
from mm_trio.model.replies import Answer
from mm_trio.sending.action_lane import ActionLane
from mm_trio.sending.order_desk import OrderDesk
from mm_trio.venue import wire
from mm_trio.venue.order_gateway import OrderGateway, making
from mm_trio.venue.sdk import make_cloid


def make_desk(gateway: OrderGateway, coin: str = "@107", **options: Any) -> OrderDesk:
    """A desk with a lane of its own."""
    return OrderDesk(gateway, ActionLane(gateway), coin=coin, record=options.pop("record", forget), **options)


class ReadySender:
    """Sends what is given, with the nonce and the deadline that it was made with."""

    def __init__(self, gateway: OrderGateway, coin: str = "@107") -> None:
        self.gateway = gateway
        self.coin = coin

    async def send_places(self, intents: Sequence[Intent]) -> tuple[Answer, ...]:
        return await self._send("bulk_orders", [self._encode(intent) for intent in intents], intents)

    async def send_modifies(self, intents: Sequence[Intent]) -> tuple[Answer, ...]:
        items: list[dict[str, object]] = [{"oid": intent.replaces, "order": self._encode(intent)} for intent in intents]
        return await self._send("bulk_modify_orders_new", items, intents)

    async def send_cancels(self, oids: Sequence[int], *, expires_ms: int) -> tuple[Answer, ...]:
        items = [wire.encode_cancel(oid, coin=self.coin) for oid in oids]
        nonce = self.gateway.take_nonce()
        return await self.gateway.carry_out("bulk_cancel", items, nonce=nonce, expires_ms=expires_ms, always=True)

    async def send_cancels_by_cloid(self, intents: Sequence[Intent], *, expires_ms: int) -> tuple[Answer, ...]:
        items: list[dict[str, object]] = [{"coin": self.coin, "cloid": make_cloid(i.cloid)} for i in intents]
        nonce = self.gateway.take_nonce()
        return await self.gateway.carry_out(
            "bulk_cancel_by_cloid", items, nonce=nonce, expires_ms=expires_ms, always=True
        )

    async def _send(
        self, method: str, items: Sequence[dict[str, object]], intents: Sequence[Intent]
    ) -> tuple[Answer, ...]:
        first = intents[0]
        return await self.gateway.carry_out(method, items, nonce=first.nonce, expires_ms=first.expires_ms)

    def _encode(self, intent: Intent) -> dict[str, object]:
        with making():
            cloid = make_cloid(intent.cloid)
            return wire.encode_order(intent.quote, coin=self.coin, cloid=cloid, exact=self.gateway.signs)
