"""Sweep of an account: orders are looked for and cancelled until two looks show none."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import trio

from mm_trio.model.cloid import decode_cloid
from mm_trio.model.errors import ProtocolError, VenueError
from mm_trio.model.replies import Answer, Cancelled, OpenOrder, Refusal, find_refused
from mm_trio.quoting.send_plan import batches
from mm_trio.sending.order_desk import OrderDesk
from mm_trio.venue import wire
from mm_trio.venue.rest_client import VenueClient

__all__ = ["OrderSweep", "SweepScope"]

_log = logging.getLogger(__name__)

# Between the two looks that prove it. One answer may be a replica's that lags.
LOOKS_APART_S = 1.0
AFTER_CANCELS_S = 0.3
# A question that failed is asked again so soon.
AGAIN_S = 1.0
# The running maker may sign with the same key, and take a nonce first.
NONCE_TRIES = 3
COMPARE_WITHIN_S = 5.0


@dataclass(frozen=True, slots=True)
class SweepScope:
    """Which orders are swept: of which coins, and of whom.

    `coin` and `also` are those that are meant, `coins` all spot pairs that can be cancelled. `foreign`: whoever placed
    them; else those with this program's mark.
    """

    coin: str
    coins: Collection[str]
    foreign: bool
    all_coins: bool
    also: frozenset[str] = frozenset()

    @property
    def wanted(self) -> tuple[str, ...]:
        """Return the coins that are meant, without `all_coins`."""
        return (self.coin, *sorted(self.also - {self.coin}))

    def is_target(self, row: OpenOrder) -> bool:
        """Check if an order is to be cancelled."""
        is_of_coin = row.coin in self.coins if self.all_coins else row.coin in self.wanted
        return is_of_coin and (self.foreign or decode_cloid(row.cloid) is not None)

    def is_left_alone(self, row: OpenOrder) -> bool:
        """Check if an order is worth naming among those that stay."""
        return not self.is_target(row) and (self.all_coins or row.coin in self.wanted)


class OrderSweep:
    """Looks and cancels of one account, within a time.

    `make_desk` returns the sender for a coin. `known` are orders that the journal says rested, for when the venue
    does not tell. `targets` are the orders of the last look, None before the first.
    """

    def __init__(
        self,
        client: VenueClient,
        info: Any,
        *,
        scope: SweepScope,
        make_desk: Callable[[str], OrderDesk],
        known: Sequence[int] = (),
    ) -> None:
        self._client = client
        self._info = info
        self._scope = scope
        self._make_desk = make_desk
        # Named to the operator where the venue tells nothing.
        self.named = self._known = tuple(known)
        self._seen: set[int] = set()
        self._cancelled: set[int] = set()
        self.targets: tuple[OpenOrder, ...] | None = None
        self.left_alone: tuple[OpenOrder, ...] = ()
        self.unverified: str | None = "no look at the open orders succeeded"
        self.lost_key: str | None = None

    @property
    def n_cancelled(self) -> int:
        """Count the orders whose cancel the venue confirmed."""
        return len(self._cancelled)

    @property
    def n_ended(self) -> int:
        """Count the other orders that were seen and are gone: filled, or cancelled by another hand."""
        resting = {row.oid for row in self.targets or ()}
        return len(self._seen - self._cancelled - resting)

    async def run(self, account: str, *, settled_s: float, until_s: float) -> None:
        """Cancel until two looks show none, the last one after `settled_s`, or until the time is up."""
        quiet_s: float | None = None
        while trio.current_time() < until_s:
            asked_s = trio.current_time()
            if not await self._look(account):
                quiet_s = None
                if self.targets is None:
                    await self.cancel_known()
                await trio.sleep(AGAIN_S)
            elif not self.targets:
                quiet_s = asked_s if quiet_s is None else quiet_s
                if asked_s >= max(quiet_s + LOOKS_APART_S, settled_s):
                    self.unverified = None
                    return
                self.unverified = "what was on its way could still arrive, and the time was up"
                await trio.sleep(LOOKS_APART_S)
            else:
                quiet_s, self.unverified = None, None
                if self.lost_key is not None:
                    return
                await self._cancel(_sort_by_coin(self.targets))
                await trio.sleep(AFTER_CANCELS_S)

    async def cancel_known(self) -> None:
        """Cancel once what the journal names."""
        known, self._known = self._known, ()
        if known:
            await self._cancel({self._scope.coin: known})

    async def _look(self, account: str) -> bool:
        """Read the open orders; return whether all rows that count could be read."""
        scope = self._scope
        try:
            raw = await self._client.ask(self._info.open_orders, account)
            # A row that cannot be read must not keep the others from being cancelled.
            rows, unreadable = wire.parse_open_orders(raw, "")
        except VenueError as error:
            self._note_failure(error)
            return False
        self.targets = tuple(row for row in rows if scope.is_target(row))
        self.left_alone = tuple(row for row in rows if scope.is_left_alone(row))
        self._seen |= {row.oid for row in self.targets}
        failure = unreadable[0] if unreadable and scope.all_coins else None
        if unreadable and not scope.all_coins:
            try:
                for coin in scope.wanted:
                    wire.parse_open_orders(raw, coin)
            except ProtocolError as error:
                failure = error
        if failure is not None and not self.targets:
            self._note_failure(failure)
            return False
        return True

    def _note_failure(self, error: VenueError) -> None:
        self.unverified = str(error)
        _log.warning("open orders not read: error=%s retry_s=%g", error, AGAIN_S)

    async def _cancel(self, by_coin: Mapping[str, Sequence[int]]) -> None:
        """Cancel orders, coin by coin."""
        for coin, oids in by_coin.items():
            desk = self._make_desk(coin)
            for some in batches(oids):
                answers = await self._send(desk, some)
                done = [oid for oid, answer in zip(some, answers, strict=True) if isinstance(answer, Cancelled)]
                self._cancelled |= set(done)
                failed = {_describe(answer) for answer in answers if not isinstance(answer, Cancelled)}
                _log.info(
                    "cancelled: coin=%s orders=%d of=%d %s", coin, len(done), len(some), "; ".join(sorted(failed))
                )
                self.lost_key = self.lost_key or desk.gateway.signer.find_halt()

    async def _send(self, desk: OrderDesk, oids: Sequence[int]) -> tuple[Answer, ...]:
        """Send cancels, with a higher nonce where one was refused."""
        answers: tuple[Answer, ...] = ()
        for _ in range(NONCE_TRIES):
            answers = await desk.send_cancels(oids)
            reason = find_refused(answers[0])
            if reason is not None and reason.refusal is Refusal.EXPIRED:
                await self._compare_clock()
            elif reason is None or reason.refusal is not Refusal.NONCE:
                break
        return answers

    async def _compare_clock(self) -> None:
        with trio.move_on_after(COMPARE_WITHIN_S):
            try:
                await self._client.compare_clock(self._scope.coin)
            except VenueError as error:
                _log.warning("clocks not compared: error=%s", error)


def _sort_by_coin(rows: Iterable[OpenOrder]) -> dict[str, list[int]]:
    by_coin: dict[str, list[int]] = {}
    for row in rows:
        by_coin.setdefault(row.coin, []).append(row.oid)
    return by_coin


def _describe(answer: Answer) -> str:
    reason = find_refused(answer)
    return repr(answer) if reason is None else reason.text
