"""Properties of reported fills, in any order and any number of times.

Each fill counts once, and each order is in one state.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from effort import FACTOR
from hypothesis import given, settings
from hypothesis import strategies as st
from ladders import GRIDS, sides

from mm_trio.model.market import Market, Token
from mm_trio.model.orders import Intent, Quote, Side
from mm_trio.model.replies import Fill, FillKey, OpenOrder, OrderUpdate
from mm_trio.state.fill_history import FillHistory
from mm_trio.state.inventory import Inventory
from mm_trio.state.maker_state import MakerState
from mm_trio.state.order_state import OrderState
from mm_trio.state.ownership import Ownership
from mm_trio.state.rate_limit import RateLimitBudget
from mm_trio.state.seen_fills import SeenFills

many = settings(max_examples=120 * FACTOR, deadline=None)

GRID = GRIDS[0]
MARKET = Market("@107", 10107, Token(150, "HYPE", 2), Token(0, "USDC", 8), {"@107": (150, 0)})
START = Decimal(1000)


@dataclass(frozen=True)
class Life:
    """One order from its sending to its end: what the venue will say of it, in whatever order."""

    oid: int
    side: Side
    size: Decimal
    fills: tuple[Decimal, ...]
    is_cancelled: bool
    fills_have_cloid: bool
    rows_have_cloid: bool

    @property
    def cloid(self) -> str:
        return f"0x{self.oid:032x}"

    @property
    def price(self) -> Decimal:
        return GRID.levels[self.oid]

    @property
    def left(self) -> Decimal:
        return self.size - sum(self.fills)

    def row(self, size: Decimal) -> OpenOrder:
        cloid = self.cloid if self.rows_have_cloid else None
        return OpenOrder("@107", self.oid, self.side, self.price, size, self.size, cloid)


@st.composite
def lives(draw: st.DrawFn, oid: int) -> Life:
    lots = draw(st.integers(1, 500))
    cuts = sorted(draw(st.sets(st.integers(0, lots), max_size=4)))
    fills = tuple(Decimal(b - a).scaleb(-2) for a, b in pairwise(cuts))
    return Life(oid, draw(sides), Decimal(lots).scaleb(-2), fills, *(draw(st.booleans()) for _ in range(3)))


Event = tuple[str, Life, int]


@st.composite
def stories(draw: st.DrawFn) -> tuple[list[Life], list[Event]]:
    """Orders in flight, and all that is said of them, shuffled, some of it twice."""
    all_lives = [draw(lives(oid)) for oid in range(1, draw(st.integers(1, 4)) + 1)]
    said: list[Event] = []
    for life in all_lives:
        said += [("answer", life, 0), ("open", life, 0), *(("fill", life, i) for i in range(len(life.fills)))]
        said += [("end", life, 0)] if life.is_cancelled or life.left == 0 else []
    repeated = draw(st.lists(st.sampled_from(said), max_size=6))
    return all_lives, draw(st.permutations([*said, *repeated]))


def start(all_lives: list[Life]) -> tuple[MakerState, dict[int, Intent]]:
    inventory = Inventory(5, account_token=START, account_usdc=START)
    ownership = Ownership("@107", keep_foreign=False)
    state = MakerState(MARKET, GRID, OrderState(), inventory, RateLimitBudget(), ownership, FillHistory("@107"))
    intents = {life.oid: Intent(life.cloid, Quote(life.side, life.oid, life.price, life.size)) for life in all_lives}
    for intent in intents.values():
        state.order_state.on_sent(intent)
    return state, intents


def tell(state: MakerState, intents: dict[int, Intent], event: Event) -> None:
    kind, life, i = event
    if kind == "answer":
        state.apply_arrival(intents[life.oid], life.oid, now_s=0)
    elif kind == "open":
        state.apply_order_update(OrderUpdate(life.row(life.size), "open", live=True), now_s=0)
    elif kind == "end":
        status = "filled" if life.left == 0 else "canceled"
        state.apply_order_update(OrderUpdate(life.row(life.left), status, live=False), now_s=0)
    else:
        cloid = life.cloid if life.fills_have_cloid else None
        fee = Decimal("0.00001") * (i + 1)
        told = Fill(life.oid, 7, life.fills[i], time_ms=i, fee=fee, cloid=cloid, coin="@107")
        state.apply_fill(told, now_s=0)


def check_places(state: MakerState, all_lives: list[Life]) -> None:
    orders = state.order_state
    resting, untold = orders.get_current_orders(), orders.get_fills_due()
    assert len({order.oid for order in (*resting, *untold)}) == len(resting) + len(untold)
    for life in all_lives:
        assert not (orders.find(life.oid) and orders.find_left(life.oid))
    for intent in orders.get_intents():
        assert intent.cloid not in {order.cloid for order in (*resting, *untold)}
    assert all(order.size > 0 for order in (*resting, *untold))


@many
@given(stories())
def test_fills_in_any_order_give_the_same_ledger_and_a_replay_changes_nothing(
    story: tuple[list[Life], list[Event]],
) -> None:
    all_lives, events = story
    state, intents = start(all_lives)
    for event in events:
        tell(state, intents, event)
        check_places(state, all_lives)

    token = usdc = START
    for life in all_lives:
        sign = 1 if life.side == "buy" else -1
        fees = sum(Decimal("0.00001") * (i + 1) for i in range(len(life.fills)))
        token += sign * sum(life.fills) - (fees if life.side == "buy" else 0)
        usdc -= sign * sum(life.fills) * life.price + (fees if life.side == "sell" else 0)
    for _ in range(2):
        assert (state.inventory.effective_token, state.inventory.effective_usdc) == (token, usdc)
        assert state.rate_limit.cum_vlm == sum(size * life.price for life in all_lives for size in life.fills)
        assert {o.oid: o.size for o in state.order_state.get_current_orders()} == {
            life.oid: life.left for life in all_lives if life.left and not life.is_cancelled
        }
        assert state.order_state.get_doubts() == ()
        for event in events:  # all of it once more
            tell(state, intents, event)


steps = st.sampled_from(
    ("place", "sent", "seen", "refused", "fill", "doubt", "resting", "cancelled", "ghost", "end", "modify")
)


@many
@given(st.lists(st.tuples(steps, st.integers(1, 6), st.integers(1, 6), st.integers(0, 9)), max_size=40))
def test_no_order_is_ever_in_two_places(script: list[tuple[str, int, int, int]]) -> None:
    """Any sequence of words about a few orders, sensible or not."""
    orders = OrderState()
    everywhere = range(1, 7)
    for tid, (step, oid, other, number) in enumerate(script):
        intent = Intent(f"0x{oid:032x}", Quote("buy", oid, Decimal(20), Decimal(5)), other if number > 4 else None)
        if step == "place":
            orders.on_place_confirmed(oid, "buy", oid, 20, 5, cloid=intent.cloid if number > 4 else None)
        elif step == "sent" and intent.cloid not in {i.cloid for i in orders.get_intents()}:
            orders.on_sent(intent)
        elif step == "seen":
            orders.on_intent_seen(intent, oid, now_s=0)
        elif step == "refused":
            orders.on_never_placed(intent.cloid)
        elif step == "fill":
            orders.on_fill(tid, oid, number + 1)
        elif step == "end":
            orders.on_modify_response(oid, oid, "filled" if number > 5 else "canceled", remaining=number)
        elif step == "modify":
            orders.on_modify_response(oid, other, "resting")
        else:
            {
                "doubt": orders.on_doubt,
                "resting": orders.on_seen_resting,
                "cancelled": orders.on_cancel_confirmed,
                "ghost": orders.remove_ghost,
            }.get(step, lambda oid: None)(oid)

        resting = {order.oid for order in orders.get_current_orders()}
        untold = {order.oid for order in orders.get_fills_due()}
        assert not resting & untold
        assert all((orders.find(oid) is not None) == (oid in resting) for oid in everywhere)
        assert not resting & {oid for oid in everywhere if orders.find_left(oid)}
        assert all(order.size >= 0 for order in (*orders.get_current_orders(), *orders.get_fills_due()))


@many
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=60), st.integers(1, 8))
def test_a_memory_of_fills_is_bounded_and_takes_no_fill_twice(told: list[tuple[int, int]], capacity: int) -> None:
    memory = SeenFills(capacity)

    taken = [(time_ms, tid) for time_ms, tid in told if memory.add(FillKey(time_ms, "@107", tid, 1))]

    assert len(memory) <= capacity
    assert len(taken) == len(set(taken))


@many
@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 9)), max_size=40, unique=True))
def test_a_memory_large_enough_takes_every_fill_once_in_whatever_order(told: list[tuple[int, int]]) -> None:
    memory = SeenFills(len(told) + 1)

    assert all(memory.add(FillKey(time_ms, "@107", tid, 1)) for time_ms, tid in told)
    assert not any(memory.add(FillKey(time_ms, "@107", tid, 1)) for time_ms, tid in told)
