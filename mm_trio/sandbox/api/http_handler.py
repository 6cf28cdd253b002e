"""Answers to HTTP requests, with the venue's statuses and texts.

Bytes in, bytes out, without a socket or a task, so that every odd body can be tried in a bare Python prompt.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Never

from mm_trio.sandbox.api import ip_weights as weights
from mm_trio.sandbox.api.action_parser import (
    OTHER_L1_ACTIONS,
    OTHER_USER_ACTIONS,
    Unreadable,
    parse_action,
    parse_integer,
)
from mm_trio.sandbox.api.auth import Auth, AuthRefused, Claim, SignedAction, Unpackable
from mm_trio.sandbox.api.canonical import canonical_action
from mm_trio.sandbox.api.gateway import BadRequest, Gateway
from mm_trio.sandbox.api.ip_weights import IpWeights
from mm_trio.sandbox.api.signature_check import Signature, recover_user
from mm_trio.sandbox.api.user_signed_actions import (
    is_of_sub_accounts,
    is_user_signed,
    parse_sub_account_action,
    parse_user_action,
)
from mm_trio.sandbox.api.user_signed_handler import UserSignedHandler
from mm_trio.sandbox.info.rows import Json, action_answer

__all__ = ["Answer", "HttpHandler", "encode_json", "parse_json"]

NOT_JSON = "Failed to parse the request body as JSON"
WRONG_TYPE = "Expected request with `Content-Type: application/json`"
UNREADABLE = "Failed to deserialize the JSON body into the target type"
# The venue's own text was never captured.
NO_EXPIRY = "expiresAfter is not supported for this action."
# Ours: whoever sends such an action meets a refusal, as an account without a right to it does at the venue.
NOT_HERE = "The sandbox does not carry out {kind}."
_JSON, _TEXT = b"application/json", b"text/plain; charset=utf-8"
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
# The SDK prints r and s without padding.
_WORD = re.compile(r"0x[0-9a-fA-F]{1,64}")
# Measured: any `+json` is accepted.
_JSON_TYPE = re.compile(r"application/([a-z0-9.-]+\+)?json")
_ENVELOPE = {"action", "nonce", "signature", "vaultAddress", "expiresAfter"}
# Limit for one JSON number; the venue's largest type has 20 digits.
_MAX_DIGITS = 100


@dataclass(frozen=True, slots=True)
class Answer:
    """HTTP status, body and content type of one answer."""

    status: int
    body: bytes
    content_type: bytes = _JSON


@dataclass(frozen=True, slots=True)
class _Route:
    """Functions behind one path: the answer, and its weight.

    `weigh` is the weight of the request, `weigh_answer` what the answer adds to it.
    """

    answer: Callable[[object], object]
    weigh: Callable[[object], int]
    weigh_answer: Callable[[object, object], int]


class HttpHandler:
    """Answers `POST /info` and `POST /exchange` of one exchange.

    `ip_weights` counts what each client address sends; without it nothing is counted. Several handlers may share it.
    """

    def __init__(
        self, gateway: Gateway, auth: Auth, *, now_ms: Callable[[], int], ip_weights: IpWeights | None = None
    ) -> None:
        self._gateway = gateway
        self._auth = auth
        self._now_ms = now_ms
        self._ip_weights = IpWeights(None) if ip_weights is None else ip_weights
        self._user_signed = UserSignedHandler(gateway.exchange, gateway.apply, auth.agents)
        # Info requests ask about agents too, through any transport.
        gateway.agents = auth.agents
        self._routes = {
            "/info": _Route(gateway.info, weights.weigh_question, weights.weigh_rows),
            "/exchange": _Route(self._act, weights.weigh_action, lambda request, answer: 0),
        }

    def answer(self, method: str, path: str, content_type: str, body: bytes, *, ip: str | None = "127.0.0.1") -> Answer:
        """Answer one request; never raise for anything a client sends.

        `ip`: the client's address. None for a request over a WebSocket, which weighs nothing and has its own limits.
        Source: hypercore's probes of the HTTP level: content type first, then JSON, then its shape. Decided here:
        at which point the weight is checked, and that a body which is not JSON weighs nothing.
        """
        route = self._routes.get(path)
        if route is None:
            return Answer(404, b"Not Found", _TEXT)
        if method != "POST":
            return Answer(405, b"Method Not Allowed", _TEXT)
        if not _JSON_TYPE.fullmatch(content_type.partition(";")[0].strip().lower()):
            return Answer(415, WRONG_TYPE.encode(), _TEXT)
        try:
            request = _parse_body(body)
        except ValueError:
            return Answer(400, NOT_JSON.encode(), _TEXT)
        if ip is not None and not self._ip_weights.admit(ip, route.weigh(request), now_ms=self._now_ms()):
            return Answer(429, b"null")
        try:
            answer = route.answer(request)
        except BadRequest as refusal:
            return Answer(refusal.status, refusal.body.encode(), _JSON if refusal.body == "null" else _TEXT)
        if ip is not None:
            self._ip_weights.charge(ip, route.weigh_answer(request, answer), now_ms=self._now_ms())
        return Answer(200, encode_json(answer))

    def _act(self, request: object) -> object:
        """Parse an action completely, check its signer, then run it.

        In this order an unreadable body does not spend a nonce.
        """
        envelope = _parse_envelope(request)
        try:
            if is_user_signed(envelope.action):
                return self._carry_out_user(envelope)
            if is_of_sub_accounts(envelope.action):
                return self._carry_out_of_sub_accounts(envelope)
            return self._carry_out(envelope)
        except (Unreadable, Unpackable) as error:
            raise BadRequest(422, UNREADABLE) from error
        except AuthRefused as refusal:
            return {"status": "err", "response": refusal.text}

    def _carry_out(self, envelope: SignedAction) -> Json:
        kind = envelope.action.get("type")
        if isinstance(kind, str) and kind in OTHER_L1_ACTIONS | OTHER_USER_ACTIONS:
            return self._refuse_other(envelope, kind)
        command = parse_action("", envelope.action, expires_after=envelope.expires_after)
        signed = replace(envelope, action=canonical_action(dict(envelope.action)))
        account = self._auth.admit(signed, now_ms=self._now_ms())
        return action_answer(self._gateway.apply(replace(command, address=account)))

    def _refuse_other(self, envelope: SignedAction, kind: str) -> Json:
        """Refuse an action that only the venue carries out.

        Its signer is checked as far as its form is known, which is the order of keys that it has.
        """
        if kind in OTHER_L1_ACTIONS:
            self._auth.admit(envelope, now_ms=self._now_ms())
        return {"status": "err", "response": NOT_HERE.format(kind=kind)}

    def _carry_out_of_sub_accounts(self, envelope: SignedAction) -> Json:
        """Make a sub-account or move its funds: signed like an order, carried out like a transfer."""
        action = parse_sub_account_action(envelope.action)
        now_ms = self._now_ms()
        return self._user_signed.carry_out(self._auth.admit(envelope, now_ms=now_ms), action, now_ms=now_ms)

    def _carry_out_user(self, envelope: SignedAction) -> Json:
        action = parse_user_action(envelope.action)
        if envelope.expires_after is not None:
            raise AuthRefused(NO_EXPIRY)
        signature = Signature(envelope.r, envelope.s, envelope.v)
        claim = Claim(
            signer=recover_user(
                action.kind, action.fields, action.chain_id, signature, is_mainnet=self._auth.is_mainnet
            ),
            nonce=envelope.nonce,
            inner_nonce=action.nonce,
            vault=envelope.vault,
        )
        now_ms = self._now_ms()
        return self._user_signed.carry_out(self._auth.admit_user(claim, now_ms=now_ms), action, now_ms=now_ms)


def parse_json(text: str | bytes) -> object:
    """Parse JSON as the venue does: no NaN, no Infinity.

    Errors: ValueError, also for nesting that is too deep.
    """
    try:
        return json.loads(text, parse_constant=_refuse_constant, parse_int=_parse_int)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def encode_json(value: object) -> bytes:
    """Encode a value as JSON without spaces."""
    return json.dumps(value, separators=(",", ":")).encode()


def _refuse_constant(name: str) -> Never:
    raise ValueError(f"{name} is not JSON")


def _parse_int(digits: str) -> int | float:
    """Parse an integer; a too long one becomes infinity.

    Every reader rejects infinity, and parsing huge integers would cost time.
    """
    return int(digits) if len(digits) <= _MAX_DIGITS else float("inf")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_int=_parse_int)


def _parse_body(body: bytes) -> object:
    """Parse the first JSON value; ignore what follows it.

    Errors: as `parse_json`. Source: measured.
    """
    try:
        return _DECODER.raw_decode(body.decode().lstrip(" \t\r\n"))[0]
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _parse_envelope(request: object) -> SignedAction:
    """Parse the envelope of an action.

    Errors: BadRequest for a field that is missing, unknown or of another type.
    """
    if not isinstance(request, dict) or request.keys() - _ENVELOPE:
        raise BadRequest(422, UNREADABLE)
    action, signature = request.get("action"), request.get("signature")
    if not isinstance(action, dict) or not isinstance(signature, dict):
        raise BadRequest(422, UNREADABLE)
    vault, expires_after = request.get("vaultAddress"), request.get("expiresAfter")
    if vault is not None and not (isinstance(vault, str) and _ADDRESS.fullmatch(vault)):
        raise BadRequest(422, UNREADABLE)
    return SignedAction(
        action=action,
        nonce=_parse_u64(request.get("nonce")),
        r=_parse_word(signature, "r"),
        s=_parse_word(signature, "s"),
        v=_parse_u64(signature.get("v")),
        vault=vault,
        expires_after=None if expires_after is None else _parse_u64(expires_after),
    )


def _parse_u64(value: object) -> int:
    try:
        return parse_integer(value)
    except Unreadable as error:
        raise BadRequest(422, UNREADABLE) from error


def _parse_word(signature: Mapping[str, object], name: str) -> int:
    value = signature.get(name)
    if not isinstance(value, str) or not _WORD.fullmatch(value):
        raise BadRequest(422, UNREADABLE)
    return int(value, 16)
