"""What one quoting tick costs: desired orders, current orders, their difference; nothing is sent.

Run by `nox -s bench`, or `python benchmarks/tick.py`. Measured are the planner that remembers the last tick, the plain
function that defines it, and the pure modules of `pyperliquidity` where MM_TRIO_PEER_PYTHON names its Python. All
begin with the same ladder and money, take turns, and have to end with the same orders. Microseconds, medians: idle,
after one whole order was filled, and after ten were; `looked` is how many levels the planner looked at, at the most.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any, Protocol

from common import (
    describe_machine,
    find_peer_python,
    make_parser,
    peer_environ,
    print_machine,
    print_table,
    print_targets,
    ratio,
    tell,
)

from mm_trio.model.orders import Side
from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.model.settings import QuoteSettings
from mm_trio.quoting.incremental_planner import IncrementalPlanner
from mm_trio.quoting.plan import TickPlan, plan_tick
from mm_trio.state.inventory import Inventory
from mm_trio.state.order_state import OrderState

__all__: list[str] = []

ORDER_SIZE = 20
SLACK = 5  # of our window; the peer has none
SIZES, WINDOWS = (100, 1_000, 4_000), (20, None)
MOVES = {"idle": 0, "one level": 1, "ten levels": 10}
IN_A_ROW = 60  # ticks of one turn; as many asks are filled as bids
IDLE_AT_ONCE = 200  # an idle tick of ours takes no longer than reading the clock
IDLE_TARGET, MOVED_TARGET, GROWTH_TARGET = 1 / 500, 1 / 50, 1.5

Resting = list[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Case:
    """A ladder of `n` levels, half of them asks, `active` of a side quoted."""

    n: int
    active: int | None

    @property
    def name(self) -> str:
        return f"n={self.n:,} {'all' if self.active is None else self.active}"

    def describe(self) -> dict[str, Any]:
        """Its numbers; the long ladder has smaller steps, for 4,000 of 0.3 % would end at prices nobody has."""
        start_px, tick_size = ("20", "0.003") if self.n <= 1_000 else ("1.0", "0.0011")
        grid = PricingGrid(start_px, self.n, tick_size=tick_size, sz_decimals=2)
        usdc = str(sum(grid.levels) * ORDER_SIZE)
        step = {"start_px": start_px, "tick_size": tick_size}
        return {"n": self.n, "active": self.active, "order_size": ORDER_SIZE, "usdc": usdc, **step}


class Subject(Protocol):
    """Who ticks."""

    def measure(self, case: Case, *, levels: int, times: int) -> dict[str, Any]: ...

    def find_resting(self, case: Case) -> Resting: ...


class _Maker:
    """Grid, inventory and resting orders of one case of ours."""

    def __init__(self, case: Case, *, is_plain: bool) -> None:
        told = case.describe()
        self._grid = PricingGrid(told["start_px"], case.n, tick_size=told["tick_size"], sz_decimals=2)
        self._inventory = Inventory(
            ORDER_SIZE, account_token=ORDER_SIZE * (case.n // 2), account_usdc=Decimal(told["usdc"])
        )
        slack = SLACK if case.active else 0
        size, least = Decimal(ORDER_SIZE), Decimal(10)
        self._settings = QuoteSettings(
            order_size=size, min_notional=least, active_levels=case.active, window_slack=slack
        )
        self._state = OrderState()
        self._planner = IncrementalPlanner(self._grid, self._inventory, self._state, self._settings)
        self._is_plain = is_plain
        self._numbers = count(1)
        for _ in range(3):
            self._carry_out(self._tick())

    def _tick(self) -> TickPlan:
        if self._is_plain:
            return plan_tick(self._grid, self._inventory, self._state, self._settings)
        return self._planner.plan()

    def _carry_out(self, plan: TickPlan) -> None:
        diff = plan.diff
        for oid in (*diff.cancels, *(oid for oid, _ in diff.modifies)):
            self._state.on_cancel_confirmed(oid)
        for aim in (*diff.places, *(aim for _, aim in diff.modifies)):
            self._state.on_place_confirmed(next(self._numbers), aim.side, aim.level_index, aim.price, aim.size)

    def _fill_best(self, side: Side, n_levels: int) -> None:
        for _ in range(n_levels):
            level = self._state.orders.best_level(side)
            assert level is not None
            order = self._state.orders.find_at(side, level)
            assert order is not None
            fill = self._state.on_fill(next(self._numbers), order.oid, order.size, price=order.price)
            assert fill is not None
            self._inventory.book(fill)

    def measure(self, *, levels: int, times: int) -> dict[str, Any]:
        took_us: list[float] = []
        looked_at = 0
        repeats = IDLE_AT_ONCE if not levels and not self._is_plain else 1
        for i in range(times):
            if levels:
                self._fill_best("sell" if i % 2 == 0 else "buy", levels)
            else:
                self._tick()  # the one after a change is not idle yet
            began_s = time.perf_counter()
            for _ in range(repeats):
                plan = self._tick()
            took_us.append(1e6 * (time.perf_counter() - began_s) / repeats)
            looked_at = max(looked_at, self._planner.n_compared)
            self._carry_out(plan)
        return {"us": took_us, "looked_at": None if self._is_plain else looked_at}

    def find_resting(self) -> Resting:
        return sorted(self._state.orders.slots())


class Ours:
    """Our planner, or the plain function."""

    def __init__(self, *, is_plain: bool = False) -> None:
        self._is_plain = is_plain
        self._makers: dict[Case, _Maker] = {}

    def _find(self, case: Case) -> _Maker:
        if case not in self._makers:
            self._makers[case] = _Maker(case, is_plain=self._is_plain)
        return self._makers[case]

    def measure(self, case: Case, *, levels: int, times: int) -> dict[str, Any]:
        return self._find(case).measure(levels=levels, times=times)

    def find_resting(self, case: Case) -> Resting:
        return self._find(case).find_resting()


class Peer:
    """The other maker's modules, in a process of its own Python."""

    def __init__(self, python: str) -> None:
        script = Path(__file__).with_name("peer_tick.py")
        self._process = subprocess.Popen(
            [python, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=peer_environ()
        )
        self._known: set[Case] = set()

    def _ask(self, case: Case, verb: str, **request: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"case": case.name, "verb": verb, **request}) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def measure(self, case: Case, *, levels: int, times: int) -> dict[str, Any]:
        if case not in self._known:
            self._known.add(case)
            self._ask(case, "make", **case.describe())
        found: dict[str, Any] = self._ask(case, "measure", levels=levels, times=times)
        return found

    def find_resting(self, case: Case) -> Resting:
        return [(side, level) for side, level in self._ask(case, "resting")]

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


# --- all of it --------------------------------------------------------------------------------

Found = dict[tuple[Case, str, str], list[float]]  # (case, move, subject) -> microseconds


def measure_all(subjects: dict[str, Subject], *, rounds: int) -> tuple[Found, dict[tuple[Case, str], int]]:
    """Every case, by turns, as often as asked for. Errors: AssertionError if the ladders are not equal at the end."""
    found: Found = {}
    looked_at: dict[tuple[Case, str], int] = {}
    cases = [Case(n, active) for n in SIZES for active in WINDOWS]
    for _ in range(rounds):
        for case in cases:
            times = IN_A_ROW if case.n < max(SIZES) or case.active else IN_A_ROW // 3
            for move, levels in MOVES.items():
                for name, subject in subjects.items():
                    measured = subject.measure(case, levels=levels, times=times)
                    found.setdefault((case, move, name), []).extend(measured["us"])
                    if measured["looked_at"] is not None:
                        looked_at[case, move] = max(looked_at.get((case, move), 0), measured["looked_at"])
    for case in cases:
        _compare(case, {name: subject.find_resting(case) for name, subject in subjects.items()})
    return found, looked_at


def _compare(case: Case, resting: dict[str, Resting]) -> None:
    """All should quote the same; with a window, at least from the same level (its far ends may lag in ours)."""
    for name, orders in resting.items():
        seen = orders if case.active is None else _find_inside(orders)
        ours = resting["planner"] if case.active is None else _find_inside(resting["planner"])
        assert seen == ours, f"{case.name}: {name} quotes other levels than the planner"


def _find_inside(orders: Resting) -> Resting:
    highest_bid = max(level for side, level in orders if side == "buy")
    return [("buy", highest_bid), ("sell", min(level for side, level in orders if side == "sell"))]


def _check_targets(found: Found) -> dict[str, dict[str, Any]]:
    """Ratios that do not depend much on the machine; those beside the peer only where it took part."""
    case = Case(1_000, None)
    idle = ratio(found[case, "idle", "planner"], found.get((case, "idle", "peer"), []))
    moved = ratio(found[case, "one level", "planner"], found.get((case, "one level", "peer"), []))
    growth = ratio(found[Case(4_000, None), "one level", "planner"], found[Case(100, None), "one level", "planner"])
    wanted = (
        ("idle tick, n=1,000, beside the peer", idle, IDLE_TARGET),
        ("one level moved, n=1,000, beside the peer", moved, MOVED_TARGET),
        ("one level moved, n=4,000 beside n=100", growth, GROWTH_TARGET),
    )
    return {
        name: {"value": value, "at_most": most, "met": value <= most}
        for name, value, most in wanted
        if value is not None
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, and print a table or a JSON object."""
    parser = make_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="turns that each takes")
    arguments = parser.parse_args(argv)
    python = find_peer_python()
    machine = describe_machine(python)
    subjects: dict[str, Subject] = {"planner": Ours(), "plain": Ours(is_plain=True)}
    peer = Peer(python) if python else None
    if peer is not None:
        subjects["peer"] = peer
    try:
        found, looked_at = measure_all(subjects, rounds=max(1, arguments.rounds))
    finally:
        if peer is not None:
            peer.close()
    medians = {key: statistics.median(values) for key, values in found.items()}
    targets = _check_targets(found)
    rows = [
        {"case": case.name, "move": move, "subject": name, "us": value} for (case, move, name), value in medians.items()
    ]
    looked = [{"case": case.name, "move": move, "levels": n} for (case, move), n in looked_at.items()]

    def print_tables() -> None:
        print_machine(machine)
        heads = ("ladder, active", "tick", *(f"{name} us" for name in subjects), "peer / planner", "looked")
        table = []
        for case, move in looked_at:
            took = [medians[case, move, name] for name in subjects]
            times = ratio(found.get((case, move, "peer"), []), found[case, move, "planner"])
            table.append((case.name, move, *took, times, looked_at[case, move]))
        print_table(heads, table)
        print_targets(targets)

    tell(arguments, {"machine": machine, "ticks": rows, "looked_at": looked, "targets": targets}, print_tables)


if __name__ == "__main__":
    main()
