"""Which page names which order, and that the pages stay few."""

from __future__ import annotations

import random

import pytest

from mm_trio.guard.cancel_pages import BY_CLOID, BY_OID, MOST_NEW, CancelPages, GridNames
from mm_trio.guard.reserve import MOST_ACTIONS, MOST_ITEMS
from mm_trio.guard.signed_file import SignedAction, SignedCancels


class Grids:
    """What may rest of several coins."""

    def __init__(self, n: int, each: int) -> None:
        self._n_named = 0
        self.cloids: dict[str, list[str]] = {f"@{number}": [] for number in range(n)}
        for coin in self.cloids:
            self.rest(coin, each)

    def rest(self, coin: str, n: int = 1) -> None:
        for _ in range(n):
            self._n_named += 1
            self.cloids[coin].append(f"c{self._n_named}")

    def replace(self, coin: str, n: int = 1) -> None:
        """The oldest orders of a coin end, and as many new ones are placed."""
        del self.cloids[coin][:n]
        self.rest(coin, n)

    def take(self) -> list[GridNames]:
        return [GridNames(coin, tuple(cloids)) for coin, cloids in self.cloids.items()]

    @property
    def names(self) -> set[str | int]:
        return {cloid for cloids in self.cloids.values() for cloid in cloids}


def list_names(pages: CancelPages) -> set[str | int]:
    return {name for page in pages for name in page.coins}


def sign(pages: CancelPages) -> int:
    """Sign what is not signed; the names in what was."""
    unsigned = [page for page in pages if not page.signed]
    for page in unsigned:
        page.signed[page.number] = SignedAction(page.number, b"{}", frozenset(page.coins))
    return sum(len(page.coins) for page in unsigned)


def check(pages: CancelPages, grids: Grids) -> None:
    assert list_names(pages) >= grids.names
    assert pages.width <= MOST_ACTIONS
    assert all(0 < len(page.coins) <= MOST_ITEMS for page in pages)
    by_name = {cloid: coin for coin, cloids in grids.cloids.items() for cloid in cloids}
    assert all(page.coins[name] == by_name[str(name)] for page in pages for name in page.coins if name in by_name)


def tidy(pages: CancelPages, grids: Grids) -> int:
    """Tidy until there is nothing to do; how often that took."""
    for n in range(1, 100):
        if pages.tidy(grids.take()):
            return n
    raise AssertionError("it never ended")


def test_one_grid_is_named_as_it_is_cut_in_order() -> None:
    pages, grids = CancelPages(), Grids(1, 450)

    pages.follow(grids.take())

    assert [len(page.coins) for page in pages] == [200, 200, 50]
    assert [name for page in pages for name in page.coins] == grids.cloids["@0"]


def test_a_page_of_one_grid_that_stays_the_same_keeps_its_signature() -> None:
    pages, grids = CancelPages(), Grids(1, 450)
    pages.follow(grids.take())
    sign(pages)
    grids.rest("@0")

    pages.follow(grids.take())

    assert [bool(page.signed) for page in pages] == [True, True, False]


def test_cloids_and_oids_are_never_on_one_page() -> None:
    pages = CancelPages()

    pages.add([GridNames("@1", ("a", "b"), (7,)), GridNames("@2", ("c",), (8, 9))])

    assert [(page.method, list(page.coins)) for page in pages] == [(BY_CLOID, ["a", "b", "c"]), (BY_OID, [7, 8, 9])]


def test_a_new_order_of_fifty_grids_has_few_others_signed_with_it() -> None:
    pages, grids = CancelPages(), Grids(50, 40)
    pages.add(grids.take())
    tidy(pages, grids)
    sign(pages)
    signed = []
    for n in range(200):
        grids.replace(f"@{n % 50}")
        pages.add(grids.take())
        signed.append(sign(pages))

    assert max(signed) <= MOST_NEW
    assert list_names(pages) >= grids.names


def test_pages_become_as_few_as_can_be_and_exact() -> None:
    pages, grids = CancelPages(), Grids(50, 40)
    pages.add(grids.take())
    for n in range(300):
        grids.replace(f"@{n % 50}", 3)
        pages.add(grids.take())
        if n % 10 == 0:
            pages.tidy(grids.take())

    tidy(pages, grids)

    assert list_names(pages) == grids.names
    # One more is for what is new.
    assert len(list(pages)) <= 2000 // MOST_ITEMS + 1


def test_what_is_tidied_at_once_is_a_part_of_the_pages() -> None:
    pages, grids = CancelPages(), Grids(50, 40)
    pages.add(grids.take())
    sign(pages)
    for coin in grids.cloids:
        grids.replace(coin, 2)
    pages.add(grids.take())
    sign(pages)

    is_tidy = pages.tidy(grids.take())

    assert not is_tidy
    assert sum(not page.signed for page in pages) <= 3
    assert pages.tidy(grids.take(), all_at_once=True) or pages.tidy(grids.take(), all_at_once=True)
    assert list_names(pages) == grids.names


def test_a_coin_that_left_is_named_no_more() -> None:
    pages, grids = CancelPages(), Grids(3, 40)
    pages.add(grids.take())

    del grids.cloids["@1"]
    pages.add(grids.take())
    tidy(pages, grids)

    assert list_names(pages) == grids.names


def test_orders_beyond_all_pages_are_counted_and_named_once_there_is_room() -> None:
    pages, grids = CancelPages(), Grids(50, 110)

    pages.add(grids.take())
    n_left_out = pages.n_left_out
    for coin in grids.cloids:
        del grids.cloids[coin][:50]
    pages.add(grids.take())

    assert n_left_out == 50 * 110 - MOST_ACTIONS * MOST_ITEMS
    assert pages.n_left_out == 0
    check(pages, grids)


@pytest.mark.parametrize("seed", range(20))
def test_no_order_is_ever_missing_whatever_comes_and_goes(seed: int) -> None:
    rng = random.Random(seed)
    pages, grids = CancelPages(), Grids(rng.randint(1, 50), rng.randint(0, 40))
    for n in range(300):
        kind, coin = rng.random(), rng.choice(list(grids.cloids))
        if kind < 0.7:
            grids.replace(coin, rng.randint(0, min(40, len(grids.cloids[coin]))))
        elif kind < 0.8:
            grids.rest(coin, rng.randint(0, 20))
        elif kind < 0.9:
            del grids.cloids[coin][: rng.randint(0, 30)]
        elif kind < 0.95 or len(grids.cloids) == 1:
            grids.cloids.setdefault(f"@new{n}", [])
        else:
            del grids.cloids[coin]
        pages.add(grids.take())
        check(pages, grids)
        if rng.random() < 0.3:
            pages.tidy(grids.take())
            check(pages, grids)
        sign(pages)

    tidy(pages, grids)

    assert list_names(pages) == grids.names
    assert len(list(pages)) <= -(-len(grids.names) // MOST_ITEMS) + 1


def make_earlier(first: int) -> SignedCancels:
    volleys = tuple(
        tuple(SignedAction(first + volley * MOST_ACTIONS + n, b"{}", frozenset({f"e{n}"})) for n in range(2))
        for volley in range(3)
    )
    return SignedCancels(
        network="sandbox",
        account="0x1",
        coin="account",
        signer="0x2",
        vault=False,
        made_ms=1,
        first=first,
        widest=2,
        volleys=volleys,
    )


def test_what_an_earlier_session_signed_stays_until_all_is_tidied() -> None:
    pages, grids, earlier = CancelPages(), Grids(2, 3), make_earlier(1000)

    pages.keep_earlier(earlier)
    pages.add(grids.take())
    pages.keep_signed(range(1000, 1000 + 3 * MOST_ACTIONS))
    before = {nonce: action for page in pages for nonce, action in page.signed.items()}
    tidy(pages, grids)

    assert before == {action.nonce: action for volley in earlier.volleys for action in volley}
    assert [page.number for page in pages] == [2]
    assert list_names(pages) == grids.names


def test_what_was_signed_with_other_nonces_is_forgotten() -> None:
    pages, grids = CancelPages(), Grids(2, 3)
    pages.keep_earlier(make_earlier(1000))
    pages.add(grids.take())

    pages.keep_signed(range(5000, 5000 + 3 * MOST_ACTIONS))

    assert [(page.number, bool(page.signed)) for page in pages] == [(2, False)]
