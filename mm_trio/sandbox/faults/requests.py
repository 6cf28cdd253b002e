"""Faults of requests and of their answers.

A layer around the HTTP handler: without a fault it passes the handler's answer on. It only decides; the server waits,
hangs or closes the connection.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from mm_trio.sandbox.api.gateway import Gateway
from mm_trio.sandbox.api.http_handler import Answer, HttpHandler
from mm_trio.sandbox.clock import Clock
from mm_trio.sandbox.faults.dice import FaultDice, Strike
from mm_trio.sandbox.faults.kinds import FaultKind
from mm_trio.sandbox.faults.untruths import MAY_BE_LATE_MS, fill_at_once

__all__ = ["STALE_EVERY_S", "Delivery", "RequestFaults", "garble_answer"]

_log = logging.getLogger(__name__)

# Time between two copies of the exchange; a stale read is one to two of these intervals old.
STALE_EVERY_S = 3.0

_HTML = b"text/html"
_GATEWAY = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1>"
_GATEWAY += b"</center>\r\n</body>\r\n</html>\r\n"
BAD_GATEWAY = Answer(502, _GATEWAY, _HTML)
RATE_LIMITED = Answer(429, b"null")
READ_FAILED = Answer(500, b"null")

Run = Callable[[HttpHandler], Answer]


@dataclass(frozen=True, slots=True)
class Delivery:
    """Instruction to the server: how to answer a request.

    Without an `answer` the server closes the connection or, if `hangs`, keeps it open and silent.
    """

    answer: Answer | None
    after_s: float = 0.0
    hangs: bool = False


_CUT = Delivery(None)


class RequestFaults:
    """Injects at most one fault into each request.

    Requests are those of `/exchange` and `/info`.
    """

    def __init__(
        self,
        dice: FaultDice,
        clock: Clock,
        *,
        gateway: Gateway,
        handler: HttpHandler,
        make_handler: Callable[[Gateway], HttpHandler],
    ) -> None:
        self._dice = dice
        self._clock = clock
        self._gateway = gateway
        self._handler = handler
        self._make_handler = make_handler
        # At most two copies, the older one first.
        self._copies: list[tuple[float, HttpHandler]] = []
        # The gateway of the newer copy.
        self._frozen: Gateway | None = None
        # Young rows of fill histories, and until when each is not listed.
        self._listed_from_ms: dict[tuple[int, int], float] = {}

    def answer(self, path: str, body: bytes, run: Run) -> Delivery:
        """Answer a request, subject to faults.

        `run` sends the request to the handler that it is given.
        """
        if path == "/exchange":
            return self._answer_write(body, run)
        if path == "/info":
            return self._answer_read(body, run)
        return Delivery(run(self._handler))

    def on_clock(self) -> None:
        """Keep copies of the exchange while stale reads may happen.

        Call it about every second.
        """
        if not self._dice.may_strike(FaultKind.READ_STALE):
            self._copies.clear()
            self._frozen = None
        elif not self._copies or self._clock.now_s() - self._copies[-1][0] >= STALE_EVERY_S:
            self._frozen = self._gateway.freeze(self._frozen)
            self._copies = [*self._copies[-1:], (self._clock.now_s(), self._make_handler(self._frozen))]

    # --- Writes ---------------------------------------------------------------------------------

    def _answer_write(self, body: bytes, run: Run) -> Delivery:
        before = self._draw_first(body, _BEFORE_WRITE)
        if before is not None:
            if before.kind is FaultKind.LATE_EXECUTION:
                self._clock.call_in(before.delay_s, lambda: self._run_late(body, run))
            return _BEFORE_WRITE[before.kind]
        answer = run(self._handler)
        if answer.status != 200:
            return Delivery(answer)  # The action did not run.
        return self._disturb_answer(body, self._fill_at_once(body, answer))

    def _fill_at_once(self, body: bytes, answer: Answer) -> Answer:
        """Let an order that rests trade before its answer is sent."""
        kind = FaultKind.FILLED_AT_ONCE
        if b'"resting"' not in answer.body:
            return answer
        strike = self._dice.draw(kind, now_s=self._clock.now_s())
        if strike is None:
            return answer
        document = json.loads(answer.body)
        if not fill_at_once(self._gateway, document, self._dice.rng):
            self._dice.take_back(strike)
            return answer
        self._count(kind, body)
        return replace(answer, body=json.dumps(document, separators=(",", ":")).encode())

    def _disturb_answer(self, body: bytes, answer: Answer) -> Delivery:
        """Inject a fault into an action's answer."""
        possible = [kind for kind in _AFTER_WRITE if self._dice.may_strike(kind)]
        n_statuses = len(_find_statuses(answer.body)) if FaultKind.ANSWER_TRUNCATED in possible else 0
        for kind in possible:
            if kind is FaultKind.ANSWER_TRUNCATED and not n_statuses:
                continue
            if kind is FaultKind.ERROR_BUT_APPLIED and not answer.body.startswith(b'{"status":"ok"'):
                continue
            strike = self._strikes(kind, body)
            if strike is None:
                continue
            match kind:
                case FaultKind.ANSWER_HUNG:
                    return Delivery(None, hangs=True)
                case FaultKind.ANSWER_DELAYED:
                    return Delivery(answer, after_s=strike.delay_s)
                case FaultKind.ANSWER_GARBLED:
                    return Delivery(garble_answer(answer, self._dice.rng))
                case FaultKind.ANSWER_TRUNCATED:
                    return Delivery(_truncate(answer, self._dice.rng.randrange(n_statuses)))
                case FaultKind.ERROR_BUT_APPLIED:
                    return Delivery(BAD_GATEWAY)
                case _:
                    return _CUT
        return Delivery(answer)

    def _run_late(self, body: bytes, run: Run) -> None:
        """Run a delayed action; its answer goes to nobody.

        Expiry, nonce and balances are checked only now.
        """
        answer = run(self._handler)
        text = answer.body[:120].decode(errors="replace")
        _log.info("late action ran: request=%r answer=%s", _describe(body), text)

    # --- Reads ----------------------------------------------------------------------------------

    def _answer_read(self, body: bytes, run: Run) -> Delivery:
        before = self._draw_first(body, _BEFORE_READ)
        if before is not None:
            return _BEFORE_READ[before.kind]
        answer = run(self._handler)
        if answer.status != 200:
            return Delivery(answer)
        may_be_late = self._listed_from_ms or self._dice.may_strike(FaultKind.HISTORY_LATE)
        if may_be_late and b'"userFills' in body:
            answer = self._list_late(body, answer)
        stale = self._find_stale(run)
        is_full_list = answer.body[:1] == b"[" and answer.body != b"[]"
        if is_full_list and self._strikes(FaultKind.READ_EMPTY, body):
            return Delivery(replace(answer, body=b"[]"))
        if stale is not None and stale.body != answer.body and self._strikes(FaultKind.READ_STALE, body):
            return Delivery(stale)
        may_forget = self._dice.may_strike(FaultKind.STATUS_FORGOTTEN)
        if may_forget and _is_ended_order_status(body, answer.body) and self._strikes(FaultKind.STATUS_FORGOTTEN, body):
            return Delivery(replace(answer, body=b'{"status":"unknownOid"}'))
        return Delivery(answer)

    def _find_stale(self, run: Run) -> Answer | None:
        """Return the answer that was right some seconds ago."""
        old = [handler for taken_s, handler in self._copies if self._clock.now_s() - taken_s >= STALE_EVERY_S]
        if not old:
            return None
        answer = run(old[-1])
        return answer if answer.status == 200 else None

    def _list_late(self, body: bytes, answer: Answer) -> Answer:
        """Leave out the rows of fills that are not listed yet."""
        rows, now_ms = json.loads(answer.body), self._gateway.now_ms()
        old = [key for key, from_ms in self._listed_from_ms.items() if from_ms < now_ms - MAY_BE_LATE_MS]
        for key in old:
            del self._listed_from_ms[key]
        listed = [row for row in rows if self._is_listed(row, now_ms, body)]
        if len(listed) == len(rows):
            return answer
        return replace(answer, body=json.dumps(listed, separators=(",", ":")).encode())

    def _is_listed(self, row: dict[str, Any], now_ms: int, body: bytes) -> bool:
        key, kind = (row["tid"], row["oid"]), FaultKind.HISTORY_LATE
        if now_ms - row["time"] > MAY_BE_LATE_MS:
            return True
        if key not in self._listed_from_ms:
            strike = self._dice.draw(kind, now_s=self._clock.now_s())
            self._listed_from_ms[key] = row["time"] + (1000 * strike.delay_s if strike else 0)
            if strike and self._listed_from_ms[key] > now_ms:
                self._count(kind, body)
            elif strike:
                self._dice.take_back(strike)
        return self._listed_from_ms[key] <= now_ms

    # --- Dice -----------------------------------------------------------------------------------

    def _draw_first(self, body: bytes, deliveries: dict[FaultKind, Delivery]) -> Strike | None:
        """Return the first strike among these kinds, in their order."""
        return next((strike for kind in deliveries if (strike := self._strikes(kind, body))), None)

    def _strikes(self, kind: FaultKind, body: bytes) -> Strike | None:
        strike = self._dice.draw(kind, now_s=self._clock.now_s())
        if strike is not None:
            self._count(kind, body)
        return strike

    def _count(self, kind: FaultKind, body: bytes) -> None:
        self._dice.count(kind)
        _log.info("fault struck: kind=%s request=%r", kind.value, _describe(body))


_BEFORE_WRITE = {
    FaultKind.REQUEST_LOST: _CUT,
    FaultKind.RATE_LIMITED: Delivery(RATE_LIMITED),
    FaultKind.BAD_GATEWAY: Delivery(BAD_GATEWAY),
    FaultKind.LATE_EXECUTION: _CUT,
}
_BEFORE_READ = {
    FaultKind.RATE_LIMITED: Delivery(RATE_LIMITED),
    FaultKind.BAD_GATEWAY: Delivery(BAD_GATEWAY),
    FaultKind.READ_FAILED: Delivery(READ_FAILED),
}
_AFTER_WRITE = (
    FaultKind.ANSWER_LOST,
    FaultKind.ANSWER_HUNG,
    FaultKind.ANSWER_DELAYED,
    FaultKind.ANSWER_GARBLED,
    FaultKind.ANSWER_TRUNCATED,
    FaultKind.ERROR_BUT_APPLIED,
)


def garble_answer(answer: Answer, rng: Random) -> Answer:
    """Return an invalid 200, never the answer itself.

    It is cut off, of another shape, or not JSON.
    """
    choices = (
        Answer(200, answer.body[: len(answer.body) // 2], answer.content_type),
        Answer(200, b"<html><body>maintenance</body></html>", _HTML),
        Answer(200, b""),
        Answer(200, b"null"),
        Answer(200, b"{}"),
        Answer(200, b'{"status":"ok"}'),
        Answer(200, b'{"status":"ok","response":{"type":"order","data":{"statuses":"resting"}}}'),
        Answer(200, b'{"status":"ok","response":{"type":"order","data":{"statuses":[{"rested":{}},7]}}}'),
        Answer(200, b'{"status":"perhaps","response":null}'),
    )
    return rng.choice([choice for choice in choices if choice.body != answer.body])


def _truncate(answer: Answer, n_kept: int) -> Answer:
    document = json.loads(answer.body)
    statuses = document["response"]["data"]["statuses"]
    document["response"]["data"]["statuses"] = statuses[:n_kept]
    return replace(answer, body=json.dumps(document, separators=(",", ":")).encode())


def _find_statuses(body: bytes) -> list[Any]:
    """Return the statuses in an action's answer; empty if none."""
    document = json.loads(body)
    response = document.get("response") if isinstance(document, dict) else None
    data = response.get("data") if isinstance(response, dict) else None
    return list(data["statuses"]) if isinstance(data, dict) and isinstance(data.get("statuses"), list) else []


def _is_ended_order_status(body: bytes, answer: bytes) -> bool:
    """Return True if `orderStatus` found an order that has ended."""
    if b'"orderStatus"' not in body:
        return False
    document = json.loads(answer)
    if not isinstance(document, dict) or document.get("status") != "order":
        return False
    return bool(document["order"]["status"] != "open")


def _describe(body: bytes) -> str:
    """Describe a request in a few words, for the log."""
    try:
        document = json.loads(body)
        action = document.get("action", document)
        items = next((len(value) for value in action.values() if isinstance(value, list)), 1)
        return f"{action.get('type')} x{items}"
    except (ValueError, TypeError, AttributeError, RecursionError):
        return "unreadable body"
