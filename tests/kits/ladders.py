"""Strategies of the core: ladders, amounts in whole lots, and states with all that may rest or be in doubt."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import strategies as st

from mm_trio.model.orders import Intent, Quote, Side
from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.state.inventory import Inventory
from mm_trio.state.order_state import OrderState

GRIDS = (
    PricingGrid(20, 12, sz_decimals=2),
    PricingGrid("0.020777", 40, sz_decimals=0),
    PricingGrid("0.000879", 25, sz_decimals=2),
    PricingGrid("98765", 8, tick_size="0.01", sz_decimals=5),
)
SIDES: tuple[Side, ...] = ("buy", "sell")

grids = st.sampled_from(GRIDS)
sides = st.sampled_from(SIDES)


def in_lots(grid: PricingGrid, lowest: int, highest: int) -> st.SearchStrategy[Decimal]:
    return st.integers(lowest, highest).map(lambda lots: lots * grid.lot)


def quote_for(grid: PricingGrid, order_size: Decimal) -> st.SearchStrategy[Decimal]:
    """From nothing to more than a whole ladder of bids costs, in hundred-millionths."""
    most = int(order_size * sum(grid.levels) * 12 * 10**7)
    return (st.just(0) | st.integers(0, most)).map(lambda wei: Decimal(wei).scaleb(-8))


@st.composite
def states(draw: st.DrawFn, grid: PricingGrid, order_size: Decimal) -> OrderState:
    """Asks above bids, one order a level at most; resting, partly filled, in doubt, in flight or untold."""
    state = OrderState()
    boundary = draw(st.integers(0, grid.n_orders))
    for level, price in enumerate(grid.levels):
        kind = draw(st.sampled_from(("none", "resting", "resting", "partly", "in_doubt", "intent", "untold")))
        side: Side = "sell" if level >= boundary else "buy"
        size = draw(in_lots(grid, 1, int(order_size / grid.lot)))
        if kind == "intent":
            state.on_sent(Intent(f"0x{level:032x}", Quote(side, level, price, size)))
        elif kind != "none":
            state.on_place_confirmed(level + 1, side, level, price, size)
        if kind == "partly" and size > grid.lot:
            state.on_fill(level + 1, level + 1, size // (2 * grid.lot) * grid.lot)
        elif kind == "in_doubt":
            state.on_doubt(level + 1)
        elif kind == "untold":
            state.on_modify_response(level + 1, level + 1, "filled")
    return state


@st.composite
def inventories(draw: st.DrawFn, grid: PricingGrid, order_size: Decimal) -> Inventory:
    """Tokens with less than a lot of dust, and quote."""
    lots = draw(in_lots(grid, 0, int((grid.n_orders + 2) * order_size / grid.lot)))
    dust = draw(st.sampled_from((Decimal(0), grid.lot / 3, grid.lot * 9 / 10))).quantize(Decimal("1e-10"))
    return Inventory(order_size, account_token=lots + dust, account_usdc=draw(quote_for(grid, order_size)))
