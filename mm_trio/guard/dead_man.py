"""The venue's own dead man's switch: it cancels all orders of the account unless it is told to wait.

Source: docs *Exchange endpoint* (schedule cancel). The venue offers it above a million of volume.
"""

from __future__ import annotations

import logging
from decimal import Decimal
from typing import Never

import trio

from mm_trio.model.replies import Cancelled, Refused, Unknown
from mm_trio.state.rate_limit import RateLimitBudget
from mm_trio.venue.order_gateway import OrderGateway

__all__ = ["DeadMan"]

_log = logging.getLogger(__name__)

ARM_EVERY_S, WAITS_S = 20.0, 60.0
ASK_AGAIN_S = 3_600.0
LEAST_VOLUME = Decimal(1_000_000)
# The action may arrive late, and a late one moves the moment further away.
EXPIRY_S = 10.0
# The gateway's own words begin so.
NOT_SENT = "not sent"


class DeadMan:
    """Switch of one account. `is_armed`: the venue may have a moment set."""

    def __init__(self, gateway: OrderGateway, budget: RateLimitBudget) -> None:
        self._gateway = gateway
        self._budget = budget
        self._told: str | None = None
        self.is_armed = False

    async def keep_forever(self) -> Never:
        """Move the moment on while the maker lives.

        Where the venue does not offer it, that is told once and tried again each hour.
        """
        _log.warning(
            "dead man's switch: dead_man=venue; the venue cancels ALL orders of this account, those of other coins and "
            "programs too, where this maker is silent for %g s",
            WAITS_S,
        )
        while True:
            refusal = await self._arm()
            if refusal is not None and refusal != self._told:
                _log.warning("dead man's switch not armed: reason=%s; it is tried again, each hour", refusal)
            elif refusal is None and self._told is not None:
                _log.info("dead man's switch armed: wait_s=%g", WAITS_S)
            self._told = refusal
            is_short = refusal is None or refusal.startswith(NOT_SENT)
            await trio.sleep(ARM_EVERY_S if is_short else ASK_AGAIN_S)

    async def _arm(self) -> str | None:
        """Set the moment; return why the venue does not, None where it may have done so."""
        if self._budget.cum_vlm < LEAST_VOLUME:
            return f"the account's volume is below {LEAST_VOLUME:f}, from which the venue offers it"
        was_armed, self.is_armed = self.is_armed, True
        refusal = await self._send(self._gateway.compute_cancel_expiry_ms(WAITS_S))
        # A refusal leaves a moment that was set before.
        self.is_armed = was_armed or refusal is None
        return refusal

    async def disarm(self) -> None:
        """Take the moment back, after it was verified that nothing rests."""
        if not self.is_armed:
            return
        if (refusal := await self._send(None)) is None:
            self.is_armed = False
        else:
            _log.warning("dead man's switch not taken back: reason=%s; it cancels within %g s", refusal, WAITS_S)

    async def _send(self, moment_ms: int | None) -> str | None:
        self._budget.on_request(1)
        expires_ms = self._gateway.compute_cancel_expiry_ms(EXPIRY_S)
        answer = await self._gateway.schedule_cancel(moment_ms, expires_ms=expires_ms)
        if isinstance(answer, Cancelled):
            return None
        if isinstance(answer, Refused):
            return answer.text
        return answer.says if isinstance(answer, Unknown) else None
