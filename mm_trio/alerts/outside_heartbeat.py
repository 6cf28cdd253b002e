"""Heartbeat for a service outside, which raises an alarm where it stays away.

The address is asked for while the maker ticks, or is stopped on purpose. Only such a service notices that a whole
machine is gone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Never

import trio

from mm_trio.alerts.library_logs import keeping_library_logs
from mm_trio.concurrency.blocking_calls import NoFreeThread, RunSync
from mm_trio.concurrency.thread_pools import ThreadPool
from mm_trio.config.redaction import HiddenUrl

__all__ = ["OutsideHeartbeat", "ask_for"]

_log = logging.getLogger(__name__)

CONNECT_WITHIN_S, ANSWER_WITHIN_S = 2.0, 5.0
BEAT_WITHIN_S = 10.0
# For the next sign.
LOOK_EVERY_S = 1.0


class OutsideHeartbeat:
    """Heartbeat of one maker.

    `count_signs` counts its signs of life until now: where there is no new one, there is no beat.
    """

    def __init__(
        self,
        url: HiddenUrl,
        *,
        every_s: float,
        count_signs: Callable[[], int],
        ask: Callable[[HiddenUrl], str | None] | None = None,
        run_sync: RunSync | None = None,
    ) -> None:
        self._url, self._every_s, self._count_signs = url, every_s, count_signs
        self._ask = ask or ask_for
        self._run_sync: RunSync = run_sync or ThreadPool("the heartbeat outside", 1)
        self._fault: str | None = None
        self.n_sent = 0

    async def beat_forever(self) -> Never:
        """Ask for the address each period that had a sign of life."""
        n_before = 0
        while True:
            n_signs = self._count_signs()
            if n_signs == n_before:
                await trio.sleep(LOOK_EVERY_S)
                continue
            n_before = n_signs
            self._note(await self._beat())
            await trio.sleep(self._every_s)

    async def _beat(self) -> str | None:
        with trio.move_on_after(BEAT_WITHIN_S):
            try:
                return await self._run_sync(self._ask, self._url, abandon_on_cancel=True)
            except NoFreeThread:
                return "an earlier one hangs"
        return f"it took more than {BEAT_WITHIN_S:g} s"

    def _note(self, fault: str | None) -> None:
        """Tell a failure once, and that it is over."""
        self.n_sent += fault is None
        if fault is not None and self._fault is None:
            _log.warning("heartbeat not sent: url=%s reason=%s; its service will raise an alarm", self._url, fault)
        elif fault is None and self._fault is not None:
            _log.info("heartbeat sent again: url=%s", self._url)
        self._fault = fault


def ask_for(url: HiddenUrl) -> str | None:
    """Ask for an address, and return why it was not answered well; None where it was. Blocks for seconds at most."""
    import requests

    try:
        # Its body is not read: it could have any length.
        with (
            keeping_library_logs(),
            requests.get(url.reveal(), timeout=(CONNECT_WITHIN_S, ANSWER_WITHIN_S), stream=True) as answer,
        ):
            return None if answer.ok else f"the service answered HTTP {answer.status_code}"
    except requests.Timeout:
        return "no answer in time"
    except (requests.RequestException, OSError, ValueError) as error:
        # Its text has the address in it.
        return f"the connection failed ({type(error).__name__})"
