"""What a change will take is foretold as the maker's own ticks go."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from mm_trio.migration.foretelling import QuotedLadder, foretell_change
from mm_trio.model.journal_entries import forget
from mm_trio.model.orders import TrackedOrder
from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.model.settings import QuoteSettings
from mm_trio.state.inventory import Inventory

SIZE = Decimal(10)


def make_ladder(
    start: str = "2", n_orders: int = 12, *, size: Decimal = SIZE, active: int | None = None, gap: int = 0
) -> QuotedLadder:
    grid = PricingGrid(start, n_orders, tick_size="0.01", sz_decimals=2)
    return QuotedLadder(
        grid,
        QuoteSettings(
            order_size=size, min_notional=Decimal(10), active_levels=active, gap_levels=gap, dead_zone_bps=Decimal(0)
        ),
    )


def make_ledger(token: str, usdc: str, *, expects_transfers: bool = True) -> Inventory:
    ledger = Inventory(SIZE, Decimal(token), Decimal(usdc), Decimal(token), Decimal(usdc))
    ledger.start_recording(forget, expects_transfers=expects_transfers)
    return ledger


def rest(ladder: QuotedLadder, ledger: Inventory) -> tuple[TrackedOrder, ...]:
    """Return what a ladder rests with a ledger."""
    return foretell_change((), ledger, before=None, after=ladder).target


def read_book(orders: tuple[TrackedOrder, ...]) -> set[tuple[str, Decimal, Decimal]]:
    return {(order.side, order.price, order.size) for order in orders}


def test_a_new_grid_takes_one_request_an_order() -> None:
    plan = foretell_change((), make_ledger("60", "500"), before=None, after=make_ladder())

    assert plan.n_requests == plan.n_placed == len(plan.target) == 12
    assert len(plan.steps) == 1


def test_what_is_right_already_takes_nothing() -> None:
    ladder, ledger = make_ladder(), make_ledger("60", "500")

    plan = foretell_change(rest(ladder, ledger), ledger, before=ladder, after=ladder)

    assert (plan.n_requests, plan.n_kept, plan.steps) == (0, 12, ())


def test_orders_that_both_could_trade_take_two_requests() -> None:
    """All the tokens are offered: an ask that moves is cancelled first."""
    old, new = make_ladder(), make_ladder("2.01")
    tight, loose = make_ledger("60", "500"), make_ledger("60", "500", expects_transfers=False)

    split, whole = (foretell_change(rest(old, ledger), ledger, before=old, after=new) for ledger in (tight, loose))

    assert read_book(split.target) == read_book(whole.target)
    assert whole.n_split == 0
    # The bids leave quote for one order more at a time.
    assert split.n_requests > whole.n_requests
    assert split.n_split >= 6


def test_another_allocation_alone_moves_no_ladder() -> None:
    """It goes on as at every tick, with the orders that it can pay for by then."""
    ladder, ledger = make_ladder(), make_ledger("60", "500")
    more = make_ledger("80", "500")

    plan = foretell_change(rest(ladder, ledger), more, before=ladder, after=ladder)

    assert sum(order.side == "sell" for order in plan.target) == 8
    assert plan.n_kept == 10
    # Each of the two levels has its bid cancelled and its ask placed.
    assert plan.n_requests == 4


@given(
    token=st.integers(0, 130),
    usdc=st.integers(0, 400),
    start=st.sampled_from(["1.9", "2", "2.01", "2.2"]),
    n_orders=st.integers(2, 16),
    size=st.sampled_from(["5", "10", "20"]),
    active=st.none() | st.integers(1, 5),
    gap=st.integers(0, 1),
)
def test_a_change_ends_at_what_a_new_grid_would_rest(
    token: int, usdc: int, start: str, n_orders: int, size: str, active: int | None, gap: int
) -> None:
    ledger, old = make_ledger(str(token), str(usdc)), make_ladder()
    new = make_ladder(start, n_orders, size=Decimal(size), active=active, gap=gap)
    resting = rest(old, ledger)

    plan = foretell_change(resting, ledger, before=old, after=new)

    assert {(side, price) for side, price, _ in read_book(plan.target)} <= {
        (side, price) for side in ("buy", "sell") for price in new.grid.levels
    }
    settled = foretell_change(plan.target, ledger, before=new, after=new)
    assert settled.n_requests == 0
    assert plan.n_requests >= len(read_book(plan.target) ^ read_book(resting)) // 2
