"""Orders and cancels of one coin, as items of the account's actions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TypeAlias

from mm_trio.limits.terms import Breach, Reaction
from mm_trio.model.journal_entries import Entry
from mm_trio.model.orders import Intent
from mm_trio.model.replies import Answer, Refusal, Refused
from mm_trio.sending.action_lane import ActionLane, Boarded, Departure, Load
from mm_trio.venue import wire
from mm_trio.venue.order_gateway import (
    AlwaysOpen,
    JudgesOrders,
    NoLimits,
    OpensForPlaces,
    OrderGateway,
    Share,
    making,
)
from mm_trio.venue.sdk import make_cloid
from mm_trio.witness.fill_check import LIFE_MS

__all__ = ["EXPIRY_S", "MakesIntents", "OrderDesk"]

# An action that arrives later than this is refused by the venue (expiresAfter), so it cannot be executed after that.
EXPIRY_S = LIFE_MS / 1000
# Called when the action is made: chooses its orders and records them as sent, with its nonce and deadline.
MakesIntents: TypeAlias = Callable[[Departure], Sequence[Intent]]


class OrderDesk:
    """Sender of one coin's orders and cancels.

    `coin` is the venue's name of our pair. `gate` says whether something new may be placed of this coin, beside what
    the gateway asks for the account. `limits` judge every order before it is signed. `record` takes the entries of
    actions. `counts_itself`: `limits` are not the account's, and are told of signed items here.
    """

    def __init__(
        self,
        gateway: OrderGateway,
        lane: ActionLane,
        *,
        coin: str,
        record: Callable[[Entry], None],
        gate: OpensForPlaces | None = None,
        limits: JudgesOrders | None = None,
        counts_itself: bool = False,
    ) -> None:
        self.gateway = gateway
        self._lane = lane
        self._coin = coin
        self._record = record
        self._gate = gate or AlwaysOpen()
        self._limits = limits or NoLimits()
        self._counts_itself = counts_itself

    def may_place(self) -> bool:
        """Check if something new may be recorded and sent.

        Only to be called on the loop's thread.
        """
        return self.gateway.may_place() and self._gate.may_place()

    async def send_places(self, make: MakesIntents, *, most: int) -> tuple[Answer, ...]:
        """Place orders, post-only; `make` returns at most `most`.

        Errors: JournalError or NotMade, and then nothing was sent.
        """
        return await self._send_orders("bulk_orders", make, self._encode, most=most)

    async def send_modifies(self, make: MakesIntents, *, most: int) -> tuple[Answer, ...]:
        """Replace orders, each by a new one with its own cloid.

        Errors: JournalError or NotMade, and then nothing was sent.
        """
        return await self._send_orders(
            "bulk_modify_orders_new",
            make,
            lambda intent: {"oid": intent.replaces, "order": self._encode(intent)},
            most=most,
        )

    async def _send_orders(
        self, method: str, make: MakesIntents, encode: Callable[[Intent], dict[str, object]], *, most: int
    ) -> tuple[Answer, ...]:
        """Send the orders that break no limit; the others are answered here and never signed."""
        verdicts: Sequence[Breach | None] = ()

        def board(departure: Departure) -> Boarded | None:
            nonlocal verdicts
            if not (intents := make(departure)):
                return None
            verdicts = self._judge(intents)
            with making():
                items = [encode(intent) for intent, breach in zip(intents, verdicts, strict=True) if breach is None]
            return self._make_boarded(items, always=False)

        load = Load(method=method, board=board, most=most, find_expires_ms=self._find_expires_ms)
        answers = iter(await self._lane.send(load))
        return tuple(next(answers) if breach is None else _refuse(breach) for breach in verdicts)

    def _judge(self, intents: Sequence[Intent]) -> Sequence[Breach | None]:
        """Find for each order the limit that it would break, of its grid or else of its account."""
        verdicts = list(self._limits.judge(intents))
        if not self._counts_itself:
            return verdicts
        within = [intent for intent, breach in zip(intents, verdicts, strict=True) if breach is None]
        of_account = iter(self.gateway.judge(within))
        return [next(of_account) if breach is None else breach for breach in verdicts]

    def _find_expires_ms(self) -> int:
        return self.gateway.compute_expiry_ms(EXPIRY_S)

    def _encode(self, intent: Intent) -> dict[str, object]:
        return wire.encode_order(
            intent.quote, coin=self._coin, cloid=make_cloid(intent.cloid), exact=self.gateway.signs
        )

    # Cancels may always be sent, even where nothing can be written down any more.

    async def send_cancels(
        self, oids: Sequence[int], *, expires_ms: int | None = None, if_placing: bool = False
    ) -> tuple[Answer, ...]:
        """Cancel orders by oid; without a deadline one of our choice.

        `if_placing`: nothing is sent, and nothing answered, once new orders may not be placed any more.
        """
        items = [wire.encode_cancel(oid, coin=self._coin) for oid in oids]
        return await self._send_cancels("bulk_cancel", items, expires_ms=expires_ms, if_placing=if_placing)

    async def send_cancels_by_cloid(
        self, intents: Sequence[Intent], *, expires_ms: int | None = None
    ) -> tuple[Answer, ...]:
        """Cancel orders whose oid we never learnt."""
        items: list[dict[str, object]] = [{"coin": self._coin, "cloid": make_cloid(intent.cloid)} for intent in intents]
        return await self._send_cancels("bulk_cancel_by_cloid", items, expires_ms=expires_ms)

    async def _send_cancels(
        self, method: str, items: Sequence[dict[str, object]], *, expires_ms: int | None, if_placing: bool = False
    ) -> tuple[Answer, ...]:
        def board(departure: Departure) -> Boarded | None:
            return self._make_boarded(items, always=True) if not if_placing or self.may_place() else None

        def find_expires_ms() -> int:
            return self.gateway.compute_cancel_expiry_ms(EXPIRY_S) if expires_ms is None else expires_ms

        load = Load(
            method=method,
            board=board,
            most=len(items),
            find_expires_ms=find_expires_ms,
            always=True,
        )
        return await self._lane.send(load)

    def _make_boarded(self, items: Sequence[dict[str, object]], *, always: bool) -> Boarded:
        on_signed = self._limits.on_signed if self._counts_itself else _count_nothing
        if always:
            return Boarded(items, Share(n_items=len(items), record=self._record, on_signed=on_signed))
        share = Share(
            n_items=len(items),
            record=self._record,
            on_signed=on_signed,
            may_place=self._gate.may_place,
            may_still_send=self._gate.may_still_place,
        )
        return Boarded(items, share)


def _count_nothing(n_items: int) -> None:
    pass


def _refuse(breach: Breach) -> Refused:
    """Answer for an order that a limit forbids, or for all of them.

    The words are alike for all orders beyond one limit, so that they are told together.
    """
    kind = Refusal.LIMIT if breach.reaction is Reaction.REFUSE else Refusal.NOT_SENT
    return Refused(kind, f"not sent: beyond {breach.name} of {Decimal(breach.limit):f}", untouched=True)
