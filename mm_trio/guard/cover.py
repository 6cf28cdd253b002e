"""Cancels signed in advance for everything that may rest, kept in a file while the maker runs.

The file has an order before the order is sent, so nothing that a dead maker left is missing in it. It gets smaller
later, by the way. Signing and writing block, and may happen on any thread, one at a time; nobody waits for a write that
hangs.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

from mm_trio.concurrency.blocking_calls import QUICK_S
from mm_trio.guard.cancel_pages import BY_OID, CancelPage, CancelPages, GridNames
from mm_trio.guard.heartbeat import GuardPresence
from mm_trio.guard.private_file import FileUnread, write_private
from mm_trio.guard.reserve import NO_RESERVE, Reserve
from mm_trio.guard.signed_file import (
    CANCELS_NAME,
    NEW_CANCELS_NAME,
    SignedAction,
    SignedCancels,
    read_cancels,
    read_fired,
)
from mm_trio.model.local_failures import describe_local_failure
from mm_trio.model.orders import Intent
from mm_trio.state.order_state import OrderState
from mm_trio.venue.sdk import make_cloid

__all__ = ["DEFAULT_AFTER_S", "CancelCover", "CoverWhileWatched", "GuardTerms", "ListsOrders"]

_log = logging.getLogger(__name__)

DEFAULT_AFTER_S = 15.0
# Pages that the small file may have.
MOST_PART = 4
# Of the number of a file: that two have the same one is not to be expected.
NUMBER_BITS = 48
# Lists the coins whose orders are covered, each with its orders.
ListsOrders: TypeAlias = Callable[[], Sequence[tuple[str, OrderState]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardTerms:
    """Where a maker leaves its signs of life, and whose orders it signs cancels for.

    A guard acts after `after_s` of silence. `signer` is the address of the key, `vault`: each action names the account.
    `of_account`: there may be several coins, which come and go, and `coin` stands for all of them.
    """

    folder: Path
    network: str
    account: str
    coin: str
    signer: str
    vault: bool = False
    after_s: float = DEFAULT_AFTER_S
    of_account: bool = False


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """What may rest at one moment; a later one has a higher number."""

    number: int
    now_ms: int
    grids: tuple[GridNames, ...]

    @property
    def names(self) -> frozenset[str | int]:
        return frozenset(chain.from_iterable(chain(grid.cloids, grid.oids) for grid in self.grids))

    @property
    def coins(self) -> list[str]:
        return [grid.coin for grid in self.grids]

    def is_like(self, other: _Snapshot) -> bool:
        """Check that both name the same orders."""
        # Of hundreds of orders most are in the very same objects.
        return self.grids == other.grids or (self.coins == other.coins and self.names == other.names)


@dataclass(frozen=True, slots=True)
class _Taken:
    """Names of the orders of a coin, and the state that these were in."""

    orders: OrderState
    n_changes: int
    intents: tuple[Intent, ...]
    names: GridNames


class CancelCover:
    """Owner of the file of signed cancels.

    `exchange` signs, `clock_ms` is the venue's time, `list_orders` tells on the loop's thread what may rest, of each
    coin. Nothing is written before the first order is sent or `refresh` is called: until then the file of an earlier
    session covers what that one left. A file that cannot be written is told once, and again when it can be; placing
    goes on, because a maker without a guard is what most makers are.
    """

    def __init__(
        self, terms: GuardTerms, exchange: Any, *, clock_ms: Callable[[], int], list_orders: ListsOrders
    ) -> None:
        self.terms = terms
        self._path = terms.folder / CANCELS_NAME
        self._exchange = exchange
        self._clock_ms = clock_ms
        self._list_orders = list_orders
        self.presence = GuardPresence(terms.folder)
        self._n_taken = 0
        self._taken: dict[str, _Taken] = {}
        # All below belongs to whoever has the lock; a write that hangs is noted as the fault without it.
        self._lock = threading.Lock()
        self._pages = CancelPages()
        self._is_tidy = True
        self._written: _Snapshot | None = None
        # The file of all cancels, which is written anew once a second at most; what is new waits for a small one.
        self._whole: SignedCancels | None = None
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

    def refresh(self, *, is_last: bool = False) -> Callable[[], None]:
        """Return a blocking call that makes the file smaller, or its nonces new, where that is due.

        A large file becomes smaller little by little, at the `is_last` call at once.
        """
        return partial(self._refresh, self._take(), is_last=is_last)

    def is_near(self) -> bool:
        """Check if the file names what may rest now; to be called on the loop's thread."""
        return self._is_tidy and self._written is not None and self._written.is_like(self._take())

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

    # --- What may rest ------------------------------------------------------------------------

    def _take(self) -> _Snapshot:
        self._n_taken += 1
        some = self._list_orders()
        grids = self._take_changed(some) if self.terms.of_account else [_take_names(*each) for each in some]
        return _Snapshot(self._n_taken, self._clock_ms(), tuple(grids))

    def _take_changed(self, some: Sequence[tuple[str, OrderState]]) -> list[GridNames]:
        """Return the same object as before for each coin where nothing changed: all are looked at for each action."""
        taken, self._taken = self._taken, {}
        for coin, orders in some:
            known = taken.get(coin)
            n_changes, intents = orders.orders.n_changes, orders.get_intents()
            if known is None or known.orders is not orders or (known.n_changes, known.intents) != (n_changes, intents):
                known = _Taken(orders, n_changes, intents, _take_names(coin, orders))
            self._taken[coin] = known
        return [known.names for known in self._taken.values()]

    # --- The file -----------------------------------------------------------------------------

    def _cover(self, snapshot: _Snapshot) -> None:
        with self._having_file() as has_file:
            # A later snapshot has all that may rest of an earlier one.
            if has_file and (self._written is None or self._written.number < snapshot.number):
                self._write_or_tell(snapshot, tidies=False)

    def _refresh(self, snapshot: _Snapshot, *, is_last: bool) -> None:
        with self._having_file() as has_file:
            last = self._written
            if not has_file or (last is not None and last.number > snapshot.number):
                return
            is_other = last is None or not self._is_tidy or not last.is_like(snapshot)
            if is_other or self._find_reserve(snapshot.now_ms)[0] is not self._reserve or not self._path.exists():
                self._write_or_tell(snapshot, tidies=True, all_at_once=is_last)

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

    def _write_or_tell(self, snapshot: _Snapshot, *, tidies: bool, all_at_once: bool = False) -> None:
        fault = None
        try:
            self._name_orders(snapshot, tidies=tidies, all_at_once=all_at_once)
            fault = self._write(snapshot, may_be_part=not tidies)
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

    def _name_orders(self, snapshot: _Snapshot, *, tidies: bool, all_at_once: bool) -> None:
        """Let the pages name what may rest."""
        if not self.terms.of_account:
            self._pages.follow(snapshot.grids)
            return
        if not tidies and not self._pages.width and (earlier := self._read_earlier()) is not None:
            # Other grids may not have settled yet what an earlier session left of them.
            self._pages.keep_earlier(earlier)
        self._pages.add(snapshot.grids)
        self._is_tidy = tidies and self._pages.tidy(snapshot.grids, all_at_once=all_at_once)

    def _write(self, snapshot: _Snapshot, *, may_be_part: bool) -> str | None:
        """Sign and write; return what is not covered, if anything. Errors: OSError."""
        pages = self._pages
        found, unburnt = self._find_reserve(snapshot.now_ms)
        if self._reserve is None or self._reserve.first != found.first:
            pages.keep_signed(found.list_reserved())
        reserve = found.widen(pages.width)
        nonces = reserve.number_volleys(pages.width)
        whole = self._whole if may_be_part and nonces else None
        some = pages.list_changed()
        if whole is None or not self._has_whole(reserve) or len(some) > MOST_PART:
            whole, some = None, list(pages)
        else:
            # A volley that not both have would not cancel everything.
            nonces = nonces[: len(whole.volleys)]
        for page in some:
            self._sign(page, nonces=[volley[page.number] for volley in nonces])
        cancels = self._make_file(snapshot, reserve, some, nonces, part_of=None if whole is None else whole.number)
        name = CANCELS_NAME if whole is None else NEW_CANCELS_NAME
        write_private(self.terms.folder / name, cancels.to_bytes())
        if whole is None:
            self._whole = cancels if self.terms.of_account else None
            pages.on_written()
        # Burnt only once the file with the new ones is there.
        self._reserve, self._unburnt = reserve, self._unburnt + unburnt
        if pages.width and not nonces:
            return f"{len(reserve.spent)} reserved nonces are spent, the last one is free after {max(reserve.spent)}"
        return f"{pages.n_left_out} orders are more than the venue lets rest" if pages.n_left_out else None

    def _has_whole(self, reserve: Reserve) -> bool:
        """Check that there is a file of all cancels, signed with these nonces."""
        whole = self._whole
        return whole is not None and bool(whole.volleys) and whole.first == reserve.first and self._path.exists()

    def _make_file(
        self,
        snapshot: _Snapshot,
        reserve: Reserve,
        pages: Sequence[CancelPage],
        nonces: Sequence[Sequence[int]],
        *,
        part_of: int | None,
    ) -> SignedCancels:
        """Make a file of what is signed of these pages; `part_of` the file of all pages, None for that one itself."""
        terms = self.terms
        found = [[page.signed.get(volley[page.number]) for page in pages] for volley in nonces]
        return SignedCancels(
            network=terms.network,
            account=terms.account,
            coin=terms.coin,
            signer=terms.signer,
            vault=terms.vault,
            made_ms=snapshot.now_ms,
            first=reserve.first,
            widest=reserve.widest,
            spent=reserve.spent,
            # Of pages of an earlier session not every volley may be there.
            volleys=tuple(tuple(action for action in volley if action is not None) for volley in found),
            coins=tuple(sorted(snapshot.coins)) if terms.of_account else (),
            number=secrets.randbits(NUMBER_BITS) if terms.of_account and part_of is None else None,
            part_of=part_of,
        )

    def _sign(self, page: CancelPage, *, nonces: Sequence[int]) -> None:
        """Sign what of a page is not signed yet."""
        missing = [nonce for nonce in nonces if nonce not in page.signed]
        if page.is_earlier or not missing:
            return
        items = [_name_order(coin, name, method=page.method) for name, coin in page.coins.items()]
        # Without an expiry: it ends with its nonce, and a cancel of named orders is right however late it comes. A
        # deadline could only make it fail, where our clock was wrong.
        made = self._exchange.make_copies(page.method, items, nonces=missing, expires_after=None)
        covered = frozenset(page.coins)
        for each in made:
            page.on_signed(SignedAction.sign(each.nonce, self._exchange.sign_action(each).body, covered))

    # --- Nonces -------------------------------------------------------------------------------

    def _find_reserve(self, now_ms: int) -> tuple[Reserve, list[int]]:
        """Return the nonces to sign with, and those of an older file that are to be burnt.

        The former are the present ones, those of an earlier session, or new ones.
        """
        fired = self._read_fired()
        reserve = self._reserve or self._find_earlier()
        if fired and reserve.is_used(fired):
            return reserve.renew(now_ms, used=[nonce for nonce in reserve.list_signed() if nonce in fired]), []
        if not reserve.is_due(now_ms):
            return reserve, []
        unburnt = [nonce for nonce in reserve.list_signed() if nonce > now_ms]
        return reserve.renew(now_ms, used=unburnt), unburnt

    def _find_earlier(self) -> Reserve:
        """Find the reserve of an earlier session of the same signer."""
        found = self._read_earlier()
        return NO_RESERVE if found is None else Reserve(found.first, found.widest, found.spent)

    def _read_earlier(self) -> SignedCancels | None:
        """Read what an earlier session of the same signer left; the venue counts nonces for each key."""
        try:
            found = read_cancels(self.terms.folder)
        except (OSError, FileUnread) as error:
            _log.warning("earlier signed cancels not read: reason=%s; new nonces are reserved", error)
            return None
        return found if found is not None and found.signer == self.terms.signer else None

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


def _take_names(coin: str, orders: OrderState) -> GridNames:
    cloids = [intent.cloid for intent in orders.get_intents()]
    oids = []
    for order in orders.get_current_orders():
        if order.cloid is None:
            oids.append(order.oid)
        else:
            cloids.append(order.cloid)
    return GridNames(coin, tuple(dict.fromkeys(cloids)), tuple(oids))


def _name_order(coin: str, name: str | int, *, method: str) -> dict[str, object]:
    return {"coin": coin, "oid": name} if method == BY_OID else {"coin": coin, "cloid": make_cloid(str(name))}
