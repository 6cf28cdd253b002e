"""Requests over the WebSocket, and HTTP answers as frames.

Source: docs *Post requests*.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus

from mm_trio.sandbox.api.http_handler import Answer, encode_json
from mm_trio.sandbox.info.rows import Json

__all__ = ["AnswerPost", "Post", "post_frame", "read_post"]

_PATHS = {"info": "/info", "action": "/exchange"}
_U64 = 1 << 64

# Maps path and body to the HTTP answer: at once, later (awaitable), or never (None).
AnswerPost = Callable[[str, bytes], "Answer | Awaitable[Answer | None] | None"]


@dataclass(frozen=True, slots=True)
class Post:
    """One request; `kind` is `info` or `action`.

    `payload` is the body that it would have over HTTP.
    """

    post_id: int
    kind: str
    payload: Json

    @property
    def path(self) -> str:
        """Return the HTTP path of the same request."""
        return _PATHS[self.kind]

    @property
    def body(self) -> bytes:
        """Return the HTTP body of the same request."""
        return encode_json(self.payload)


def read_post(message: object) -> Post | None:
    """Parse a client's message as a request.

    None if it is not a valid request; the caller then reports the same error as for any unreadable message.
    """
    if not isinstance(message, dict) or message.get("method") != "post":
        return None
    post_id, request = message.get("id"), message.get("request")
    if not isinstance(post_id, int) or isinstance(post_id, bool) or not 0 <= post_id < _U64:
        return None
    if not isinstance(request, dict):
        return None
    kind, payload = request.get("type"), request.get("payload")
    if kind not in ("info", "action") or not isinstance(payload, dict):
        return None
    return Post(post_id, str(kind), payload)


def post_frame(post: Post, answer: Answer) -> Json:
    """Build the frame that answers a request, under its id.

    An error is the HTTP status and text in one string; how the two are joined is decided here.
    """
    if answer.status != 200:
        # Newer Pythons renamed this phrase; use the older name on every Python.
        is_unreadable = answer.status == HTTPStatus.UNPROCESSABLE_ENTITY
        reason = "Unprocessable Entity" if is_unreadable else HTTPStatus(answer.status).phrase
        text = f"{answer.status} {reason}: {answer.body.decode(errors='replace')}"
        return _frame(post, "error", text)
    try:
        body = json.loads(answer.body)
    except ValueError:  # A fault has garbled the body.
        return _frame(post, "error", answer.body.decode(errors="replace"))
    if post.kind == "info":
        return _frame(post, "info", {"type": post.payload.get("type"), "data": body})
    return _frame(post, "action", body)


def _frame(post: Post, kind: str, payload: object) -> Json:
    return {"channel": "post", "data": {"id": post.post_id, "response": {"type": kind, "payload": payload}}}
