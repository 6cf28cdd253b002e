"""Lane on which the actions of an account leave, one after another.

What several senders want to send while an action is on its way waits, and leaves together with the next one: one
action may have items of several coins. Cancels never wait behind orders.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice

import trio

from mm_trio.model.replies import Answer, Unknown
from mm_trio.quoting.send_plan import MAX_BATCH_ITEMS
from mm_trio.venue.order_gateway import OrderGateway, Share

__all__ = ["ActionLane", "Boarded", "Departure", "Load"]


class Departure:
    """Nonce and deadline of one action, taken when the first item needs them."""

    def __init__(self, take_nonce: Callable[[], int | None], find_expires_ms: Callable[[], int]) -> None:
        self._take_nonce = take_nonce
        self._find_expires_ms = find_expires_ms
        self._taken: tuple[int | None, int] | None = None

    def take(self) -> tuple[int | None, int]:
        """Return the nonce and the deadline in the venue's ms, the same to all who board."""
        if self._taken is None:
            self._taken = self._take_nonce(), self._find_expires_ms()
        return self._taken


@dataclass(frozen=True, slots=True)
class Boarded:
    """Items that one sender has in an action, and its share of that."""

    items: Sequence[dict[str, object]]
    share: Share


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Load:
    """What one sender adds to the next action of a method.

    `board` is called once, right before that action is made: it records what leaves, and returns at most `most` items,
    or None where nothing is wanted any more. `find_expires_ms` gives the action's deadline in the venue's ms; `always`:
    it is sent whatever else may not be sent.
    """

    method: str
    board: Callable[[Departure], Boarded | None]
    most: int
    find_expires_ms: Callable[[], int]
    always: bool = False

    @property
    def kind(self) -> tuple[str, bool]:
        """Return what loads of one action have in common."""
        return self.method, self.always


@dataclass(slots=True, eq=False)
class _Waiting:
    """Load in the queue.

    Its `turn` is set when it is over, or when its sender is to send the next action.
    """

    load: Load
    turn: trio.Event = field(default_factory=trio.Event)
    is_aboard: bool = False
    is_over: bool = False
    answers: tuple[Answer, ...] = ()
    error: Exception | None = None

    def go_aboard(self) -> None:
        """Note that its items may leave from now on."""
        self.is_aboard = True

    def end(self, answers: tuple[Answer, ...] = (), *, error: Exception | None = None) -> None:
        """Let the sender of this load go on."""
        self.answers, self.error, self.is_over = answers, error, True
        self.turn.set()

    def take(self) -> tuple[Answer, ...]:
        """Return the answers. Errors: that of the action, or of boarding it."""
        if self.error is not None:
            raise self.error
        return self.answers


class ActionLane:
    """Queue of loads in front of the gateway.

    The sender of the first load makes the action for all that leave with it. `is_shared`: there are several senders.
    """

    def __init__(self, gateway: OrderGateway, *, is_shared: bool = False) -> None:
        self._gateway = gateway
        self._is_shared = is_shared
        self._queue: list[_Waiting] = []
        self._is_sending = False

    async def send(self, load: Load) -> tuple[Answer, ...]:
        """Send a load with the next action that has room for it; return the answers to its items.

        A cancellation withdraws a load that is not aboard yet; one that is aboard gets its answers. Errors:
        JournalError or NotMade, and then nothing was sent; what `board` raised.
        """
        waiting = _Waiting(load)
        n_cancels = sum(each.load.always for each in self._queue)
        self._queue.insert(n_cancels if load.always else len(self._queue), waiting)
        if self._is_sending:
            await self._wait_for_turn(waiting)
            if waiting.is_over:
                return waiting.take()
        self._is_sending = True
        try:
            if self._is_shared:
                # Whoever wants to send at this moment leaves with it.
                await trio.lowlevel.checkpoint()
            await self._depart(waiting)
        finally:
            self._withdraw(waiting)
            self._pass_turn_on()
        return waiting.take()

    async def _wait_for_turn(self, waiting: _Waiting) -> None:
        try:
            await waiting.turn.wait()
        except trio.Cancelled:
            if waiting.is_aboard:
                # The items may have left; an action's deadline bounds the wait for what became of them. The
                # cancellation is met again at the next checkpoint.
                with trio.CancelScope(shield=True):
                    await waiting.turn.wait()
                return
            self._withdraw(waiting)
            if waiting.turn.is_set():
                self._pass_turn_on()
            raise

    def _withdraw(self, waiting: _Waiting) -> None:
        if waiting in self._queue:
            self._queue.remove(waiting)

    def _pass_turn_on(self) -> None:
        """Let the sender of the first load in the queue send."""
        self._is_sending = bool(self._queue)
        if self._queue:
            self._queue[0].turn.set()

    async def _depart(self, first: _Waiting) -> None:
        """Send one action with this load, and with those of its kind that have room in it."""
        departure = Departure(self._gateway.take_nonce, first.load.find_expires_ms)
        aboard = self._board(self._take_party(first), departure)
        if not aboard:
            return
        try:
            # Whoever is aboard waits for this, whatever comes of it.
            nonce, expires_ms = departure.take()
            answers = iter(
                await self._gateway.carry_out(
                    first.load.method,
                    [item for _, boarded in aboard for item in boarded.items],
                    nonce=nonce,
                    expires_ms=expires_ms,
                    always=first.load.always,
                    shares=[boarded.share for _, boarded in aboard],
                )
            )
        except Exception as error:  # noqa: BLE001 - it is told to everyone whose items were in this action
            for waiting, _ in aboard:
                waiting.end(error=error)
        except BaseException as error:
            for waiting, boarded in aboard:
                waiting.end((Unknown(f"the sender was interrupted: {type(error).__name__}"),) * len(boarded.items))
            raise
        else:
            for waiting, boarded in aboard:
                waiting.end(tuple(islice(answers, len(boarded.items))))

    def _board(self, party: Sequence[_Waiting], departure: Departure) -> list[tuple[_Waiting, Boarded]]:
        """Let each load board, and end those that have nothing to send."""
        aboard: list[tuple[_Waiting, Boarded]] = []
        for waiting in party:
            waiting.go_aboard()
            try:
                boarded = waiting.load.board(departure)
            except Exception as error:  # noqa: BLE001 - it is told to whoever made this load
                waiting.end(error=error)
                continue
            if boarded is None or not boarded.items:
                waiting.end()
            else:
                aboard.append((waiting, boarded))
        return aboard

    def _take_party(self, first: _Waiting) -> list[_Waiting]:
        """Take those loads out of the queue that leave with the first one."""
        party, room = [first], MAX_BATCH_ITEMS - first.load.most
        for each in self._queue:
            if each is not first and each.load.kind == first.load.kind and each.load.most <= room:
                party.append(each)
                room -= each.load.most
        self._queue = [each for each in self._queue if each not in party]
        return party
