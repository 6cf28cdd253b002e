"""Control room of the sandbox: an API at `/sandbox/...`.

It shares the sandbox's port; a caller needs the token that the sandbox printed, except to ask which exchange this is.
It shows the true state and changes what no client of the venue could. JSON in, JSON out; an error is an object with one
key, `error`.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from hmac import compare_digest
from typing import Any

from mm_trio.sandbox.api.gateway import Gateway
from mm_trio.sandbox.api.http_handler import Answer
from mm_trio.sandbox.clock import Clock, SteppedClock
from mm_trio.sandbox.faults.hub import FaultHub
from mm_trio.sandbox.faults.plan import parse_kind, parse_rules
from mm_trio.sandbox.model.commands import (
    Answered,
    Deposit,
    Filled,
    HoldElsewhere,
    ItemError,
    NewOrder,
    PlaceOrders,
    Refused,
    Resting,
    Withdraw,
)
from mm_trio.sandbox.model.markets import Pair, Token
from mm_trio.sandbox.server.control_state import describe_state, format_decimal

__all__ = ["ControlRoom"]

MAX_STRIKES = 1000  # Per request.
INSTANCE_PATH = "/sandbox/instance"

Json = dict[str, Any]


class _Rejected(Exception):
    """Raised to refuse a request with status and text."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlRoom:
    """Answers control requests for one sandbox.

    `pairs`: the pairs that `/sandbox/state` shows. `taker`: the default account of `/sandbox/take`. `save_history`
    writes the record of the run and returns its path; None if nothing is recorded. `instance` is the name of this one
    exchange: accounts and ports are the same at every start, and what a client remembers of another one is wrong here.
    """

    gateway: Gateway
    clock: Clock
    faults: FaultHub
    token: str = field(repr=False)
    pairs: Sequence[Pair]
    taker: str
    save_history: Callable[[], str] | None = None
    instance: str = field(default_factory=lambda: secrets.token_hex(8))

    def answer(self, method: str, path: str, authorization: str, body: bytes) -> Answer:
        """Answer one request.

        Statuses: 403 without the token, 404 for an unknown path, 405 for a wrong method, 400 for a body that is not a
        JSON object, 422 for a wrong value, 409 if this sandbox was started without the needed option, 500 if the
        record cannot be written.
        """
        try:
            return _encode(200, self._serve(method, path, authorization, body))
        except _Rejected as rejected:
            return _encode(rejected.status, {"error": str(rejected)})

    def _serve(self, method: str, path: str, authorization: str, body: bytes) -> Json:
        if path == INSTANCE_PATH and method == "GET":
            # A maker has no token, and asks before it opens its ledger.
            return {"instance": self.instance}
        if not compare_digest(authorization.encode(), f"Bearer {self.token}".encode()):
            raise _Rejected(
                403,
                "missing or wrong token; send the header 'Authorization: Bearer TOKEN' with the token that the sandbox "
                "printed",
            )
        routes: Mapping[str, tuple[str, Callable[[Json], Json]]] = {
            "/sandbox/state": ("GET", self._answer_state),
            "/sandbox/faults": ("POST", self._change_faults),
            "/sandbox/fund": ("POST", self._fund),
            "/sandbox/hold": ("POST", self._hold),
            "/sandbox/step": ("POST", self._step),
            "/sandbox/take": ("POST", self._take),
            "/sandbox/history": ("POST", self._save_history),
        }
        if path not in routes:
            raise _Rejected(404, f"unknown path {path}; expected one of {', '.join(routes)}")
        wanted, serve = routes[path]
        if method != wanted:
            raise _Rejected(405, f"{path} needs the method {wanted}, got {method}")
        return serve(_parse_body(body) if method == "POST" else {})

    # --- Routes ---------------------------------------------------------------------------------

    def _answer_state(self, _request: Json) -> Json:
        return describe_state(self.gateway, self.clock, self.faults, self.pairs)

    def _change_faults(self, request: Json) -> Json:
        """Add fault rates and rules, or strike now.

        Keys: `rates` ({kind: rate}, also "all"), `rules` (as in a plan file), `strike` (a kind, with `count` and the
        parameters `delay_s`, `for_s` and `amount`).
        """
        _check_keys(request, ("rates", "rules", "strike", "count", "delay_s", "for_s", "amount"))
        rates = request.get("rates", {})
        if not isinstance(rates, dict):
            raise _Rejected(422, f"rates must be an object of kinds and rates, got {rates!r}")
        try:
            plan = parse_rules([{"kind": kind, "rate": rate} for kind, rate in rates.items()])
            plan += parse_rules(request.get("rules", []))
            struck = self._strike(request) if "strike" in request else None
        except ValueError as error:
            raise _Rejected(422, str(error)) from error
        self.faults.add_rules(plan)
        reply: Json = {
            "rates": {kind.value: rate for kind, rate in self.faults.dice.rates().items()},
            "struck": self.faults.dice.summary(),
        }
        return reply if struck is None else reply | {"struck_now": struck}

    def _strike(self, request: Json) -> int:
        kind, count = parse_kind(request["strike"]), request.get("count", 1)
        if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= MAX_STRIKES:
            raise _Rejected(422, f"count must be a whole number from 1 to {MAX_STRIKES}, got {count!r}")
        given = {name: request[name] for name in ("delay_s", "for_s", "amount") if name in request}
        return self.faults.strike(kind, count, parse_rules([{"kind": kind.value, "at_s": 0} | given]))

    def _fund(self, request: Json) -> Json:
        """Deposit to an account, or withdraw from it.

        Keys: `account`, `token` (name or index), `amount` (below zero to withdraw).
        """
        _check_keys(request, ("account", "token", "amount"))
        account, amount = _read_address(request.get("account")), _read_decimal(request, "amount")
        token = self._find_token(request.get("token"))
        if amount == 0:
            raise _Rejected(422, "amount must be above 0 to deposit or below 0 to withdraw, got 0")
        if amount < 0:
            effects = self.gateway.apply(Withdraw(account, token.index, -amount))
            for effect in effects:
                if isinstance(effect, Refused):
                    raise _Rejected(422, effect.text)
        else:
            self.gateway.apply(Deposit(account, token.index, amount))
        balance = self.gateway.exchange.account(account)
        return {"account": account, "token": token.name, "total": format_decimal(balance.total(token.index))}

    def _hold(self, request: Json) -> Json:
        """Set what is held elsewhere, such as margin.

        Keys: `account`, `token` (name or index), `amount` (0 holds nothing). No more is held than what no order holds.
        """
        _check_keys(request, ("account", "token", "amount"))
        account, amount = _read_address(request.get("account")), _read_decimal(request, "amount")
        token = self._find_token(request.get("token"))
        if amount < 0:
            raise _Rejected(422, f"amount must be 0 or above, got {amount}")
        self.gateway.apply(HoldElsewhere(account, token.index, amount))
        held = self.gateway.exchange.account(account).elsewhere(token.index)
        return {"account": account, "token": token.name, "held_elsewhere": format_decimal(held)}

    def _step(self, request: Json) -> Json:
        """Step the clock by `ms`, or to the time `to_ms`."""
        if not isinstance(self.clock, SteppedClock):
            raise _Rejected(409, "the clock runs in real time; start the sandbox with --stepped to step it")
        if len(request) != 1 or set(request) - {"ms", "to_ms"}:
            raise _Rejected(422, "needs exactly one key, ms or to_ms")
        ((name, value),) = request.items()
        if not isinstance(value, int) or isinstance(value, bool):
            raise _Rejected(422, f"{name} must be a whole number of milliseconds, got {value!r}")
        try:
            n_kept = self.clock.step_to(value if name == "to_ms" else self.clock.now_ms() + value)
        except ValueError as error:
            raise _Rejected(422, str(error)) from error
        self.gateway.pass_time()
        return {"now_ms": self.clock.now_ms(), "n_kept": n_kept}

    def _take(self, request: Json) -> Json:
        """Send an immediate-or-cancel order.

        Keys: `side` (buy or sell), `sz`, and optionally `px` (default: the worst price on the other side), `coin`,
        `account`.
        """
        _check_keys(request, ("side", "sz", "px", "coin", "account"))
        if request.get("side") not in ("buy", "sell"):
            raise _Rejected(422, f"side must be buy or sell, got {request.get('side')!r}")
        pair, is_buy = self._find_pair(request.get("coin", self.pairs[0].name)), request["side"] == "buy"
        size = _read_decimal(request, "sz")
        price = _read_decimal(request, "px") if "px" in request else self._find_last_price(pair, is_buy=is_buy)
        account = _read_address(request.get("account", self.taker))
        order = NewOrder(pair.asset, is_buy, price, size, "Ioc")
        (answer,) = (
            effect
            for effect in self.gateway.apply(PlaceOrders(account, (order,)))
            if isinstance(effect, Answered | Refused)
        )
        if isinstance(answer, Refused):
            raise _Rejected(422, answer.text)
        match answer.statuses[0]:
            case Filled(oid=oid, size=filled, average_price=average):
                return {"filled": format_decimal(filled), "avg_px": format_decimal(average), "oid": oid}
            case ItemError(text=text):
                raise _Rejected(422, text)
            case Resting() | _:
                raise _Rejected(500, "an immediate-or-cancel order is resting in the book")

    def _save_history(self, _request: Json) -> Json:
        if self.save_history is None:
            raise _Rejected(409, "nothing is recorded; start the sandbox with --save-history FILE")
        try:
            return {"saved": self.save_history()}
        except OSError as error:
            raise _Rejected(500, f"the history cannot be written: {error}") from error

    # --- Parameters -----------------------------------------------------------------------------

    def _find_pair(self, name: object) -> Pair:
        for pair in self.gateway.exchange.markets.pairs:
            if name in (pair.name, f"{pair.base.name}/{pair.quote.name}"):
                return pair
        raise _Rejected(422, f"unknown coin {name!r}")

    def _find_token(self, name: object) -> Token:
        for token in self.gateway.exchange.markets.tokens:
            if name == token.name or (name == token.index and not isinstance(name, bool)):
                return token
        raise _Rejected(422, f"unknown token {name!r}")

    def _find_last_price(self, pair: Pair, *, is_buy: bool) -> Decimal:
        """Return the worst price in the book's other side."""
        book = self.gateway.exchange.book(pair.name)
        levels = book.asks if is_buy else book.bids
        if not levels:
            side = "asks" if is_buy else "bids"
            raise _Rejected(422, f"no open {side} for {pair.name} to trade with; place an order first")
        return levels[-1].price


def _encode(status: int, document: Json) -> Answer:
    return Answer(status, json.dumps(document, separators=(",", ":")).encode())


def _parse_body(body: bytes) -> Json:
    try:
        document = json.loads(body or b"{}")
    except (ValueError, RecursionError) as error:
        raise _Rejected(400, "the body is not JSON") from error
    if not isinstance(document, dict):
        raise _Rejected(400, "the body must be a JSON object")
    return document


def _check_keys(request: Json, known: Sequence[str]) -> None:
    if unknown := sorted(set(request) - set(known)):
        raise _Rejected(422, f"unknown key {unknown[0]!r}; expected one of {', '.join(known)}")


def _read_address(value: object) -> str:
    text = value.lower() if isinstance(value, str) else ""
    if len(text) != 42 or not text.startswith("0x") or set(text[2:]) - set("0123456789abcdef"):
        raise _Rejected(422, f"account must be 0x and 40 hex digits, got {value!r}")
    return text


def _read_decimal(request: Json, name: str) -> Decimal:
    """Read a number, preferably from a string.

    JSON numbers lose digits.
    """
    value = request.get(name)
    try:
        number = Decimal(str(value)) if isinstance(value, str | int | float) and not isinstance(value, bool) else None
    except InvalidOperation:
        number = None
    if number is None or not number.is_finite() or number.adjusted() > 20 or int(number.as_tuple().exponent) < -18:
        raise _Rejected(422, f"{name} must be a number, got {value!r}")
    return number
