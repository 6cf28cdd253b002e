"""Rules of one change of a configuration: S33 and S34.

They are asked where the plan's own assumptions hold: nothing is wrong, nothing is refused, and the maker goes on. Fills
are counted, as each of them moves what is wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from mm_trio.changes.change_report import GridPlan
from mm_trio.sim.actors.maker_process import MakerProcess
from mm_trio.sim.base.fault_counter import FaultCounter
from mm_trio.sim.base.judge import Judge
from mm_trio.sim.grids.grid import Grid

__all__ = ["ChangeWatch"]

# Items that answer the fill of one order, as of any.
ITEMS_A_FILL = 8


@dataclass(frozen=True, slots=True)
class _Look:
    """Best prices of our own orders at the end of a tick, which is the `n`-th; None on a side without orders."""

    n: int
    bid: Decimal | None
    ask: Decimal | None

    @property
    def width(self) -> Decimal | None:
        return None if self.bid is None or self.ask is None else self.ask - self.bid

    def is_wide(self, before: _Look, after: _Look) -> bool:
        """Check if a side is empty that both ladders have, or the inside wider than both."""
        if self.bid is None and None not in (before.bid, after.bid):
            return True
        if self.ask is None and None not in (before.ask, after.ask):
            return True
        if self.width is None or before.width is None or after.width is None:
            return False
        return self.width > max(before.width, after.width)


class ChangeWatch:
    """What happens to the grids of a change, from its request on.

    `printed` are the plans that the operator was shown, by coin. `is_calm` says whether anything else than the change
    goes on: everything is settled.
    """

    def __init__(
        self,
        process: MakerProcess,
        grids: Mapping[str, Grid],
        printed: Mapping[str, GridPlan],
        *,
        judge: Judge,
        fault_counter: FaultCounter,
        is_calm: bool,
        find_trouble: Callable[[], bool],
    ) -> None:
        self._process = process
        self._grids = {coin: grids[coin] for coin in printed}
        self._printed = dict(printed)
        self._judge = judge
        self._fault_counter = fault_counter
        self._was_calm = is_calm
        self._find_trouble = find_trouble
        self._n_struck = self._count_struck()
        self._refused_s = process.requests.last_refusal_s
        self._n_items = process.requests.n_items_of.copy()
        self._n_fills = {coin: grid.view.n_fills for coin, grid in grids.items()}
        self._looks: dict[str, list[_Look]] = {coin: [self._look(coin)] for coin in self._grids}
        process.requests.on_action = self.look

    def _count_struck(self) -> int:
        return sum(self._fault_counter.struck.values())

    def _look(self, coin: str) -> _Look:
        grid, face = self._grids[coin], self._process.faces.get(coin)
        bid, ask = (grid.find_best(is_buy=is_buy) for is_buy in (True, False))
        n = -1 if face is None else face.stats.ticks
        return _Look(n, None if bid is None else bid.price, None if ask is None else ask.price)

    def look(self) -> None:
        """Note what rests, where a tick has ended since the last look and the next one has sent nothing yet."""
        for coin, looks in self._looks.items():
            face = self._process.faces.get(coin)
            if face is not None and face.stats.ticks != looks[-1].n:
                looks.append(self._look(coin))

    @property
    def is_calm(self) -> bool:
        """Check if nothing but the change and fills has happened since the request."""
        self._was_calm = (
            self._was_calm
            and self._count_struck() == self._n_struck
            and self._process.requests.last_refusal_s == self._refused_s
            and self._process.is_quoting
            and not self._find_trouble()
        )
        return self._was_calm

    def end(self, *, is_settled: bool) -> bool:
        """Check S33 and S34 at the end of the change; return whether they could be asked.

        `is_settled`: the books are as expected, so that what rests now is the new ladder.
        """
        self.look()
        self._process.requests.on_action = _ignore
        if not self.is_calm:
            return False
        for coin, plan in self._printed.items():
            grid, n_fills = self._grids[coin], self._grids[coin].view.n_fills - self._n_fills[coin]
            asset = grid.pair.asset
            n_sent = self._process.requests.n_items_of[asset] - self._n_items[asset]
            most = plan.n_requests + ITEMS_A_FILL * n_fills
            self._judge.check(
                "S34",
                n_sent <= most,
                lambda c=coin, s=n_sent, p=plan, f=n_fills: (  # type: ignore[misc]
                    f"{c}: {s} items were sent for a change ({p.change.kind}: {p.change.describe()}) of which "
                    f"{p.n_requests} requests were printed, with {f} fills"
                ),
            )
            if plan.change.kind == "changed" and is_settled and not n_fills:
                self._check_inside(coin)
        return True

    def _check_inside(self, coin: str) -> None:
        looks = self._looks[coin]
        before, after = looks[0], self._look(coin)
        wide = [look for look in looks[1:] if look.is_wide(before, after)]
        # At the ends of two ticks, with none between at which it was not wide.
        twice = [(one, two) for one, two in pairwise(looks[1:]) if one in wide and two in wide]
        self._judge.check(
            "S33",
            not twice,
            lambda: f"{coin}: the inside was too wide at the ends of two ticks: {twice[0]}, from {before} to {after}",
        )


def _ignore() -> None:
    pass
