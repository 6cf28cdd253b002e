"""Orders of coins that a ledger knows, and that are not quoted in this session.

A grid that was halted or taken out of the configuration may have left orders. No grid looks after them, so they are
cancelled, whatever is configured. Their fills are booked by the next session that quotes the coin.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import trio

from mm_trio.journal.replay import Recovered
from mm_trio.model.errors import LedgerError, NotMade, VenueError
from mm_trio.model.replies import Cancelled, OpenOrder
from mm_trio.quoting.send_plan import batches
from mm_trio.sending.order_desk import OrderDesk
from mm_trio.state.ownership import Owner, Ownership
from mm_trio.state.rate_limit import RateLimitBudget
from mm_trio.venue.rest_client import VenueClient

__all__ = ["AbsentCoins", "may_rest"]

_log = logging.getLogger(__name__)

# A few looks at a start, so that what is cancelled holds nothing of the grids' money any more.
TRIES, TRY_EVERY_S = 3, 0.5
# Orders that were in flight at the end of their session are here by the first pause, or never.
PAUSE_S, LONGEST_PAUSE_S = 15.0, 240.0


def may_rest(ledger: Recovered) -> bool:
    """Check if orders of a ledger that is not restarted may rest: what ended for certain cannot."""
    return bool(ledger.order_state.get_current_orders() or ledger.order_state.get_intents())


class AbsentCoins:
    """Owner of what rests of coins that are not quoted.

    `ledgers` are theirs, without those whose orders are proven to be gone; `desks` send their cancels. Both by coin.
    """

    def __init__(
        self,
        client: VenueClient,
        budget: RateLimitBudget,
        ledgers: dict[str, Recovered],
        desks: Mapping[str, OrderDesk],
    ) -> None:
        self._client = client
        self._budget = budget
        self._desks = desks
        self._ledgers = ledgers
        self._owners = {
            coin: Ownership(coin, keep_foreign=True, epochs=each.epochs, knows_all_sessions=True)
            for coin, each in self._ledgers.items()
        }
        # An order that was in flight may arrive after a look that does not show it.
        self._awaits_arrivals = any(each.order_state.get_intents() for each in self._ledgers.values())
        self._began_s = trio.current_time()
        # What the last look showed, None before the first one, and whether nothing can rest any more.
        self._seen: tuple[OpenOrder, ...] | None = None
        self._is_over = False

    @property
    def may_rest(self) -> bool:
        """Check if orders of such coins may rest or arrive."""
        return bool(self._ledgers)

    def describe_left(self) -> tuple[str, ...]:
        """Name what may rest, with its coins."""
        if self._is_over or not self.may_rest:
            return ()
        if self._seen:
            return tuple(f"{row.coin}: oid {row.oid}" for row in self._seen)
        return tuple(f"{coin}: orders of an earlier session: not checked yet" for coin in self._ledgers)

    def leave(self, coin: str) -> None:
        """Cancel nothing of a coin any more; its own grid looks after its orders."""
        self._ledgers.pop(coin, None)

    async def clear(self) -> bool:
        """Cancel what rests; return whether a look shows that nothing does. Errors: VenueError."""
        if not self.may_rest:
            return True
        for _ in range(TRIES):
            if not (rows := await self._find_ours()):
                return True
            await self._cancel(rows)
            await trio.sleep(TRY_EVERY_S)
        if not (rows := await self._find_ours()):
            return True
        names = ", ".join(f"{row.coin} oid {row.oid}" for row in rows)
        _log.error("orders of coins that are not quoted may rest: %s; they are cancelled again", names)
        return False

    async def clear_in_time(self) -> None:
        """Cancel what arrives late, or could not be cancelled, until a look shows that nothing rests."""
        pause_s = PAUSE_S
        while True:
            await trio.sleep(pause_s)
            try:
                if await self.clear():
                    self._ledgers.clear()
                    return
            except VenueError as error:
                _log.warning("orders of coins that are not quoted not read: error=%s retry_s=%g", error, pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _find_ours(self) -> list[OpenOrder]:
        answer = await self._client.fetch_open_order_rows()
        found = [row for row in answer.rows if row.coin in self._ledgers and self._is_ours(row)]
        is_late = trio.current_time() >= self._began_s + PAUSE_S
        self._seen, self._is_over = tuple(found), not found and (is_late or not self._awaits_arrivals)
        return found

    def _is_ours(self, row: OpenOrder) -> bool:
        return self._owners[row.coin].classify(row) is Owner.OURS or self._ledgers[row.coin].order_state.is_known(
            row.oid
        )

    async def _cancel(self, rows: Sequence[OpenOrder]) -> None:
        for coin in sorted({row.coin for row in rows}):
            oids = [row.oid for row in rows if row.coin == coin]
            n_cancelled = 0
            for some in batches(oids):
                try:
                    answers = await self._desks[coin].send_cancels(some)
                except (LedgerError, NotMade) as error:
                    _log.error("orders not cancelled: coin=%s orders=%d error=%s", coin, len(some), error)
                    continue
                self._budget.on_request(len(answers))
                n_cancelled += sum(isinstance(answer, Cancelled) for answer in answers)
            _log.warning(
                "orders of a coin that is not quoted: coin=%s orders=%d cancelled=%d; its grid is halted, or not "
                "configured any more",
                coin,
                len(oids),
                n_cancelled,
            )
