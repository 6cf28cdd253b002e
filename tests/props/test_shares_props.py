"""Shares of the request budget and of the cap of open orders: never too much, the urgent first, and nobody starves."""

from __future__ import annotations

from random import Random

from effort import FACTOR
from hypothesis import given, settings
from hypothesis import strategies as st

from mm_trio.quoting.item_shares import PATIENCE_S, ItemShares, Need
from mm_trio.quoting.open_order_shares import share_open_orders

many = settings(max_examples=100 * FACTOR, deadline=None)
few = st.integers(0, 6)
needs = st.builds(Need, few, few, few)
grids = st.dictionaries(st.sampled_from("ABCDEFGH"), needs, min_size=2)
randoms = st.randoms(use_true_random=False)


def count_items(need: Need) -> int:
    return need.cancels + need.inside + need.far


@many
@given(grids, st.integers(1, 150), randoms)
def test_all_grids_together_get_what_the_classes_leave(wanted: dict[str, Need], remaining: int, rng: Random) -> None:
    """Whoever asks first, within one moment."""
    shares, order = ItemShares(), rng.sample(sorted(wanted), len(wanted))
    for coin in order:
        shares.state_need(coin, wanted[coin], now_s=0)

    items = {coin: shares.allot(coin, remaining=remaining, now_s=0).items for coin in rng.sample(order, len(order))}

    cancels, inside = (sum(getattr(need, name) for need in wanted.values()) for name in ("cancels", "inside"))
    total = sum(map(count_items, wanted.values()))
    assert min(remaining, total) <= sum(items.values()) <= remaining
    for coin, need in wanted.items():
        if remaining <= cancels:
            assert items[coin] <= need.cancels
        elif remaining <= cancels + inside:
            assert need.cancels <= items[coin] <= need.cancels + need.inside
        elif remaining <= total:
            assert need.cancels + need.inside <= items[coin] <= count_items(need)
        else:
            assert count_items(need) <= items[coin] <= 2 * count_items(need)


@many
@given(st.lists(st.tuples(st.sampled_from("ABCDE"), st.sampled_from(["ask", "send"]), needs), max_size=80), few)
def test_grids_never_send_more_than_there_is(steps: list[tuple[str, str, Need]], income: int) -> None:
    """They ask and send whenever they like, and the budget moves when they have sent."""
    shares, remaining, sending = ItemShares(silent_after_s=1e9), income, dict[str, int]()
    for coin in "ABCDE":
        shares.state_need(coin, Need(), now_s=0)
    for now_s, (coin, what, need) in enumerate(steps):
        if what == "ask" and coin not in sending:
            shares.state_need(coin, need, now_s=now_s)
            sending[coin] = max(0, shares.allot(coin, remaining=remaining, now_s=now_s).items)
        elif what == "send" and coin in sending:
            remaining += income - sending.pop(coin)
            shares.on_sent(coin)

        assert sum(sending.values()) <= max(0, remaining)


@settings(max_examples=25 * FACTOR, deadline=None)
@given(grids, st.lists(st.integers(0, 3), min_size=1, max_size=5).filter(any), randoms)
def test_every_grid_is_served_in_bounded_time(wanted: dict[str, Need], incomes: list[int], rng: Random) -> None:
    """All grids want everything all the time, and tick every three seconds in any order, while items trickle in.

    A need is of the first class after twice the patience; before it then are the first class of others, once each, and
    what waited as long.
    """
    shares, remaining, served_s = ItemShares(), 0, dict.fromkeys(wanted, 0)
    rate = sum(incomes) / len(incomes)
    most_s = 2 * PATIENCE_S + sum(need.cancels + 3 for need in wanted.values()) / rate + 6 * len(incomes) + 6
    for now_s in range(0, int(2.5 * most_s), 3):
        remaining += 3 * incomes[now_s // 3 % len(incomes)]
        for coin in rng.sample(sorted(wanted), len(wanted)):
            shares.state_need(coin, wanted[coin], now_s=now_s)
            items = min(shares.allot(coin, remaining=remaining, now_s=now_s).items, count_items(wanted[coin]))
            remaining -= max(0, items)
            shares.on_sent(coin)
            if items > 0 or not count_items(wanted[coin]):
                served_s[coin] = now_s
            assert now_s - served_s[coin] <= most_s


@settings(max_examples=12 * FACTOR, deadline=None)
@given(grids, randoms)
def test_every_grid_has_the_slot_in_bounded_time(wanted: dict[str, Need], rng: Random) -> None:
    """The budget is empty, and one item passes every eleven seconds."""
    shares, taken_s, served_s = ItemShares(), -11, dict.fromkeys(wanted, 0)
    most_s = 2 * PATIENCE_S + 12 * len(wanted) + 12
    for now_s in range(0, int(2.5 * most_s), 3):
        for coin in rng.sample(sorted(wanted), len(wanted)):
            shares.state_need(coin, wanted[coin], now_s=now_s)
            is_free = now_s - taken_s >= 11
            has_slot = shares.allot(coin, remaining=0, now_s=now_s, slot_is_free=is_free).may_use_slot
            shares.on_sent(coin)
            taken_s = now_s if has_slot else taken_s
            if has_slot or not count_items(wanted[coin]):
                served_s[coin] = now_s
            assert now_s - served_s[coin] <= most_s


@many
@given(st.dictionaries(st.sampled_from("ABCDEFGH"), st.integers(0, 300)), st.integers(-5, 1500))
def test_shares_of_the_cap_fit_and_are_even(wanted: dict[str, int], room: int) -> None:
    shares = share_open_orders(wanted, room=room)

    assert sum(shares.values()) == min(max(0, room), sum(wanted.values()))
    assert all(0 <= shares[coin] <= most for coin, most in wanted.items())
    least = min((shares[coin] for coin, most in wanted.items() if shares[coin] < most), default=10**6)
    assert all(share <= least + 1 for share in shares.values())


@many
@given(st.dictionaries(st.sampled_from("ABCDEFGH"), st.integers(0, 300), min_size=1), st.integers(0, 1500))
def test_the_order_of_the_grids_does_not_move_the_cap(wanted: dict[str, int], room: int) -> None:
    turned = dict(reversed(wanted.items()))

    assert share_open_orders(turned, room=room) == share_open_orders(wanted, room=room)
