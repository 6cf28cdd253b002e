"""What an account has once, however many grids it quotes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import trio

from mm_trio.grids.schedule import ReconcileSchedule
from mm_trio.grids.shared_look import SharedAnswers
from mm_trio.grids.stops import Stops
from mm_trio.guard.dead_man import DeadMan
from mm_trio.guard.life_signs import LifeSigns
from mm_trio.journal.writer import JournalWriter
from mm_trio.model.errors import ActionsRefused
from mm_trio.quoting.placing_gate import PlacingGate
from mm_trio.state.rate_limit import RateLimitBudget
from mm_trio.venue.order_gateway import OrderGateway
from mm_trio.venue.rest_client import VenueClient
from mm_trio.witness.key_life import KeyLife

__all__ = ["REGULAR_WEIGHT", "URGENT_WEIGHT", "Account"]

_log = logging.getLogger(__name__)

# Request weight that must be available before a reconciliation. One costs 62 to 82, and more with doubts. Regular ones
# leave enough for one or two after a lost feed. Both leave what is kept for the shutdown.
REGULAR_WEIGHT, URGENT_WEIGHT = 200, 82


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Questions, actions, journal, budget and gate of one account.

    The gate is passed before every place. `wall_ms` is our estimate of the venue's time. `stops` are what an operator
    or a limit asked for all grids; those of the grid itself where there is but one. `answers` are shared by the grids
    that ask at the same time. `key_life` None: nobody watches over the end of the key. `signs` and `dead_man` None: no
    guard, or not the venue, cancels when this process is dead.
    """

    client: VenueClient
    answers: SharedAnswers
    writer: JournalWriter
    gate: PlacingGate
    gateway: OrderGateway
    budget: RateLimitBudget
    stops: Stops
    reconciling: ReconcileSchedule
    wall_ms: Callable[[], int]
    key_life: KeyLife | None = None
    signs: LifeSigns | None = None
    dead_man: DeadMan | None = None

    def halt_if_refused(self) -> None:
        """End a session whose actions are refused for ever.

        Errors: ActionsRefused.
        """
        if (why := self.client.clock.find_halt()) is not None:
            raise ActionsRefused(why)
        if (why := self.gateway.signer.find_halt()) is not None:
            _log.error("actions refused for ever: reason=%s", why)
            raise ActionsRefused(why)

    async def wait_for_weight(self, weight: int) -> None:
        """Wait until this address has so much request weight left.

        Ticks go on meanwhile.
        """
        wanted = self.reconciling.weight.compute(weight)
        wait_s = self.client.weight.compute_wait_s(wanted, now_s=trio.current_time())
        if wait_s > 0:
            _log.info("reconciliation delayed: wait_s=%.1f; IP request weight exhausted", wait_s)
            await trio.sleep(wait_s)
