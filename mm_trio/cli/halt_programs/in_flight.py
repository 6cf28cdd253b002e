"""Orders in flight of a maker that is dead or hangs: their nonces are used up, so that none can still arrive.

Its journal names them, because every action is written ahead, or says that it may lack some. It is read and never
changed, whatever state it is in.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import trio

from mm_trio.concurrency.blocking_calls import RunSync
from mm_trio.journal.data_dir import ACCOUNT_NAME
from mm_trio.journal.replay import replay
from mm_trio.journal.sqlite_journal import JOURNAL_NAME, Journal
from mm_trio.model.errors import JournalError
from mm_trio.model.orders import Intent
from mm_trio.sending.batch_emitter import EXPIRY_S
from mm_trio.venue.order_gateway import Burnt, OrderGateway

__all__ = ["InFlight", "burn_places", "read_in_flight"]

_log = logging.getLogger(__name__)

JOURNAL_WITHIN_S = 4.0
BURN_WITHIN_S = 7.0


@dataclass(frozen=True, slots=True)
class InFlight:
    """What a journal says of actions without an answer, of orders that rested, and of its maker's highest nonce.

    `lacks_orders`: others may be on their way, because they may leave before their entries.
    """

    intents: tuple[Intent, ...]
    resting: tuple[int, ...]
    last_nonce: int
    lacks_orders: bool = False


async def read_in_flight(
    folder: Path, *, order_size: Decimal, wall_ms: int, run_sync: RunSync = trio.to_thread.run_sync
) -> InFlight | str:
    """Read what is in flight; return why not where the journal cannot be read in time."""
    now_s = trio.current_time()

    def read() -> InFlight:
        if (folder.parent / ACCOUNT_NAME / JOURNAL_NAME).exists():
            # A file in the coin's own folder is of an earlier time, and knows nothing of what is in flight now.
            raise JournalError(f"the account's grids have one together, in {folder.parent / ACCOUNT_NAME}")
        with closing(Journal.open_to_read(folder)) as journal:
            entries = (row.entry for row in journal.read())
            found = replay(entries, order_size=order_size, now_s=now_s, wall_ms=wall_ms)
            orders = found.order_state
            resting = tuple(order.oid for order in orders.get_current_orders())
            return InFlight(orders.get_intents(), resting, found.last_nonce, lacks_orders=bool(found.reserved))

    with trio.move_on_after(JOURNAL_WITHIN_S):
        try:
            found: InFlight = await run_sync(read, abandon_on_cancel=True)
            return found
        except Exception as error:  # noqa: BLE001 - whatever is wrong with the file must not stop the cancels
            return str(error) or type(error).__name__
    return f"it was not read in {JOURNAL_WITHIN_S:g} s"


async def burn_places(gateway: OrderGateway, intents: Iterable[Intent]) -> bool:
    """Use up the nonces of orders that may still arrive; return whether none can any more."""
    began_s = trio.current_time()
    living = [intent for intent in intents if intent.expires_s > began_s]
    is_over = all(intent.nonce is not None for intent in living)
    for nonce in sorted({intent.nonce for intent in living if intent.nonce is not None}):
        if trio.current_time() > began_s + BURN_WITHIN_S:
            return False
        burnt = await gateway.burn_nonce(nonce, expires_ms=gateway.compute_cancel_expiry_ms(EXPIRY_S))
        _log.info("order in flight: nonce=%d %s", nonce, burnt.value)
        is_over = is_over and burnt is not Burnt.UNKNOWN
    return is_over
