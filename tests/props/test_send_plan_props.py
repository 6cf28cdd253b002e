"""Properties of the send plan for any budget, and of client order ids."""

from __future__ import annotations

from effort import FACTOR
from hypothesis import given, settings
from hypothesis import strategies as st
from ladders import GRIDS, sides

from mm_trio.model.cloid import CloidParts, decode_cloid, encode_cloid
from mm_trio.model.orders import DesiredOrder, OrderDiff
from mm_trio.quoting.send_plan import batches, plan_sends

many = settings(max_examples=150 * FACTOR, deadline=None)
GRID = GRIDS[1]


@st.composite
def diffs(draw: st.DrawFn) -> OrderDiff:
    """Asks from a boundary upwards and bids below it, without gaps; some are modifies."""
    boundary = draw(st.integers(0, GRID.n_orders))
    n_asks = draw(st.integers(0, GRID.n_orders - boundary))
    n_bids = draw(st.integers(0, boundary))
    orders = [
        *(DesiredOrder("sell", boundary + i, GRID.levels[boundary + i], GRID.lot) for i in range(n_asks)),
        *(DesiredOrder("buy", boundary - 1 - i, GRID.levels[boundary - 1 - i], GRID.lot) for i in range(n_bids)),
    ]
    modified = draw(st.sets(st.integers(0, GRID.n_orders)))
    shuffled = draw(st.permutations(orders))
    return OrderDiff(
        [(order.level_index, order) for order in shuffled if order.level_index in modified],
        [order for order in shuffled if order.level_index not in modified],
        draw(st.lists(st.integers(100, 200), unique=True, max_size=10)),
    )


@many
@given(diffs(), st.integers(-5, 60), st.booleans())
def test_a_budget_takes_from_both_far_ends_alike_and_never_from_the_cancels(
    diff: OrderDiff, remaining: int, slot_is_free: bool
) -> None:
    plan = plan_sends(diff, [], remaining=remaining, slot_is_free=slot_is_free)

    wanted = [*diff.places, *(aim for _, aim in diff.modifies)]
    kept = [*plan.diff.places, *(aim for _, aim in plan.diff.modifies)]
    room = max(0, remaining - len(diff.cancels)) if remaining > 0 else int(slot_is_free)
    assert plan.diff.cancels == diff.cancels
    assert len(kept) == min(len(wanted), room) == len(wanted) - plan.n_left_out
    assert set(plan.diff.modifies) <= set(diff.modifies)
    assert set(plan.diff.places) <= set(diff.places)
    count = {side: sum(o.side == side for o in kept) for side in ("sell", "buy")}
    total = {side: sum(o.side == side for o in wanted) for side in ("sell", "buy")}
    for side, other in (("sell", "buy"), ("buy", "sell")):
        assert count[side] <= count[other] + 1 or count[other] == total[other]
        levels = sorted((o.level_index for o in wanted if o.side == side), reverse=side == "buy")
        assert {o.level_index for o in kept if o.side == side} == set(levels[: count[side]])
    assert plan.cancel_only == (remaining <= 0)
    assert plan.uses_slot == (remaining <= 0 and bool(kept))


@many
@given(st.lists(st.integers(), max_size=300), st.integers(1, 120))
def test_batches_joined_are_what_was_cut(items: list[int], size: int) -> None:
    pieces = list(batches(items, size))

    assert [item for piece in pieces for item in piece] == items
    assert all(0 < len(piece) <= size for piece in pieces)


parts = st.builds(CloidParts, st.integers(0, 2**32 - 1), sides, st.integers(0, 2**15 - 1), st.integers(0, 2**48 - 1))


@many
@given(parts, parts)
def test_a_cloid_says_what_it_was_made_of_and_no_two_orders_share_one(one: CloidParts, other: CloidParts) -> None:
    cloid = encode_cloid(one)

    assert len(cloid) == 34
    assert cloid == cloid.lower()
    assert decode_cloid(cloid) == decode_cloid(cloid.upper()) == one
    assert (encode_cloid(other) == cloid) is (other == one)


@many
@given(st.text(max_size=40) | st.integers(0, 2**128 - 1).map(lambda value: f"0x{value:032x}"))
def test_any_text_is_ours_only_if_it_encodes_back(cloid: str) -> None:
    found = decode_cloid(cloid)

    assert found is None or encode_cloid(found) == cloid.lower()
