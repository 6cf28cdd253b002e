"""Cancels signed in advance for everything that may rest, kept in a file while the maker runs.

The file has an order before the order is sent, so nothing that a dead maker left is missing in it. It gets smaller
later, by the way. Signing and writing block, and may happen on any thread, one at a time; nobody waits for a write that
hangs.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from mm_trio.concurrency.blocking_calls import QUICK_S
from mm_trio.guard.heartbeat import GuardPresence
from mm_trio.guard.private_file import FileUnread, read_private, write_private
from mm_trio.guard.reserve import MOST_ACTIONS, MOST_ITEMS, NO_RESERVE, Reserve
from mm_trio.guard.signed_file import (
    CANCELS_NAME,
    MOST_BYTES,
    SignedAction,
    SignedCancels,
    parse_cancels,
    read_fired,
)
from mm_trio.guard.terms import GuardTerms
from mm_trio.model.local_failures import describe_local_failure
from mm_trio.state.order_state import OrderState
from mm_trio.venue.sdk import make_cloid

__all__ = ["CancelCover", "CoverWhileWatched"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """What may rest at one moment; a later one has a higher number."""

    number: int
    now_ms: int
    cloids: tuple[str, ...] = field(repr=False)
    oids: tuple[int, ...] = field(repr=False)

    @property
    def names(self) -> frozenset[str | int]:
        return frozenset((*self.cloids, *self.oids))


class CancelCover:
    """Owner of the file of signed cancels.

    `exchange` signs, `clock_ms` is the venue's time, `orders` are what may rest. Nothing is written before the first
    order is sent or `refresh` is called: until then the file of an earlier session covers what that one left. A file
    that cannot be written is told once, and again when it can be; placing goes on, because a maker without a guard is
    what most makers are.
    """

    def __init__(self, terms: GuardTerms, exchange: Any, *, clock_ms: Callable[[], int], orders: OrderState) -> None:
        self.terms = terms
        self._path = terms.folder / CANCELS_NAME
        self._exchange = exchange
        self._clock_ms = clock_ms
        self._orders = orders
        self.presence = GuardPresence(terms.folder)
        self._n_taken = 0
        # All below belongs to whoever has the lock; a write that hangs is noted as the fault without it.
        self._lock = threading.Lock()
        self._written: _Snapshot | None = None
        self._reserve: Reserve | None = None
        self._unburnt: list[int] = []
        self._fault: str | None = None

    def read_clock_ms(self) -> int:
        """Return the venue's time, by which the file says when it was made."""
        return self._clock_ms()

    def make_cover(self) -> Callable[[], None]:
        """Return a blocking call that covers what may rest now.

        To be called on the loop's thread; the call it returns on any. It raises nothing.
        """
        return partial(self._cover, self._take())

    def refresh(self) -> Callable[[], None]:
        """Return a blocking call that makes the file smaller, or its nonces new, where that is due."""
        return partial(self._refresh, self._take())

    def is_near(self) -> bool:
        """Check if the file names what may rest now; to be called on the loop's thread."""
        return self._written is not None and self._written.names == self._take().names

    @property
    def must_burn(self) -> bool:
        """Check if there are nonces of an older file to be used up."""
        return bool(self._unburnt)

    def burn(self) -> int:
        """Use up the nonces of an older file, so that it cannot be carried out; return how many.

        Blocks. What fails is harmless: an older file cancels only orders that are in the present one, or gone.
        """
        if not self._lock.acquire(timeout=QUICK_S):
            return 0
        try:
            nonces, self._unburnt = self._unburnt, []
        finally:
            self._lock.release()
        for nonce in nonces:
            unsigned = self._exchange.make_action("noop", [], nonce=nonce, expires_after=None)
            self._exchange.post_signed(self._exchange.sign_action(unsigned))
        return len(nonces)

    def _take(self) -> _Snapshot:
        orders = self._orders
        cloids = [intent.cloid for intent in orders.get_intents()]
        oids = []
        for order in orders.get_current_orders():
            if order.cloid is None:
                oids.append(order.oid)
            else:
                cloids.append(order.cloid)
        self._n_taken += 1
        return _Snapshot(self._n_taken, self._clock_ms(), tuple(dict.fromkeys(cloids)), tuple(oids))

    def _cover(self, snapshot: _Snapshot) -> None:
        with self._having_file() as has_file:
            # A later snapshot has all that may rest of an earlier one.
            if has_file and (self._written is None or self._written.number < snapshot.number):
                self._write_or_tell(snapshot)

    def _refresh(self, snapshot: _Snapshot) -> None:
        with self._having_file() as has_file:
            last = self._written
            if not has_file or (last is not None and last.number > snapshot.number):
                return
            is_other = last is None or last.names != snapshot.names
            if is_other or self._find_reserve(snapshot.now_ms)[0] is not self._reserve or not self._path.exists():
                self._write_or_tell(snapshot)

    @contextmanager
    def _having_file(self) -> Iterator[bool]:
        """Take the file's turn, unless a write that hangs has it; that is told once."""
        has_file = self._lock.acquire(timeout=QUICK_S)
        try:
            if not has_file:
                self._note_fault("an earlier write of the file hangs")
            yield has_file
        finally:
            if has_file:
                self._lock.release()

    def _write_or_tell(self, snapshot: _Snapshot) -> None:
        fault = None
        try:
            fault = self._write(snapshot)
            self._written = snapshot
        except Exception as error:  # noqa: BLE001 - whatever it is, orders must not depend on it
            fault = describe_local_failure(error) or f"{type(error).__name__}: {error}"
        self._note_fault(fault)

    def _note_fault(self, fault: str | None) -> None:
        if fault is not None and fault != self._fault:
            _log.error("guard without cancels: reason=%s; a guard cannot cancel what is placed from now on", fault)
        elif fault is None and self._fault is not None:
            _log.info("guard has cancels again: file=%s", CANCELS_NAME)
        self._fault = fault

    def _write(self, snapshot: _Snapshot) -> str | None:
        """Sign and write; return what is not covered, if anything. Errors: OSError."""
        parts = [*_cut("bulk_cancel_by_cloid", snapshot.cloids), *_cut("bulk_cancel", snapshot.oids)]
        actions = parts[:MOST_ACTIONS]
        found, unburnt = self._find_reserve(snapshot.now_ms)
        reserve = found.widen(len(actions))
        nonces = reserve.number_volleys(len(actions))
        signed = [self._sign(*part, nonces=[volley[n] for volley in nonces]) for n, part in enumerate(actions)]
        terms = self.terms
        cancels = SignedCancels(
            network=terms.network,
            account=terms.account,
            coin=terms.coin,
            signer=terms.signer,
            vault=terms.vault,
            made_ms=snapshot.now_ms,
            first=reserve.first,
            widest=reserve.widest,
            spent=reserve.spent,
            volleys=tuple(zip(*signed, strict=True)) if nonces else (),
        )
        write_private(self._path, cancels.to_bytes())
        # Burnt only once the file with the new ones is there.
        self._reserve, self._unburnt = reserve, self._unburnt + unburnt
        if actions and not nonces:
            return f"{len(reserve.spent)} reserved nonces are spent, the last one is free after {max(reserve.spent)}"
        n_left = sum(len(names) for _, names in parts[MOST_ACTIONS:])
        return f"{n_left} orders are more than the venue lets rest" if n_left else None

    def _sign(self, method: str, names: Sequence[str | int], *, nonces: Sequence[int]) -> list[SignedAction]:
        items = [_name_order(self.terms.coin, name) for name in names]
        # Without an expiry: it ends with its nonce, and a cancel of named orders is right however late it comes. A
        # deadline could only make it fail, where our clock was wrong.
        made = self._exchange.make_copies(method, items, nonces=nonces, expires_after=None)
        covered = frozenset(names)
        return [SignedAction(each.nonce, self._exchange.sign_action(each).body, covered) for each in made]

    def _find_reserve(self, now_ms: int) -> tuple[Reserve, list[int]]:
        """Return the nonces to sign with, and those of an older file that are to be burnt.

        The former are the present ones, those of an earlier session, or new ones.
        """
        fired = self._read_fired()
        reserve = self._reserve or self._read_earlier()
        if reserve.is_used(fired):
            return reserve.renew(now_ms, used=[nonce for nonce in reserve.list_signed() if nonce in fired]), []
        if not reserve.is_due(now_ms):
            return reserve, []
        unburnt = [nonce for nonce in reserve.list_signed() if nonce > now_ms]
        return reserve.renew(now_ms, used=unburnt), unburnt

    def _read_earlier(self) -> Reserve:
        """Read the reserve of an earlier session of the same signer."""
        try:
            data = read_private(self._path, most=MOST_BYTES)
            found = None if data is None else parse_cancels(data)
        except (OSError, FileUnread) as error:
            _log.warning("earlier signed cancels not read: reason=%s; new nonces are reserved", error)
            return NO_RESERVE
        # The venue counts nonces for each key.
        if found is None or found.signer != self.terms.signer:
            return NO_RESERVE
        return Reserve(found.first, found.widest, found.spent)

    def _read_fired(self) -> frozenset[int]:
        try:
            return read_fired(self.terms.folder)
        except (OSError, FileUnread):
            return frozenset()


class CoverWhileWatched:
    """Cover of orders before they are sent, while a guard may watch.

    To sign and write the cancels takes as long as to answer a fill. Where no guard lives nobody could post them in
    time: there a refresh each second keeps the file near to what rests.
    """

    def __init__(self, cover: CancelCover) -> None:
        self._cover = cover

    def make_cover(self) -> Callable[[], None] | None:
        """Return the blocking call that covers what may rest now; None without a guard."""
        return self._cover.make_cover() if self._cover.presence.is_likely else None


def _cut(method: str, names: Sequence[str] | Sequence[int]) -> list[tuple[str, Sequence[str | int]]]:
    """Cut the names of orders into actions of as many items as one may have."""
    return [(method, names[n : n + MOST_ITEMS]) for n in range(0, len(names), MOST_ITEMS)]


def _name_order(coin: str, name: str | int) -> dict[str, object]:
    return {"coin": coin, "oid": name} if isinstance(name, int) else {"coin": coin, "cloid": make_cloid(name)}
