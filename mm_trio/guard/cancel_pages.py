"""Which signed action names which orders. Pure.

A cancel is an item of an action, and an action is signed as a whole. Of one market all actions follow what rests. Of
many markets that would take longer than the reaction that waits for it: there new orders are named on a page of their
own, and all other pages stay signed as they are. Names of orders that are gone do no harm; they are taken off a few
pages at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import TypeAlias

from mm_trio.guard.reserve import MOST_ACTIONS, MOST_ITEMS
from mm_trio.guard.signed_file import SignedAction, SignedCancels

__all__ = ["BY_CLOID", "BY_OID", "CancelPage", "CancelPages", "GridNames"]

Name: TypeAlias = str | int
BY_CLOID, BY_OID = "bulk_cancel_by_cloid", "bulk_cancel"
# A page with so many names takes no further ones. Fewer would make more pages, each of which is a nonce that a guard
# spends; with more of them the signature of each new order takes longer.
MOST_NEW = 25
# Of all pages, this part is tidied at once, and at least so many: each one takes a millisecond to sign.
TIDIED_PART, LEAST_TIDIED = 4, 2


@dataclass(frozen=True, slots=True)
class GridNames:
    """Names of the orders of one coin that may rest: their cloids, or oids where there is no cloid."""

    coin: str
    cloids: tuple[str, ...] = field(repr=False)
    oids: tuple[int, ...] = field(default=(), repr=False)

    def get(self, method: str) -> Sequence[Name]:
        """Return the names that a method cancels by."""
        return self.cloids if method == BY_CLOID else self.oids


@dataclass(slots=True, eq=False)
class CancelPage:
    """Orders that one action cancels.

    `number` is its place among the nonces of a volley. `coins` has the coin of each name, `signed` the actions that are
    ready, by nonce. `is_written`: the file of all pages has it as it is. `is_earlier`: an earlier session signed it;
    nothing is known of it but these actions.
    """

    number: int
    method: str
    coins: dict[Name, str] = field(default_factory=dict, repr=False)
    signed: dict[int, SignedAction] = field(default_factory=dict, repr=False)
    is_written: bool = False
    is_earlier: bool = False

    def put(self, names: Iterable[tuple[Name, str]]) -> None:
        """Name further orders, each with its coin."""
        self.coins.update(names)
        self.signed.clear()
        self.is_written = False

    def rewrite(self, names: Iterable[tuple[Name, str]]) -> dict[Name, str]:
        """Name other orders; return those from before."""
        before, self.coins = self.coins, {}
        self.put(names)
        return before

    def keep_signed(self, nonces: range) -> None:
        """Forget what was signed with other nonces."""
        self.signed = {nonce: action for nonce, action in self.signed.items() if nonce in nonces}

    def on_signed(self, action: SignedAction) -> None:
        """Keep an action that is ready."""
        self.signed[action.nonce] = action

    def on_written(self) -> None:
        """Note that a file of all pages has it as it is."""
        self.is_written = True


class CancelPages:
    """Pages of one file of signed cancels, as many as a volley may have actions.

    Several grids use `add` and `tidy`, with what may rest of all of them each time; one alone uses `follow`.
    `n_left_out` counts the orders that have no room on any page.
    """

    def __init__(self) -> None:
        self._pages: dict[int, CancelPage] = {}
        self._page_of: dict[Name, CancelPage] = {}
        # By method, the page that takes what is new.
        self._newest: dict[str, CancelPage] = {}
        # What was added last of each coin; the same object has nothing new.
        self._added: dict[str, GridNames] = {}
        self.n_left_out = 0

    @property
    def width(self) -> int:
        """Return how many nonces a volley needs."""
        return max(self._pages, default=-1) + 1

    def __iter__(self) -> Iterator[CancelPage]:
        return iter([self._pages[number] for number in sorted(self._pages)])

    def list_changed(self) -> list[CancelPage]:
        """Return the pages that the file of all pages does not have as they are."""
        return [page for page in self if not page.is_written]

    def on_written(self) -> None:
        """Note that there is a file of all pages as they are."""
        for page in self:
            page.on_written()

    def follow(self, grids: Sequence[GridNames]) -> None:
        """Name exactly these orders, in this order; a page that stays the same keeps its signatures."""
        parts = list(chain.from_iterable(_cut(method, _list_names(grids, method)) for method in (BY_CLOID, BY_OID)))
        self.n_left_out = sum(len(coins) for _, coins in parts[MOST_ACTIONS:])
        pages = {}
        for number, (method, coins) in enumerate(parts[:MOST_ACTIONS]):
            old = self._pages.get(number)
            is_same = old is not None and (old.method, list(old.coins.items())) == (method, list(coins.items()))
            pages[number] = old if old is not None and is_same else CancelPage(number, method, coins)
        self._pages = pages

    def keep_earlier(self, cancels: SignedCancels) -> None:
        """Keep what an earlier session signed, until `tidy`: what it left may not be known yet."""
        for action in chain.from_iterable(cancels.volleys):
            number = (action.nonce - cancels.first) % MOST_ACTIONS
            self._pages.setdefault(number, CancelPage(number, "", is_earlier=True)).on_signed(action)

    def keep_signed(self, nonces: range) -> None:
        """Forget what was signed with other nonces."""
        for page in self:
            page.keep_signed(nonces)
            if page.is_earlier and not page.signed:
                del self._pages[page.number]

    def add(self, grids: Sequence[GridNames]) -> None:
        """Name those of these orders that no page names."""
        changed = [grid for grid in grids if self._added.get(grid.coin) is not grid]
        self.n_left_out = self._add(changed)
        if self.n_left_out:
            self.tidy(grids, all_at_once=True)
            self.n_left_out = self._add(changed)
        self._added = {} if self.n_left_out else {grid.coin: grid for grid in grids}

    def _add(self, grids: Sequence[GridNames]) -> int:
        """Return how many have no room."""
        n_left = 0
        for method in (BY_CLOID, BY_OID):
            names = _list_names(grids, method)
            new = [(name, coin) for name, coin in names.items() if name not in self._page_of]
            while new and (page := self._find_page(method)) is not None:
                room = MOST_ITEMS - len(page.coins)
                self._put(page, new[:room])
                new = new[room:]
            n_left += len(new)
        return n_left

    def _find_page(self, method: str) -> CancelPage | None:
        """Return a page with room for what is new; None where there is none."""
        page = self._newest.get(method)
        if page is not None and len(page.coins) < MOST_NEW:
            return page
        number = next((n for n in range(MOST_ACTIONS) if n not in self._pages), None)
        if number is None:
            some = (page for page in self._pages.values() if page.method == method and len(page.coins) < MOST_ITEMS)
            return min(some, key=lambda page: len(page.coins), default=None)
        self._pages[number] = self._newest[method] = CancelPage(number, method)
        return self._pages[number]

    def _put(self, page: CancelPage, names: Sequence[tuple[Name, str]]) -> None:
        page.put(names)
        self._page_of.update((name, page) for name, _ in names)

    def tidy(self, grids: Sequence[GridNames], *, all_at_once: bool = False) -> bool:
        """Take names off that are not among these orders, from a few pages; return whether all is tidy.

        The pages become as few as can be: what the emptiest one has goes to pages where there is room.
        """
        alive: set[Name] = set()
        for grid in grids:
            alive.update(grid.cloids, grid.oids)
        for page in self:
            # What an earlier session signed names nothing that is known here.
            if not self._list_kept(page, alive):
                self._remove(page)
        most = len(self._pages) if all_at_once else max(LEAST_TIDIED, len(self._pages) // TIDIED_PART)
        done = [self._tidy(method, alive, most=most) for method in (BY_CLOID, BY_OID)]
        return all(done)

    def _tidy(self, method: str, alive: set[Name], *, most: int) -> bool:
        newest = self._newest.get(method)
        kept = {page: self._list_kept(page, alive) for page in self._pages.values() if page.method == method}
        source = _find_source({page: len(names) for page, names in kept.items() if page is not newest})
        loose = [] if source is None else [(name, source.coins[name]) for name in kept[source]]
        gone = [page for page in kept if page is not source and len(kept[page]) < len(page.coins)]
        wanting = gone if source is None else [page for page in kept if page not in (source, newest)]
        # Those first that give or take most, so that few are signed anew.
        wanting.sort(key=lambda page: (len(kept[page]) - (0 if loose else len(page.coins)), page.number))
        for page in wanting[:most]:
            n_taken = min(len(loose), MOST_ITEMS - len(kept[page])) if page is not newest else 0
            if n_taken or page in gone:
                self._rewrite(page, [*((name, page.coins[name]) for name in kept[page]), *loose[:n_taken]])
            loose = loose[n_taken:]
        if source is not None and not loose:
            self._remove(source)
        return source is None and len(gone) <= most

    def _list_kept(self, page: CancelPage, alive: set[Name]) -> list[Name]:
        """List the names of a page that no other page has, and whose orders may rest."""
        page_of = self._page_of
        return [name for name in page.coins if name in alive and page_of.get(name) is page]

    def _rewrite(self, page: CancelPage, names: Sequence[tuple[Name, str]]) -> None:
        before = page.rewrite(names)
        self._page_of.update((name, page) for name, _ in names)
        self._forget(page, before)

    def _remove(self, page: CancelPage) -> None:
        del self._pages[page.number]
        if self._newest.get(page.method) is page:
            del self._newest[page.method]
        self._forget(page, page.rewrite(()))

    def _forget(self, page: CancelPage, before: Iterable[Name]) -> None:
        """Forget the names that a page had and has no more."""
        for name in before:
            if name not in page.coins and self._page_of.get(name) is page:
                del self._page_of[name]


def _find_source(n_kept: Mapping[CancelPage, int]) -> CancelPage | None:
    """Return the page whose names the others have room for; None where each of them is needed."""
    n_needed = -(-sum(n_kept.values()) // MOST_ITEMS)
    return min(n_kept, key=lambda page: n_kept[page]) if len(n_kept) > n_needed else None


def _list_names(grids: Iterable[GridNames], method: str) -> dict[Name, str]:
    return {name: grid.coin for grid in grids for name in grid.get(method)}


def _cut(method: str, coins: Mapping[Name, str]) -> Iterator[tuple[str, dict[Name, str]]]:
    """Cut the names of orders into actions of as many items as one may have."""
    names = iter(coins.items())
    while part := dict(islice(names, MOST_ITEMS)):
        yield method, part
