"""Is all as it should be? The oracle's own idea of book and ledger, beside what rests and what the maker believes."""

from __future__ import annotations

from decimal import Decimal
from typing import Never

import trio

from mm_trio.engine.ws_state import WsState
from mm_trio.sim.actors.maker_process import MakerProcess
from mm_trio.sim.oracle.expected_book import ExpectedBook, Slot
from mm_trio.sim.oracle.starvation import Starvation
from mm_trio.sim.oracle.venue_view import is_own
from mm_trio.sim.run.process_rules import POLL_S
from mm_trio.sim.run.world import COIN, MAKER, World

__all__ = ["ConvergenceCheck"]

LEVEL_POLL_S = 5.0
MANY_REQUESTS = 100
LATE_S = 1.0  # in which the maker notices that a message came late


class ConvergenceCheck:
    """Looks at a world, and changes nothing in it."""

    def __init__(self, world: World) -> None:
        self._world = world
        lot = Decimal(1).scaleb(-world.pair.base.sz_decimals)
        self._expected = ExpectedBook(world.scenario.ladder, world.levels, lot)
        self._starvation = Starvation(world.judge)
        self._gone: set[int] = set()  # oids believed to rest that did not, at the last look

    async def poll_forever(self) -> Never:
        """At what need not be looked at after every step."""
        n_polls = 0
        while True:
            await trio.sleep(LEVEL_POLL_S)
            n_polls += 1
            if self._world.process is not None:
                self._check_levels(self._world.process)
                if n_polls % int(POLL_S / LEVEL_POLL_S) == 0:
                    self._world.process_rules.poll(self._world.process)

    def _check_levels(self, process: MakerProcess) -> None:
        """L7, while there is no fault and budget left; who is not sure of what rests is waited for."""
        maker, has_faults = process.maker, self._world.scenario.rates and self._world.fault_counter.is_on
        is_able = process.is_quoting and maker.paused_because is None and maker.rate_limit.remaining() > 0
        if has_faults or not is_able:
            self._starvation.forget()
            self._gone.clear()
        else:
            if not self._world.scenario.rates:
                self._check_ghosts(process)
            if not maker.order_state.get_doubts():
                self._check_missing_levels(process)

    def _check_ghosts(self, process: MakerProcess) -> None:
        """S21: where no frame is lost or late, an order that is gone is not believed to rest for two looks."""
        tracked = process.maker.order_state.get_current_orders()
        gone = {o.oid for o in tracked if o.status == "resting" and o.oid not in self._world.view.resting}
        ghosts = gone & self._gone
        self._gone = gone
        self._world.judge.check(
            "S21", not ghosts, lambda: f"gone for {LEVEL_POLL_S:.0f} s, and believed to rest: {ghosts}"
        )

    def _check_missing_levels(self, process: MakerProcess) -> None:
        """L7."""
        book, money = self._find_book(), self._find_funds()
        due = self._expected.find_due(book, **money)
        now_s, refused_s = trio.current_time(), process.requests.last_refusal_s
        self._starvation.check(due, book, now_s=now_s, refused_s=refused_s)

    def check_view(self) -> None:
        """The oracle's view is the venue's truth, or the oracle is wrong."""
        truth = {o.oid: o.size for o in self._world.exchange.open_orders(MAKER) if o.coin == COIN and is_own(o.cloid)}
        self._world.judge.check(
            "SIM", truth == self._world.view.book(), lambda: f"the oracle sees {self._world.view.book()}, not {truth}"
        )

    # --- is all as it should be? ------------------------------------------------------------------

    def find_unsettled(self) -> str | None:
        """What is not yet as it has to be once all is calm; None: the maker quotes the due book and knows it does."""
        process = self._world.process
        if process is None or not process.is_quoting:
            return "no maker is quoting"
        maker, socket = process.maker, process.info.ws_manager
        if socket.silent or socket.pong_only or not socket.is_alive():
            return "its socket is broken still"
        if trio.current_time() <= self._world.frames.late_until_s + LATE_S:
            return "a late frame is on its way still"
        if maker.paused_because is not None:
            return f"paused: {maker.paused_because}"
        if doubts := maker.order_state.get_doubts():
            return f"in doubt: {doubts[:3]}"
        tracked = {order.oid: order.size for order in maker.order_state.get_current_orders()}
        if tracked != self._world.view.book():
            return f"believed to rest: {tracked}, rests: {self._world.view.book()}"
        return (
            self._find_budget_error(maker)
            or self._find_account_error(maker)
            or self.find_ledger_error(maker)
            or self.find_book_error()
        )

    def _find_budget_error(self, maker: WsState) -> str | None:
        """L1: it knows what is left of the request budget, but for volume of late and what has just arrived late."""
        account, believed = self._world.exchange.account(MAKER), maker.rate_limit.remaining()
        left = account.request_cap - account.n_requests
        is_right = believed <= left + MANY_REQUESTS and (believed > 0 or left < MANY_REQUESTS)
        return None if is_right else f"it believes in {believed} requests, {left} are left"

    def _find_account_error(self, maker: WsState) -> str | None:
        """L1: it knows what the account holds, and so does not try what that cannot pay for."""
        wallet, pair = self._world.exchange.account(MAKER), self._world.pair
        held = wallet.total(pair.base.index), wallet.total(pair.quote.index)
        believed = maker.inventory.account_token, maker.inventory.account_usdc
        return None if believed == held else f"it believes that the account holds {believed}, it holds {held}"

    def find_ledger_error(self, maker: WsState) -> str | None:
        """S5: the ledger is what the venue's record of the maker's own fills makes of the allocation."""
        believed, due = (maker.inventory.virtual_token, maker.inventory.virtual_usdc), self.expected_ledger()
        return None if believed == due else f"the ledger says {believed}, due is {due}"

    def expected_ledger(self) -> tuple[Decimal | None, Decimal | None]:
        """The allocation moved by the venue's record of the maker's own fills."""
        ladder = self._world.scenario.ladder
        return (
            None if ladder.tokens is None else self._world.view.tokens,
            None if ladder.quote is None else self._world.view.quote,
        )

    def find_book_error(self) -> str | None:
        """L1: the book is the HIP-2 book of the smaller of ledger and wallet."""
        book, money = self._find_book(), self._find_funds()
        wrong = self._expected.find_divergence(book, **money)
        rests = ", ".join(f"{side} {level}: {size}" for (side, level), size in sorted(book.items()))
        return None if wrong is None else f"{wrong}; of {money} rests {rests or 'nothing'}"

    def _find_book(self) -> dict[Slot, Decimal]:
        """What rests of the maker's, by side and level."""
        book: dict[Slot, Decimal] = {}
        for oid, size in self._world.view.book().items():
            record = self._world.view.resting[oid]
            book["buy" if record.is_buy else "sell", self._world.levels.index(record.price)] = size
        return book

    def _find_funds(self) -> dict[str, Decimal]:
        """What may be offered: the smaller of ledger and wallet."""
        wallet = self._world.exchange.account(MAKER)
        tokens, quote = self.expected_ledger()
        held = wallet.total(self._world.pair.base.index), wallet.total(self._world.pair.quote.index)
        return {
            "tokens": held[0] if tokens is None else min(tokens, held[0]),
            "quote": held[1] if quote is None else min(quote, held[1]),
        }
