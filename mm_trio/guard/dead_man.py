"""The venue's own dead man's switch: it cancels all orders of the account unless it is told to wait.

Source: docs *Exchange endpoint* (schedule cancel). The venue offers it above a million of volume.
"""

from __future__ import annotations

import logging
from decimal import Decimal
from typing import Never

import trio

from mm_trio.model.replies import Answer, Refused, Unknown
from mm_trio.state.rate_limit import RateLimitBudget
from mm_trio.venue.order_gateway import OrderGateway

__all__ = ["DeadMan"]

_log = logging.getLogger(__name__)

ARM_EVERY_S, WAITS_S = 20.0, 60.0
ASK_AGAIN_S = 3_600.0
# While a moment is set, which the venue acts on unless it is moved on or taken back.
MOVE_AGAIN_S, TAKE_BACK_AGAIN_S = 5.0, 1.0
LEAST_VOLUME = Decimal(1_000_000)
# The action may arrive late, and a late one moves the moment further away.
EXPIRY_S = 10.0
# The gateway's own words begin so.
NOT_SENT = "not sent"


class DeadMan:
    """Switch of one account."""

    def __init__(self, gateway: OrderGateway, budget: RateLimitBudget) -> None:
        self._gateway = gateway
        self._budget = budget
        self._told: tuple[bool, str] | None = None
        # By the loop's clock, when the moment that the venue may have has passed.
        self._passed_s = float("-inf")

    @property
    def is_armed(self) -> bool:
        """Say whether the venue may have a moment set."""
        return trio.current_time() < self._passed_s

    async def keep_forever(self) -> Never:
        """Move the moment on while the maker lives.

        Where the venue does not offer it, that is told once and tried again each hour. While a moment is set, a
        failure is tried again within seconds: the venue would cancel the orders of a maker that lives.
        """
        _log.warning(
            "dead man's switch: wait_s=%g; the venue cancels ALL orders of this account, those of other coins and "
            "programs too, where this maker is silent for so long",
            WAITS_S,
        )
        while True:
            failure = await self._arm()
            pause_s = self._find_pause_s(failure)
            self._tell(failure, pause_s=pause_s)
            await trio.sleep(pause_s)

    def _find_pause_s(self, failure: str | None) -> float:
        if failure is None:
            return ARM_EVERY_S
        if self.is_armed:
            return MOVE_AGAIN_S
        return ARM_EVERY_S if failure.startswith(NOT_SENT) else ASK_AGAIN_S

    def _tell(self, failure: str | None, *, pause_s: float) -> None:
        news = None if failure is None else (self.is_armed, failure)
        if news == self._told:
            return
        self._told = news
        if failure is None:
            _log.info("dead man's switch armed: wait_s=%g", WAITS_S)
        elif self.is_armed:
            _log.warning(
                "dead man's switch not moved on: reason=%s; it is tried again in %g s, else the venue cancels in "
                "%.0f s",
                failure,
                pause_s,
                # At the earliest.
                max(0.0, self._passed_s - EXPIRY_S - trio.current_time()),
            )
        else:
            _log.warning("dead man's switch not armed: reason=%s; it is tried again in %g s", failure, pause_s)

    async def _arm(self) -> str | None:
        """Set the moment; return what failed, if anything."""
        if self._budget.cum_vlm < LEAST_VOLUME:
            return f"the account's volume is below {LEAST_VOLUME:f}, from which the venue offers it"
        earlier_s = self._passed_s
        # Our clock may be so far from the venue's.
        self._passed_s = trio.current_time() + WAITS_S + EXPIRY_S
        answer = await self._send(self._gateway.compute_cancel_expiry_ms(WAITS_S))
        if _find_refusal(answer) is not None:
            # A refusal leaves a moment that was set before.
            self._passed_s = earlier_s
        return _find_failure(answer)

    async def disarm(self) -> None:
        """Take the moment back, after it was verified that nothing rests.

        It is tried until the venue says that it did, for as long as the shutdown lasts.
        """
        while self.is_armed:
            if (failure := _find_failure(await self._send(None))) is None:
                self._passed_s = float("-inf")
                return
            if trio.current_time() + TAKE_BACK_AGAIN_S >= self._gateway.done_by_s:
                _log.warning(
                    "dead man's switch not taken back: reason=%s; the venue cancels ALL orders of this account within "
                    "%.0f s, place none before",
                    failure,
                    max(0.0, self._passed_s - trio.current_time()),
                )
                return
            await trio.sleep(TAKE_BACK_AGAIN_S)

    async def _send(self, moment_ms: int | None) -> Answer:
        self._budget.on_request(1)
        expires_ms = self._gateway.compute_cancel_expiry_ms(EXPIRY_S)
        return await self._gateway.schedule_cancel(moment_ms, expires_ms=expires_ms)


def _find_refusal(answer: Answer) -> str | None:
    """Find why the venue did not do it; None where it may have done so."""
    if isinstance(answer, Refused):
        return answer.text
    return answer.says if isinstance(answer, Unknown) else None


def _find_failure(answer: Answer) -> str | None:
    """Find why it is not certain that the venue did it."""
    if isinstance(answer, Unknown):
        return answer.says or answer.why
    return _find_refusal(answer)
