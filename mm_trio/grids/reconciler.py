"""Reconciliation: snapshot, proofs, fills, balances, budget.

The absence of an order needs proof. If a snapshot misses an order, it is looked for in a second snapshot and asked for
directly, its fills are looked up and booked, and only then it is a ghost. A failed question settles nothing.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import trio

from mm_trio.grids.shared_look import Look
from mm_trio.messages.fund_updates import FundUpdates
from mm_trio.model.errors import Contradiction, LedgerCut, LedgerError, VenueError
from mm_trio.model.orders import Intent, OrderDiff
from mm_trio.model.replies import Fill, OpenOrder, OrderStatus
from mm_trio.sending.batch_emitter import EXPIRY_GRACE_S, EXPIRY_S, MOST_ENDS_ASKED, BatchEmitter
from mm_trio.state.fill_history import LISTED_WITHIN_S
from mm_trio.state.inventory import BalanceCheck, BalanceVerdict
from mm_trio.state.maker_state import MakerState
from mm_trio.state.snapshot_diff import Findings, describe_rivals, read_snapshot
from mm_trio.venue.rest_client import FUNDS_PER_PAGE, VenueClient
from mm_trio.witness.ledger_end import describe_lost_entries

__all__ = ["Reconciler"]

_log = logging.getLogger(__name__)

# Fills that the venue does not list this long after the end of an order are presumed not to exist.
UNREPORTED_PATIENCE_S = LISTED_WITHIN_S
# Most direct questions of each kind (weight 2 each) within one reconciliation. Without a bound a long ladder in doubt
# would need more weight than there is, and none of it would ever be settled.
MOST_ASKED = 50
# Weight that has to be free for a question why a balance differs: its own, and what the rest of a reconciliation takes.
REASONS_WEIGHT = 60
# The session's turn waits meanwhile.
REASONS_WITHIN_S = 2.0
# Types of movements that are logged; the venue has about twenty.
MOST_UNREAD = 50
FORGOTTEN = "forgotten by the venue"


@dataclass(frozen=True, slots=True)
class _Proofs:
    """Answers to direct questions.

    They were asked by oid for missing orders, and by cloid for orders in flight.
    """

    missing: tuple[tuple[int, OrderStatus], ...]
    unseen: tuple[tuple[Intent, OrderStatus], ...]


class Reconciler:
    """Procedure of a reconciliation.

    The caller holds the grid's turn, so that no tick of it runs meanwhile.
    """

    def __init__(self, client: VenueClient, state: MakerState, emitter: BatchEmitter) -> None:
        self._client = client
        self._state = state
        self._emitter = emitter
        # Contradictions that the last snapshot showed.
        self._misfits: set[str] = set()
        # Types of movements that were told to be unread.
        self._unread: set[str] = set()
        # Until this venue's time a fill may be of an order of ours that the ledger lacks.
        self._name_until_ms = 0

    def name_until(self, until_ms: int) -> None:
        """Ask whose a fill is that an unknown order made until then; rows of fills need not tell."""
        self._name_until_ms = until_ms

    async def reconcile(self, look: Look) -> tuple[BalanceCheck, bool]:
        """Compare everything with the venue and settle the differences.

        Return the verdict on the balances, and whether no orphan is left. Errors: VenueError, LedgerError; proofs
        gained before the error are applied.
        """
        state, client = self._state, self._client
        evidence, n_before = state.unproven, state.rate_limit.n_counted
        rows, findings = await self._take_snapshot(look)
        proofs = _Proofs((), ())
        if findings.missing or findings.unseen:
            suspects = findings
            rows, findings = await self._take_snapshot(look)
            proofs = await self._ask_directly(suspects, findings)
        try:
            self._check_end(rows=rows)
            await self.book_missed_fills(look)
        except LedgerError:
            # The maker shuts down because of this error, and then the proofs show which orders still rest.
            self._apply_proofs(proofs)
            raise
        self._apply_proofs(await self._ask_unknown_that_traded(proofs))
        await self._settle_ends()
        await self._ask_for_reasons()
        balances = await look.fetch_balances(state.market)
        asked_s = look.asked_s
        state.note_others(rows)
        now_ms = client.clock.latest_ms()
        balances = look.share(state.market, balances, asked_s=asked_s)
        check = state.apply_balances(balances, asked_s=asked_s, now_s=trio.current_time(), now_ms=now_ms)
        if check.verdict is BalanceVerdict.EQUAL:
            state.inventory.explain_late()
        budget = await look.fetch_budget()
        # Other grids send meanwhile.
        state.rate_limit.sync_from_exchange(*budget, n_since=state.rate_limit.n_counted - n_before)
        state.on_disproved(evidence)
        state.on_reconciled()
        return check, await self.cancel_orphans(findings.orphans)

    async def cancel_orphans(self, orphans: Iterable[OpenOrder]) -> bool:
        """Cancel unknown open orders of our coin.

        Return whether all cancels were confirmed.
        """
        oids = [order.oid for order in orphans]
        if not oids:
            return True
        result = await self._emitter.emit(OrderDiff(cancels=oids), self._state.rate_limit)
        _log.warning("orphans cancelled: orphans=%d cancelled=%d oids=%s", len(oids), result.n_cancelled, oids[:10])
        return result.n_cancelled == len(oids)

    async def book_missed_fills(self, look: Look) -> None:
        """Book fills that no frame reported since the last look-up.

        Errors: VenueError, LedgerError.
        """
        read = await look.fetch_fills(
            self._state.market,
            since_ms=self._state.history.look_up_from_ms,
            on_others=self._state.inventory.movements.on_told,
        )
        asked_s = look.asked_s
        history = self._state.history
        history.check(read)
        fills, unnamed = await self._name(read.fills)
        self._check_end(fills)
        self._state.apply_history(fills, now_s=trio.current_time())
        self._state.note_trades(fill for fill in fills if fill not in unnamed)
        self._state.check_listed(read, asked_s=asked_s)
        is_current = history.has_newest_known(read)
        history.on_read(read)
        # The last fills of orders that left just now may be listed late.
        self._state.order_state.on_fills_read(asked_s - UNREPORTED_PATIENCE_S)
        for order in self._state.order_state.get_fills_due() if is_current else ():
            if order.touched_s <= asked_s - UNREPORTED_PATIENCE_S:
                _log.error(
                    "fill missing: oid=%d closed with %s unexplained; the venue lists no matching fill",
                    order.oid,
                    order.size,
                )
                self._state.order_state.remove_ghost(order.oid, now_s=asked_s)

    async def _name(self, fills: tuple[Fill, ...]) -> tuple[tuple[Fill, ...], tuple[Fill, ...]]:
        """Ask for the cloids of fills whose order may be one that the ledger lacks.

        Return all fills, and those that nobody could name. Errors: VenueError.
        """
        if not self._name_until_ms or all((fill.time_ms or 0) > self._name_until_ms for fill in fills):
            return fills, ()
        state = self._state
        return await self._client.name_fills(
            fills,
            is_known=lambda fill: (fill.time_ms or 0) > self._name_until_ms or state.order_state.is_accounted_for(fill),
        )

    async def _ask_for_reasons(self) -> None:
        """Ask what moved the account where a balance differs from the ledger.

        A question that fails, or for which there is no weight, explains nothing: the balance is taken over all the
        same.
        """
        state, client = self._state, self._client
        now_s = trio.current_time()
        wants = state.inventory.wants_reasons(now_s, quiet_since_s=state.note_doubts(now_s))
        if not (wants and client.lists_movements):
            return
        if client.weight.compute_wait_s(REASONS_WEIGHT, now_s=now_s) > 0:
            return
        with trio.move_on_after(REASONS_WITHIN_S):
            try:
                await self._read_reasons()
            except VenueError as error:
                _log.info("movements of funds not read: error=%s; a difference stays unexplained", error)

    async def _read_reasons(self) -> None:
        """Read the movements from where they were read last, page by page. Errors: VenueError."""
        client, movements = self._client, self._state.inventory.movements
        until_ms, since_ms = client.clock.earliest_ms(), movements.ask_from_ms
        has_weight = True
        while has_weight:
            updates = await client.fetch_fund_updates(self._state.market, since_ms=since_ms)
            movements.on_told(updates.events)
            self._log_unread(updates)
            last_ms = updates.last_ms
            if updates.n_rows < FUNDS_PER_PAGE or last_ms is None:
                movements.on_read(until_ms)
                return
            movements.on_read(last_ms)
            if last_ms <= since_ms:
                # One moment has more rows than a page.
                return
            since_ms = last_ms
            has_weight = client.weight.compute_wait_s(REASONS_WEIGHT, now_s=trio.current_time()) <= 0

    def _log_unread(self, updates: FundUpdates) -> None:
        """Log rows that are not read: each type once, and the first error."""
        kinds = [*updates.unknown, *(["unreadable"] if updates.bad else [])]
        for kind, n in Counter(kinds).items():
            if kind not in self._unread and len(self._unread) < MOST_UNREAD:
                first = updates.bad[0] if kind == "unreadable" else "not known"
                _log.warning("movements of funds not read: type=%s rows=%d first=%s; unexplained", kind, n, first)
                self._unread.add(kind)

    def _check_end(self, fills: Iterable[Fill] = (), *, rows: Iterable[OpenOrder] = ()) -> None:
        """Check that the ledger has the orders of these rows. Errors: LedgerCut."""
        if (lost := self._state.find_lost_entries(fills, rows)) is not None:
            raise LedgerCut(describe_lost_entries(lost, self._state.market.coin))

    async def _settle_ends(self) -> None:
        """Ask for remaining sizes that no frame has reported.

        They are those of orders that we cancelled or replaced.
        """
        for left in self._state.order_state.get_unsettled()[:MOST_ENDS_ASKED]:
            await self._emitter.settle_end(left)

    async def _take_snapshot(self, look: Look) -> tuple[tuple[OpenOrder, ...], Findings]:
        state = self._state
        rows = await look.fetch_open_orders(state.market)
        asked_s = look.asked_s
        rivals = state.ownership.find_rivals(rows)
        # A ledger that lacks entries is shut down already, and what it knows has to be proven gone.
        if rivals and not state.history.is_cut:
            raise LedgerError(describe_rivals(rivals))
        self._check_rows(rows)
        findings = read_snapshot(
            [row for row in rows if row.coin == state.market.coin],
            state.order_state,
            asked_s=asked_s,
            ownership=state.ownership,
        )
        for intent, row in findings.arrived:
            state.apply_arrival(intent, row.oid, now_s=trio.current_time())
        for oid in findings.resting:
            state.order_state.on_seen_resting(oid, now_s=trio.current_time())
        return rows, findings

    def _check_rows(self, rows: Iterable[OpenOrder]) -> None:
        """Compare our open orders with what we sent.

        Errors: Contradiction where two snapshots in a row show another order under our oid or cloid.
        """
        misfits = {misfit for row in rows if (misfit := self._state.find_misfit(row)) is not None}
        again = misfits & self._misfits
        self._misfits = misfits
        for misfit in misfits - again:
            self._state.on_contradicted(misfit)
        if again:
            raise Contradiction(
                f"the venue's open orders contradict what we sent: {min(again)}; the maker can no longer tell what "
                "rests. Compare with the venue's web page, cancel what should not be there, and check with "
                "`mm-trio ledger audit`"
            )

    async def _ask_directly(self, first: Findings, second: Findings) -> _Proofs:
        missing = [oid for oid in first.missing if oid in second.missing][:MOST_ASKED]
        unseen = [intent for intent in first.unseen if intent in second.unseen][:MOST_ASKED]
        return _Proofs(
            tuple([(oid, await self._client.fetch_order_status(oid=oid)) for oid in missing]),
            tuple([(intent, await self._client.fetch_order_status(cloid=intent.cloid)) for intent in unseen]),
        )

    async def _ask_unknown_that_traded(self, proofs: _Proofs) -> _Proofs:
        """Match unknown cloids with unknown orders that traded since.

        An order matches if it traded at the price of the intent. The venue forgets orders, and rows of fills may come
        without a cloid. The fills have to be read before this call.
        """
        unseen = [
            (intent, status if status.order is not None else await self._ask_traded(intent, status))
            for intent, status in proofs.unseen
        ]
        return _Proofs(proofs.missing, tuple(unseen))

    async def _ask_traded(self, intent: Intent, status: OrderStatus) -> OrderStatus:
        since_ms = intent.expires_ms - int(1000 * (EXPIRY_S + EXPIRY_GRACE_S))
        for oid in self._state.order_state.find_parked(
            price=intent.quote.price, most=intent.quote.size, since_ms=since_ms
        ):
            reported = await self._client.fetch_order_status(oid=oid)
            if reported.order is None:
                _log.error(
                    "order forgotten by the venue: oid=%d traded at the price of an order in flight; "
                    "its level stays locked",
                    oid,
                )
                return OrderStatus(None, FORGOTTEN, live=False)
            if reported.order.cloid is not None and reported.order.cloid.lower() == intent.cloid:
                return reported
        return status

    def _apply_proofs(self, proofs: _Proofs) -> None:
        now_s = trio.current_time()
        for oid, status in proofs.missing:
            self._settle_missing(oid, status, now_s)
        for intent, status in proofs.unseen:
            self._settle_unseen(intent, status, now_s)

    def _settle_missing(self, oid: int, status: OrderStatus, now_s: float) -> None:
        orders = self._state.order_state
        order = orders.find(oid)
        # Its fills or a frame may have explained it meanwhile.
        if order is None or self._is_misfit(status):
            return
        if status.live:
            orders.on_seen_resting(oid, now_s=now_s)
            return
        if status.order is None and order.touched_s > now_s - self._state.unknown_oid_patience_s:
            # The venue may not know the order yet; until it does, the level stays locked.
            orders.on_doubt(oid, now_s=order.touched_s)
            return
        _log.warning("ghost: oid=%d side=%s level=%d status=%s", oid, order.side, order.level_index, status.status)
        self._state.manual_cancels.note_end(order, status.status, now_s=now_s)
        if status.order is not None:
            # A part that traded without a reported fill keeps the level locked.
            orders.on_status(oid, status.status, remaining=status.order.size, now_s=now_s)
        if all(due.oid != oid for due in orders.get_fills_due()):
            orders.remove_ghost(oid, now_s=now_s)

    def _is_misfit(self, status: OrderStatus) -> bool:
        """Return whether an answer contradicts our order: it settles nothing."""
        misfit = None if status.order is None else self._state.find_misfit(status.order)
        if misfit is not None:
            self._state.on_contradicted(misfit)
        return misfit is not None

    def _settle_unseen(self, intent: Intent, status: OrderStatus, now_s: float) -> None:
        orders = self._state.order_state
        if intent not in orders.get_intents():
            return
        if status.order is None:
            # The forgotten order may be this one, so its level stays locked.
            if status.status == FORGOTTEN:
                return
            if now_s >= intent.expires_s + EXPIRY_GRACE_S:
                _log.info("order never arrived: side=%s level=%d; its level is free again", *intent.quote.slot)
                orders.on_never_placed(intent.cloid, why=f"the venue knows no such order: {status.status}")
            return
        if self._is_misfit(status):
            return
        oid = status.order.oid
        self._state.apply_arrival(intent, oid, now_s=now_s)
        if not status.live:
            orders.on_status(oid, status.status, remaining=status.order.size, now_s=now_s)
