"""Compare the maker with the oracle's book and ledger.

It looks at the open orders and at what the maker believes.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Never

import trio

from mm_trio.engine.ws_state import WsState
from mm_trio.sim.actors.maker_process import MakerProcess
from mm_trio.sim.oracle.expected_book import ExpectedBook, Slot
from mm_trio.sim.oracle.starvation import PATIENCE_S, Emptiness, Starvation
from mm_trio.sim.oracle.venue_view import is_own
from mm_trio.sim.run.process_rules import POLL_S
from mm_trio.sim.run.process_starter import MAKER
from mm_trio.sim.run.world import World

__all__ = ["ConvergenceCheck"]

LEVEL_POLL_S = 5.0
# A level may be empty for two ticks. The answer to a fill takes so many round trips, a reconciliation in between too.
EMPTY_POLL_S, EMPTY_TICKS, EMPTY_TRIPS = 0.5, 2, 16
MANY_REQUESTS = 100
# Time in which the maker notices that a message was late.
LATE_S = 1.0


class ConvergenceCheck:
    """Checks of a world that change nothing in it."""

    def __init__(self, world: World) -> None:
        self._world = world
        lot = Decimal(1).scaleb(-world.pair.base.sz_decimals)
        self._expected = ExpectedBook(world.scenario.ladder, world.levels, lot)
        self._starvation = Starvation(world.judge)
        self._emptiness = Emptiness(world.judge)
        # Whether the book has settled in calm.
        self.is_settled = False
        # Oids that the maker believed to be open and were not, at the last poll.
        self._gone: set[int] = set()

    async def poll_forever(self) -> Never:
        """Check what need not be checked after every step."""
        n_polls = 0
        while True:
            await trio.sleep(LEVEL_POLL_S)
            n_polls += 1
            if self._world.process is not None:
                self._check_levels(self._world.process)
                if n_polls % int(POLL_S / LEVEL_POLL_S) == 0:
                    self._world.process_rules.poll(self._world.process)

    async def poll_empty_levels_forever(self) -> Never:
        """Check L8 in seeds without faults, and in calm."""
        scenario = self._world.scenario
        trips_s = EMPTY_TRIPS * (scenario.there_s + scenario.back_s + scenario.disk_s)
        most_s = EMPTY_TICKS * scenario.tuning["interval_s"] + scenario.frame_s + trips_s
        while True:
            await trio.sleep(EMPTY_POLL_S)
            process, now_s = self._world.process, trio.current_time()
            if process is None or not self._explains_nothing(process, now_s):
                self._emptiness.forget(now_s=now_s)
            elif process.maker.order_state.get_doubts():
                self._emptiness.excuse(now_s=now_s)
            else:
                book = self._find_book()
                missing = [slot for slot in self._expected.find_due(book, **self._find_funds()) if slot not in book]
                self._emptiness.check(missing, now_s=now_s, most_s=most_s)

    def _explains_nothing(self, process: MakerProcess, now_s: float) -> bool:
        """Check if only the maker can be the reason for an empty level.

        Faults, foreign orders, refusals, a pause, and a used up budget may be others.
        """
        scenario, maker = self._world.scenario, process.maker
        is_alone = self.is_settled or not (scenario.rates or scenario.has_second_strategy)
        return (
            is_alone
            and process.is_quoting
            and not self._world.is_ending
            and maker.paused_because is None
            and not maker.refusals
            and maker.rate_limit.remaining() > 0
            and now_s > process.requests.last_refusal_s + PATIENCE_S * (process.requests.last_refusal_s > 0)
        )

    def _check_levels(self, process: MakerProcess) -> None:
        """Check L7 and S21 without faults and with request budget.

        A maker in doubt about its open orders gets more time.
        """
        maker, has_faults = process.maker, self._world.scenario.rates and self._world.fault_counter.is_on
        is_able = process.is_quoting and maker.paused_because is None and maker.rate_limit.remaining() > 0
        is_able = is_able and not maker.refusals
        if has_faults or not is_able:
            self._starvation.forget()
            self._gone.clear()
        else:
            if not self._world.scenario.rates:
                self._check_ghosts(process)
            if not maker.order_state.get_doubts():
                self._check_missing_levels(process)

    def _check_ghosts(self, process: MakerProcess) -> None:
        """Check S21: no vanished order is believed open twice.

        It is checked only where no frame is lost or late. Twice means in two polls in a row.
        """
        tracked = process.maker.order_state.get_current_orders()
        gone = {o.oid for o in tracked if o.status == "resting" and o.oid not in self._world.view.resting}
        ghosts = gone & self._gone
        self._gone = gone
        self._world.judge.check(
            "S21",
            not ghosts,
            lambda: f"the maker believes these orders to be open, {LEVEL_POLL_S:.0f} s after they were gone: {ghosts}",
        )

    def _check_missing_levels(self, process: MakerProcess) -> None:
        """Check L7 for levels without their order."""
        book, money = self._find_book(), self._find_funds()
        due = self._expected.find_due(book, **money)
        now_s, refused_s = trio.current_time(), process.requests.last_refusal_s
        self._starvation.check(due, book, now_s=now_s, refused_s=refused_s)

    def check_view(self) -> None:
        """Check that the oracle's view matches the venue.

        If it does not, the oracle is wrong.
        """
        coin = self._world.pair.name
        truth = {o.oid: o.size for o in self._world.exchange.open_orders(MAKER) if o.coin == coin and is_own(o.cloid)}
        self._world.judge.check(
            "SIM",
            truth == self._world.view.book(),
            lambda: f"the oracle's view is {self._world.view.book()}, the venue has {truth}",
        )

    # --- Settled or not ---

    def find_unsettled(self) -> str | None:
        """Describe what has not settled in calm yet.

        Returns None if the maker quotes the expected book and knows that it does.
        """
        process = self._world.process
        if process is None or not process.is_quoting:
            return "no maker is quoting"
        maker, socket = process.maker, process.info.ws_manager
        if socket.silent or socket.pong_only or not socket.is_alive():
            return "its socket is still broken"
        if trio.current_time() <= self._world.frames.late_until_s + LATE_S:
            return "a late frame is still travelling"
        if maker.paused_because is not None:
            return f"the maker is paused: {maker.paused_because}"
        if doubts := maker.order_state.get_doubts():
            return f"orders are in doubt: {doubts[:3]}"
        tracked = {order.oid: order.size for order in maker.order_state.get_current_orders()}
        if tracked != self._world.view.book():
            return f"the maker believes {tracked} to be open, open is {self._world.view.book()}"
        return (
            self._find_budget_error(maker)
            or self._find_account_error(maker)
            or self.find_ledger_error(maker)
            or self.find_book_error()
        )

    def _find_budget_error(self, maker: WsState) -> str | None:
        """Check L1: the maker knows its remaining request budget.

        Recent volume and requests that have just arrived late are tolerated.
        """
        account, believed = self._world.exchange.account(MAKER), maker.rate_limit.remaining()
        left = account.request_cap - account.n_requests
        is_right = believed <= left + MANY_REQUESTS and (believed > 0 or left < MANY_REQUESTS)
        return None if is_right else f"the maker believes that {believed} requests remain, {left} remain"

    def _find_account_error(self, maker: WsState) -> str | None:
        """Check L1: the maker knows what it may offer of the account.

        Otherwise it would try what the account cannot pay for.
        """
        wallet, pair = self._world.exchange.account(MAKER), self._world.pair
        held = wallet.usable(pair.base.index), wallet.usable(pair.quote.index)
        believed = maker.inventory.account_token, maker.inventory.account_usdc
        return None if believed == held else f"the maker believes that the account holds {believed}, it holds {held}"

    def find_ledger_error(self, maker: WsState) -> str | None:
        """Check S5: the ledger equals the expected ledger."""
        believed, due = (maker.inventory.virtual_token, maker.inventory.virtual_usdc), self.expected_ledger()
        return None if believed == due else f"the ledger is {believed}, expected {due}"

    def expected_ledger(self) -> tuple[Decimal | None, Decimal | None]:
        """Return the allocation moved by the maker's own fills.

        The fills are those of the venue's record.
        """
        ladder = self._world.scenario.ladder
        return (
            None if ladder.tokens is None else self._world.view.tokens,
            None if ladder.quote is None else self._world.view.quote,
        )

    def find_book_error(self) -> str | None:
        """Check L1: the book is the expected HIP-2 book.

        It is computed from the smaller of ledger and wallet.
        """
        book, money = self._find_book(), self._find_funds()
        wrong = self._expected.find_divergence(book, **money)
        rests = ", ".join(f"{side} {level}: {size}" for (side, level), size in sorted(book.items()))
        return None if wrong is None else f"{wrong}; with {money} available, open is {rests or 'nothing'}"

    def find_left_bid(self) -> tuple[Slot, int] | None:
        """Return slot and oid of the bid that is left as it is."""
        slot = self._expected.find_left_bid(self._find_book(), tokens=self._find_funds()["tokens"])
        if slot is None:
            return None
        oids = [o.oid for o in self._world.view.resting.values() if o.is_buy and o.price == self._world.levels[slot[1]]]
        return slot, oids[0]

    def _find_book(self) -> dict[Slot, Decimal]:
        """Return the maker's open sizes by side and level."""
        book: dict[Slot, Decimal] = {}
        for oid, size in self._world.view.book().items():
            record = self._world.view.resting[oid]
            book["buy" if record.is_buy else "sell", self._world.levels.index(record.price)] = size
        return book

    def _find_funds(self) -> dict[str, Decimal]:
        """Return what may be offered of each token."""
        wallet = self._world.exchange.account(MAKER)
        tokens, quote = self.expected_ledger()
        held = wallet.usable(self._world.pair.base.index), wallet.usable(self._world.pair.quote.index)
        return {
            "tokens": held[0] if tokens is None else min(tokens, held[0]),
            "quote": held[1] if quote is None else min(quote, held[1]),
        }
