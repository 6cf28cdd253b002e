"""Compare one grid of the maker with the oracle's book and ledger.

It looks at the open orders and at what the maker believes.
"""

from __future__ import annotations

from decimal import Decimal

import trio

from mm_trio.engine.grid_face import GridFace
from mm_trio.sim.actors.maker_process import MakerProcess
from mm_trio.sim.base.judge import Judge
from mm_trio.sim.grids.grid import Grid
from mm_trio.sim.oracle.expected_book import Slot
from mm_trio.sim.oracle.starvation import PATIENCE_S, Emptiness, Starvation

__all__ = ["LEVEL_POLL_S", "GridCheck"]

LEVEL_POLL_S = 5.0


class GridCheck:
    """Checks of a grid that change nothing in it."""

    def __init__(self, grid: Grid, *, judge: Judge, has_faults: bool, is_alone: bool) -> None:
        self.grid = grid
        self._is_alone = is_alone
        self._judge = judge
        self._has_faults = has_faults
        self._starvation = Starvation(judge)
        self._emptiness = Emptiness(judge)
        # Oids that the maker believed to be open and were not, at the last poll.
        self._gone: set[int] = set()

    # --- Empty levels ---

    def check_empty_levels(self, process: MakerProcess | None, *, may_judge: bool, most_s: float) -> None:
        """Check L8. `may_judge`: only the maker can be the reason for an empty level."""
        now_s = trio.current_time()
        may_judge = may_judge and process is not None and self._is_quoted(process)
        if process is None or not may_judge or not self._explains_nothing(process, now_s):
            self._emptiness.forget(now_s=now_s)
        elif self._face(process).order_state.get_doubts():
            self._emptiness.excuse(now_s=now_s)
        else:
            book = self.grid.find_book()
            missing = [slot for slot in self._find_due(process, book) if slot not in book]
            self._emptiness.check(missing, now_s=now_s, most_s=most_s)

    def _is_quoted(self, process: MakerProcess) -> bool:
        """Check if the grid is configured, its maker has it, and nobody changes it just now."""
        return self.grid.is_configured and not self.grid.is_changing and self.grid.coin in process.faces

    def _explains_nothing(self, process: MakerProcess, now_s: float) -> bool:
        """Check that no refusal, pause or used up budget explains an empty level."""
        face = self._face(process)
        return (
            process.is_quoting
            and not self._is_halted(process)
            and face.paused_because is None
            and not face.refusals
            and face.rate_limit.remaining() > 0
            and now_s > process.requests.last_refusal_s + PATIENCE_S * (process.requests.last_refusal_s > 0)
        )

    def check_levels(self, process: MakerProcess, *, are_faults_on: bool) -> None:
        """Check L7 and S21 without faults and with request budget.

        A maker in doubt about its open orders gets more time.
        """
        if not self._is_quoted(process):
            self._starvation.forget()
            self._gone.clear()
            return
        face = self._face(process)
        is_able = process.is_quoting and face.paused_because is None and face.rate_limit.remaining() > 0
        is_able = is_able and not face.refusals and not self._is_halted(process)
        if are_faults_on or not is_able:
            self._starvation.forget()
            self._gone.clear()
        else:
            if not self._has_faults:
                self._check_ghosts(face)
            if not face.order_state.get_doubts():
                self._check_missing_levels(process)

    def _check_ghosts(self, face: GridFace) -> None:
        """Check S21: no vanished order is believed open twice.

        It is checked only where no frame is lost or late. Twice means in two polls in a row.
        """
        tracked = face.order_state.get_current_orders()
        gone = {o.oid for o in tracked if o.status == "resting" and o.oid not in self.grid.view.resting}
        ghosts = gone & self._gone
        self._gone = gone
        self._judge.check(
            "S21",
            not ghosts,
            lambda: f"the maker believes these orders to be open, {LEVEL_POLL_S:.0f} s after they were gone: {ghosts}",
        )

    def _check_missing_levels(self, process: MakerProcess) -> None:
        """Check L7 for levels without their order."""
        book = self.grid.find_book()
        now_s, refused_s = trio.current_time(), process.requests.last_refusal_s
        self._starvation.check(self._find_due(process, book), book, now_s=now_s, refused_s=refused_s)

    # --- Settled or not ---

    def find_unsettled(self, process: MakerProcess) -> str | None:
        """Describe what the grid has not settled in calm yet."""
        if self.grid.is_changing:
            return "its operator waits for a change"
        if not self.grid.is_configured:
            return f"it is not configured, and open is {self.grid.view.book()}" if self.grid.view.resting else None
        if self.grid.coin not in process.faces:
            return "it is configured, and not quoted"
        face = self._face(process)
        if self._is_halted(process):
            return f"it is halted, and open is {self.grid.view.book()}" if self.grid.view.resting else None
        if face.paused_because is not None:
            return f"the maker is paused: {face.paused_because}"
        if doubts := face.order_state.get_doubts():
            return f"orders are in doubt: {doubts[:3]}"
        tracked = {order.oid: order.size for order in face.order_state.get_current_orders()}
        if tracked != self.grid.view.book():
            return f"the maker believes {tracked} to be open, open is {self.grid.view.book()}"
        return None

    def find_ledger_error(self, process: MakerProcess) -> str | None:
        """Check S5: the ledger equals the expected ledger."""
        if self._is_halted(process) or not self._is_quoted(process):
            return None
        ledger, due = self._face(process).inventory, self.grid.expected_ledger()
        believed = ledger.virtual_token, ledger.virtual_usdc
        return None if believed == due else f"the ledger is {believed}, expected {due}"

    def find_book_error(self, process: MakerProcess) -> str | None:
        """Check L1: the book is the expected HIP-2 book.

        It is computed from the smaller of ledger and wallet, or of ledger and share where grids share the wallet.
        """
        if self._is_halted(process) or not self._is_quoted(process):
            return None
        if strays := self.grid.find_strays():
            return f"orders rest at no level of its ladder: {[(o.oid, o.is_buy, str(o.price)) for o in strays][:5]}"
        book, money = self.grid.find_book(), self._find_funds(process)
        wrong = self.grid.expected.find_divergence(book, **money)
        rests = ", ".join(f"{side} {level}: {size}" for (side, level), size in sorted(book.items()))
        return None if wrong is None else f"{wrong}; with {money} available, open is {rests or 'nothing'}"

    def is_waiting(self, process: MakerProcess) -> bool:
        """Check if a level is empty that should have an order. One of another size may wait until there is budget."""
        book = self.grid.find_book()
        is_quoted = self._is_quoted(process) and not self._is_halted(process)
        return is_quoted and any(slot not in book for slot in self._find_due(process, book))

    def find_left_bid(self, process: MakerProcess) -> tuple[Slot, int] | None:
        """Return slot and oid of the bid that is left as it is."""
        grid = self.grid
        slot = grid.expected.find_left_bid(grid.find_book(), tokens=self._find_funds(process)["tokens"])
        if slot is None:
            return None
        oids = [o.oid for o in grid.view.resting.values() if o.is_buy and o.price == grid.levels[slot[1]]]
        return slot, oids[0]

    def _find_due(self, process: MakerProcess, book: dict[Slot, Decimal]) -> list[Slot]:
        return self.grid.expected.find_due(book, **self._find_funds(process))

    def _find_funds(self, process: MakerProcess) -> dict[str, Decimal]:
        """Return what the grid may offer of each token; of a shared wallet it is what the grid is shown (S30)."""
        shown = self._face(process).inventory
        return self.grid.find_funds(None if self._is_alone else (shown.account_token, shown.account_usdc))

    def _is_halted(self, process: MakerProcess) -> bool:
        return self.grid.coin in process.find_halted()

    def _face(self, process: MakerProcess) -> GridFace:
        return process.faces[self.grid.coin]
