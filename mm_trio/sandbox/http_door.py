"""What an HTTP request is answered: the venue's statuses and texts below the level of its protocol.

Bytes in, bytes out, without a socket or a task, so that every odd body can be tried in a bare prompt.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Never

from mm_trio.sandbox.auth import Auth, AuthRefused, SignedAction, Unpackable
from mm_trio.sandbox.front import BadRequest, Front
from mm_trio.sandbox.rows import action_answer
from mm_trio.sandbox.wire_in import Unreadable, parse_action

__all__ = ["Answer", "HttpDoor", "encode_json", "parse_json"]

NOT_JSON = "Failed to parse the request body as JSON"
WRONG_TYPE = "Expected request with `Content-Type: application/json`"
UNREADABLE = "Failed to deserialize the JSON body into the target type"
_JSON, _TEXT = b"application/json", b"text/plain; charset=utf-8"
_U64 = 1 << 64
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_WORD = re.compile(r"0x[0-9a-fA-F]{1,64}")  # the SDK prints r and s without padding


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    content_type: bytes = _JSON


class HttpDoor:
    """`POST /info` and `POST /exchange` of one exchange."""

    def __init__(self, front: Front, auth: Auth, *, now_ms: Callable[[], int]) -> None:
        self._front = front
        self._auth = auth
        self._now_ms = now_ms
        self._rooms: dict[str, Callable[[object], object]] = {"/info": self._inform, "/exchange": self._act}

    def answer(self, method: str, path: str, content_type: str, body: bytes) -> Answer:
        """The answer to one request; never an exception, whatever the client sent.

        Source: protocol notes on the HTTP level: content type first, then JSON, then its shape.
        """
        room = self._rooms.get(path)
        if room is None:
            return Answer(404, b"Not Found", _TEXT)
        if method != "POST":
            return Answer(405, b"Method Not Allowed", _TEXT)
        if content_type.partition(";")[0].strip().lower() != "application/json":
            return Answer(415, WRONG_TYPE.encode(), _TEXT)
        try:
            request = parse_json(body)
        except ValueError:
            return Answer(400, NOT_JSON.encode(), _TEXT)
        try:
            return Answer(200, encode_json(room(request)))
        except BadRequest as refusal:
            return Answer(refusal.status, refusal.body.encode(), _JSON if refusal.body == "null" else _TEXT)

    def _inform(self, request: object) -> object:
        """Agents are known at the door alone: the exchange inside has accounts."""
        if isinstance(request, dict) and request.get("type") == "userRole":
            master = self._auth.find_master(str(request.get("user")))
            if master is not None:
                return {"role": "agent", "data": {"user": master}}
        return self._front.info(request)

    def _act(self, request: object) -> object:
        """Read it all, then ask who signed it, then act: a body that cannot be read spends no nonce."""
        signed = _parse_signed(request)
        try:
            command = parse_action("", signed.action, expires_after=signed.expires_after)
            account = self._auth.admit(signed, now_ms=self._now_ms())
        except (Unreadable, Unpackable) as error:
            raise BadRequest(422, UNREADABLE) from error
        except AuthRefused as refusal:
            return {"status": "err", "response": refusal.text}
        return action_answer(self._front.apply(replace(command, address=account)))


def parse_json(text: str | bytes) -> object:
    """JSON as the venue takes it: no NaN, no Infinity. Errors: ValueError, also for endless nesting."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def encode_json(value: object) -> bytes:
    """JSON without spaces."""
    return json.dumps(value, separators=(",", ":")).encode()


def _refuse_constant(name: str) -> Never:
    raise ValueError(f"{name} is not JSON")


def _parse_signed(request: object) -> SignedAction:
    """The envelope of an action. Errors: BadRequest where a field is missing or of another type."""
    if not isinstance(request, dict):
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
        r=_parse_word(signature.get("r")),
        s=_parse_word(signature.get("s")),
        v=_parse_u64(signature.get("v")),
        vault=vault,
        expires_after=None if expires_after is None else _parse_u64(expires_after),
    )


def _parse_u64(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _U64:
        raise BadRequest(422, UNREADABLE)
    return value


def _parse_word(value: object) -> int:
    if not isinstance(value, str) or not _WORD.fullmatch(value):
        raise BadRequest(422, UNREADABLE)
    return int(value, 16)
