"""Faults between a maker and its exchange, injected one at a time, and what has to hold through all of them.

Names of the checks: S and L with a number are the safety and liveness rules of the fault model.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import trio
from builders import ALLOCATION, MAKER, World, booked, dec, until

from mm_trio import WsState, compute_desired_orders
from mm_trio.journal.sqlite_journal import Journal
from mm_trio.model.errors import LedgerError
from mm_trio.model.journal_entries import Checkpoint, Entry, Requested, Sent
from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.sandbox.inprocess.info import InProcessSigningExchange

KINDS = ["plain", "signing"]  # of the exchange object: in one step, or signing apart from sending
EXPIRY_S = 10.0  # of every order sent
DEFINITE_WITHIN_S = EXPIRY_S + 5  # L3
CONVERGED_WITHIN_S = 30.0  # L1
SENDS = 3  # the most times that one signed action goes out

ROOMY: dict[str, Any] = {"token": "200", "usdc": "10000"}  # an account that holds more than the allocation


# --- worlds -----------------------------------------------------------------------------------


def make_world(kind: str, **options: Any) -> World:
    """A world whose maker has this kind of exchange object."""
    return World(signing=kind == "signing", **options)


def make_maker(world: World, folder: Path | None = None, **changed: Any) -> WsState:
    """A guarded maker with an allocation and without a dead zone, and with a journal in `folder`."""
    if folder is not None:
        changed["journal"] = Journal.open(folder)
    maker = world.maker(**(ALLOCATION | {"dead_zone_bps": 0} | changed))
    guard_all(world, maker)
    if folder is not None:
        guard_write_ahead(world, folder)
    return maker


def remake_maker(world: World, folder: Path, **changed: Any) -> WsState:
    """The next life: a new client, a new process's view of the same journal."""
    return make_maker(world, folder, info=world.venue.info(MAKER), **changed)


def cost_of_bids(n: int, *, best: int = 19) -> Decimal:
    """What so many full bids cost, the best of them on that level of the world's ladder."""
    return 5 * sum(PricingGrid(20, 40, sz_decimals=2).levels[best + 1 - n : best + 1], dec(0))


class Mortal:
    """A `run_sync` with latency that can die as a process does: nothing more is sent, written or answered."""

    def __init__(self, there_s: float = 0.0, back_s: float = 0.0) -> None:
        self.there_s, self.back_s = there_s, back_s
        self.is_dead = self.dies_next = False

    async def __call__(self, fn: Callable[..., Any], *args: Any, **options: Any) -> Any:
        await trio.sleep(self.there_s)
        await self._die_if_due()
        try:
            return fn(*args)
        finally:
            if self.is_dead:
                await trio.sleep_forever()
            await trio.sleep(self.back_s)

    async def live(self, maker: WsState) -> None:
        """Run a maker that may die; what it says of a disk that does not answer is nobody's business then."""
        try:
            await maker.run()
        except* LedgerError:
            assert self.is_dead

    async def _die_if_due(self) -> None:
        self.is_dead = self.is_dead or self.dies_next
        if self.is_dead:
            await trio.sleep_forever()


def compute_ledger(world: World, maker: WsState) -> tuple[Decimal, Decimal]:
    """The maker's allocation, moved by the exchange's own record of its fills."""
    token, usdc = maker.inventory.allocation
    assert token is not None
    assert usdc is not None
    return world.ledger(str(token), str(usdc))


# --- rules that hold after every command of the exchange ------------------------------------------


def guard_all(world: World, maker: WsState) -> None:
    """S1 and S2 also for orders beside their level; S3 and S4: never more on offer than allocation and fills make."""

    def check() -> None:
        places = [("buy" if o.is_buy else "sell", maker.grid.level_for_price(o.price)) for o in world.resting()]
        assert len(places) == len(set(places)), f"S1: two orders at one place: {sorted(places)}"
        bid_px = max((o.price for o in world.resting() if o.is_buy), default=dec(0))
        ask_px = min((o.price for o in world.resting() if not o.is_buy), default=dec(10**9))
        assert bid_px < ask_px, f"S2: a bid of ours at {bid_px}, an ask at {ask_px}"
        own_token, own_usdc = compute_ledger(world, maker)
        asks = sum((o.size for o in world.resting() if not o.is_buy), Decimal(0))
        bids = sum((o.size * o.price for o in world.resting() if o.is_buy), Decimal(0))
        assert asks <= own_token, f"S3: asks of {asks} rest, {own_token} are ours"
        assert bids <= own_usdc, f"S4: bids worth {bids} rest, {own_usdc} are ours"

    world.gateway.checks.append(check)


def guard_write_ahead(world: World, folder: Path) -> None:
    """S13: whatever reaches the core is in the journal by then, with its nonce, the hash of its bytes, its orders."""
    gateway, exchange = world.gateway, world.sdk_exchange
    if getattr(gateway, "is_guarded", False):
        return
    gateway.is_guarded = True  # type: ignore[attr-defined]
    read_action = gateway.read_action

    def read_checked(address: str, action: Any, *, expires_after: int | None) -> Any:
        if address == MAKER:
            written = {entry.cloid for entry in read_entries(folder) if isinstance(entry, Sent)}
            assert set(_find_cloids(action)) <= written, "S13: orders arrived that the journal does not have"
        return read_action(address, action, expires_after=expires_after)

    gateway.read_action = read_checked  # type: ignore[method-assign]
    if not isinstance(exchange, InProcessSigningExchange):
        return
    real_answer = exchange._answer

    def answer_checked(signed: Any) -> Any:
        written = {(e.nonce, e.digest) for e in read_entries(folder) if isinstance(e, Requested)}
        assert (signed.nonce, signed.digest) in written, "S13: an action arrived that the journal does not have"
        return real_answer(signed)

    exchange._answer = answer_checked  # type: ignore[method-assign]


def _find_cloids(action: Any) -> list[str]:
    orders = [*action.get("orders", ()), *(modify["order"] for modify in action.get("modifies", ()))]
    return [order["c"] for order in orders]


def read_entries(folder: Path) -> list[Entry]:
    """All that is durable in the journal, from its beginning."""
    journal = Journal.open_to_read(folder)
    try:
        return [row.entry for row in journal.read(since_checkpoint=False) if not isinstance(row.entry, Checkpoint)]
    finally:
        journal.close()


def check_nonces(folder: Path) -> list[int]:
    """S12: nonces rise strictly over all lives; a noop alone takes one again, to burn it. Gives the nonces."""
    nonces: list[int] = []
    for entry in read_entries(folder):
        if isinstance(entry, Requested) and entry.method == "noop":
            assert entry.nonce in nonces, f"S12: a noop with nonce {entry.nonce}, which nothing had"
        elif isinstance(entry, Requested):
            assert not nonces or entry.nonce > nonces[-1], f"S12: nonce {entry.nonce} after {nonces[-1]}"
            nonces.append(entry.nonce)
    return nonces


# --- faults -------------------------------------------------------------------------------------


def lose(world: World, method: str, *, applied: bool, times: int | None = None) -> None:
    """The next action of that method gets no answer, however often its bytes are sent; `applied`: it arrives."""
    is_signing = isinstance(world.sdk_exchange, InProcessSigningExchange)
    for _ in range(times or (SENDS if is_signing else 1)):
        world.venue.fail_next(method, TimeoutError("no answer in time"), applied=applied)


def on_request(world: World, method: str, action: Callable[[], object], *, after: bool = False, nth: int = 1) -> None:
    """Once: run `action` when the nth request of that method arrives, before it is carried out or after.

    Method "": any that acts. What the action sends itself is not counted.
    """
    venue, call, left = world.venue, world.venue.call, [nth]

    def watched(name: str, n_items: int, run: Callable[[], Any]) -> Any:
        if left[0] == 0 or (name != method if method else name not in ACTIONS):
            return call(name, n_items, run)
        left[0] -= 1
        if left[0]:
            return call(name, n_items, run)
        if not after:
            action()
            return call(name, n_items, run)

        def run_first() -> Any:
            answer = run()
            action()
            return answer

        return call(name, n_items, run_first)

    venue.call = watched  # type: ignore[method-assign,assignment]


def in_turn(*actions: Callable[[], object]) -> Callable[[], None]:
    """All of them, one after the other, for `on_request`."""

    def act() -> None:
        for action in actions:
            action()

    return act


def answer(*statuses: object) -> dict[str, Any]:
    """A body of 200 with these statuses."""
    return {"status": "ok", "response": {"type": "order", "data": {"statuses": list(statuses)}}}


def change_statuses(change: Callable[[list[Any]], list[Any]]) -> Callable[[Any], Any]:
    """For `garble_next`: the answer as it came, with other statuses."""

    def garble(raw: Any) -> Any:
        raw = json.loads(json.dumps(raw))
        raw["response"]["data"]["statuses"] = change(raw["response"]["data"]["statuses"])
        return raw

    return garble


# --- how to make the maker send one kind of request ------------------------------------------------

ACTIONS = ["bulk_orders", "bulk_modify_orders_new", "bulk_cancel"]
# For `provoke`: a window that leaves room for old and new at once; and one whose bids are all that the ledger pays for,
# so that one has to be gone before another can be placed.
WINDOW: dict[str, dict[str, Any]] = {
    "bulk_modify_orders_new": {"active_levels": 5},
    "bulk_cancel": {"active_levels": 5, "allocated_usdc": cost_of_bids(5)},
}


async def provoke(world: World, maker: WsState, method: str) -> float:
    """Trade so that the next tick sends one action of that kind, at least; gives the moment that it was sent.


    Places: the ask of level 20 is gone, a bid takes its place. Modifies: the ask of level 20 grows, since the bid
    below it bought; a window leaves room for both sizes. Cancels: a bid at level 20 takes the lowest one's funds.
    """
    if method == "bulk_modify_orders_new":
        world.buy("3")
        await trio.sleep(4)
    n_calls = world.calls(method)
    (world.sell if method == "bulk_modify_orders_new" else world.buy)("5")
    await until(lambda: world.calls(method) > n_calls, within_s=10)
    return trio.current_time()


def place_by_hand(
    world: World, maker: WsState, levels: Iterable[int], *, side: str = "", size: str = "5", off: str = "0.01"
) -> None:
    """Orders of the account's owner, close beside these levels: a maker that starts adopts them and puts them right."""
    for level in levels:
        its_side = side or ("buy" if level < 20 else "sell")
        world.order(its_side, maker.grid.levels[level] + dec(off), size, tif="Alo", address=MAKER)


# --- waiting and comparing ------------------------------------------------------------------------


def is_definite(maker: WsState) -> bool:
    return not maker.order_state.get_doubts()


def is_on_target(world: World, maker: WsState) -> bool:
    """L1: what rests is what the ledger of the exchange's own record asks for, to the tolerance of a modify."""
    if maker.boundary_level is None or not is_definite(maker) or booked(maker) != compute_ledger(world, maker):
        return False
    if any(order.price not in maker.grid.levels for order in world.resting()):
        return False
    book = world.book_of(maker)
    tokens = maker.inventory.effective_token
    aims = compute_desired_orders(
        maker.grid,
        maker.boundary_level,
        tokens,
        maker.inventory.effective_usdc,
        5,
        min_notional=10,
        active_levels=maker.settings.quoting.active_levels,
        # A bid on the level of the rest is left as it is.
        resting_bid=book.get(("buy", maker.grid.n_orders - int(tokens // 5) - 1)),
    )
    wanted = {(aim.side, aim.level_index): aim for aim in aims}
    return book.keys() == wanted.keys() and all(
        abs(book[pair] - aim.size) <= aim.size / 100 for pair, aim in wanted.items()
    )


async def until_definite(maker: WsState, sent_s: float) -> float:
    """L3: wait until nothing is in doubt; gives how long after `sent_s` that was, and fails when it is too late."""
    with trio.fail_after(300):
        while not is_definite(maker):  # noqa: ASYNC110 - conditions of all kinds, and nobody to set an event
            await trio.sleep(0.01)
    took_s = trio.current_time() - sent_s
    assert took_s <= DEFINITE_WITHIN_S, f"L3: unknown for {took_s:.1f} s"
    return took_s


async def until_on_target(world: World, maker: WsState, *, within_s: float = CONVERGED_WITHIN_S) -> None:
    await until(lambda: is_on_target(world, maker), within_s=within_s)


async def converge(world: World, maker: WsState, sent_s: float) -> None:
    """After a fault in a request sent then: definite in time, then on target, and so it stays for some ticks."""
    await until_definite(maker, sent_s)
    await until_on_target(world, maker)
    await trio.sleep(7)
    assert is_on_target(world, maker)


async def until_in_flight(maker: WsState, *, within_s: float = 10.0) -> float:
    """Until some order's outcome is unknown; gives the moment."""
    await until(lambda: not is_definite(maker), within_s=within_s)
    return trio.current_time()


def n_sent(world: World, method: str) -> int:
    return sum(items for name, items in world.venue.calls if name == method)


def count_orders(world: World, level: int, maker: WsState) -> int:
    """How many orders of ours ever reached the book at this level."""
    price = maker.grid.levels[level]
    return sum(record.price == price for record in world.exchange.records(MAKER))
