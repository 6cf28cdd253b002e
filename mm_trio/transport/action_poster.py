"""Poster of signed actions, on kept connections that the event loop reads and writes."""

from __future__ import annotations

from typing import Any

import h11
import trio

from mm_trio.transport.http_line import HttpLine
from mm_trio.transport.wire import WIRE_FAILURES, OpensWire, Route, open_wire
from mm_trio.venue.bounded_response import AnswerRefused, HttpAnswer
from mm_trio.venue.http_session import ANSWER_WITHIN_S, IDLE_AT_MOST_S, check_status
from mm_trio.venue.signer import SignedRequest

__all__ = ["ActionPoster"]

TARGET = "/exchange"
# Orders and cancels leave one after another, and the dead man's switch is moved on beside them.
MOST_KEPT = 2


class ActionPoster:
    """Poster of signed actions to one venue.

    An action that is cut off is of unknown outcome, and its connection is never used again. A connection that ended
    while it was idle is noticed before anything is sent on it, and replaced.
    """

    def __init__(
        self, route: Route, *, answer_within_s: float = ANSWER_WITHIN_S, open_wire: OpensWire = open_wire
    ) -> None:
        self._route = route
        self._answer_within_s = answer_within_s
        self._open_wire = open_wire
        # No encoding is asked for: a few bytes that are compressed can be gigabytes.
        self._headers = [
            ("Host", route.authority),
            ("Content-Type", "application/json"),
            ("Accept-Encoding", "identity"),
        ]
        self._kept: list[HttpLine] = []

    async def post_signed(self, signed: SignedRequest) -> Any:
        """Send signed bytes, for the first time or again.

        Returns None where the answer is not JSON. Errors: OSError where no whole answer came or it is refused; the
        SDK's for a status of 400 or above.
        """
        answer = await self._post(signed.body)
        check_status(answer)
        try:
            return answer.json()
        except ValueError:
            # The request was delivered, but the outcome is unknown.
            return None

    def close(self) -> None:
        """End the connections that are kept. One that is in use ends with its request."""
        while self._kept:
            self._kept.pop().close()

    async def _post(self, body: bytes) -> HttpAnswer:
        try:
            with trio.fail_after(self._answer_within_s):
                return await self._post_on(await self._take_line(), body)
        except trio.TooSlowError as error:
            raise TimeoutError(f"no whole answer in {self._answer_within_s:g} s") from error
        except OSError:
            raise
        except (*WIRE_FAILURES, h11.ProtocolError, AnswerRefused) as error:
            raise ConnectionError(str(error) or "the connection broke") from error

    async def _post_on(self, line: HttpLine, body: bytes) -> HttpAnswer:
        is_whole = False
        try:
            answer = await line.post(body)
            is_whole = line.begin_next()
        finally:
            # Also where the request was cut off: what is left of its answer must not be taken for that of another.
            if is_whole and len(self._kept) < MOST_KEPT:
                self._kept.append(line)
            else:
                line.close()
        return answer

    async def _take_line(self) -> HttpLine:
        while self._kept:
            line = self._kept.pop()
            if not line.is_stale(idle_at_most_s=IDLE_AT_MOST_S):
                return line
            line.close()
        return HttpLine(await self._open_wire(self._route), target=TARGET, headers=self._headers)
