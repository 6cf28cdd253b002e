"""Application of the page: routes of small modules, behind one place that refuses and one that answers for mistakes.

Starlette finds the route. Everything that holds for every answer is here, in front of it, so that a route cannot forget
it: names, methods, cookie, headers, pace.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Any, TypeAlias

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route, Router

from mm_trio.web.access import ENTRANCE, Access
from mm_trio.web.hosts import Hosts
from mm_trio.web.pace import RequestPace

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

__all__ = ["WebApp", "WebRoute", "name_cookie"]

_log = logging.getLogger(__name__)

Answer: TypeAlias = Callable[[Request], Awaitable[Response]]

HOW_TO_ENTER = (
    "This page needs a link that works once.\n\nmm-trio printed one when the maker started. For a new one, run this on "
    "the machine of the maker:\n\n    mm-trio page-link --config FILE\n"
)
USED_UP = f"This link was used, or is not one of this maker.\n\n{HOW_TO_ENTER}"
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
# On every answer, also on refusals.
HEADERS = {
    "content-security-policy": CONTENT_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
# The browser goes on by itself. A redirect would not do: its request counts as made by the site that had the link, and
# the cookie would not be sent along.
ENTERED = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="0;url=/">'
    '<link rel="icon" href="data:,"><title>mm-trio</title></head>'
    '<body><p><a href="/">Go on to the page</a></p></body></html>'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebRoute:
    """Path and what answers it.

    `is_open`: it needs no cookie, which scrapers and probes do not have. `/files/{name}` has a parameter, as Starlette
    reads it.
    """

    path: str
    answer: Answer
    is_open: bool = False


def name_cookie(port: int) -> str:
    """Return the cookie's name; browsers do not tell ports of one host apart, and a machine may run several makers."""
    return f"mm_trio_page_{port}"


class WebApp:
    """ASGI application of a maker's page on a port."""

    def __init__(self, routes: Iterable[WebRoute], *, hosts: Hosts, access: Access, port: int) -> None:
        self._hosts = hosts
        self._access = access
        self._cookie = name_cookie(port)
        self._pace = RequestPace()
        listed = tuple(routes)
        self._open_paths = frozenset(route.path for route in listed if route.is_open)
        # Not a whole Starlette, which would answer for mistakes by itself.
        self._router = Router([Route(route.path, route.answer, methods=["GET"]) for route in listed])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Errors: none of a handler."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
            return
        assert scope["type"] == "http", scope["type"]
        answered = _Sender(send)
        try:
            await self._pace.wait_turn()
            app: Any = self._find_refusal(scope) or self._router
            await app(scope, receive, answered.send)
        except* Exception as group:  # noqa: BLE001 - whatever a handler does wrong costs one answer, and no tick
            _log.error("page request failed: path=%r error=%r; the maker goes on", scope["path"], group.exceptions[0])
            if not answered.is_begun:
                await _refuse(500, "This did not work; the log of mm-trio says why.\n")(scope, receive, answered.send)

    def _find_refusal(self, scope: Scope) -> Response | None:
        """Answer everything that needs no route."""
        path: str = scope["path"]
        if (fault := self._hosts.find_fault(scope["headers"], path_is_entrance=path == ENTRANCE)) is not None:
            return _refuse(403, f"{fault}\n")
        request = Request(scope)
        if request.method not in ("GET", "HEAD"):
            return _refuse(405, "This page only shows; it takes GET and HEAD.\n", allow="GET, HEAD")
        if path == ENTRANCE:
            return self._enter(request)
        if path not in self._open_paths and not self._access.knows(self._read_cookie(request)):
            return _refuse(401, HOW_TO_ENTER)
        return None

    def _enter(self, request: Request) -> Response:
        """Use a link up and set its cookie."""
        # A look at the link, or a browser that loads it ahead, is not the operator who opens it.
        if request.method != "GET" or "prefetch" in request.headers.get("sec-purpose", ""):
            return _refuse(405, "Open the link with GET.\n", allow="GET")
        value = self._access.enter(request.query_params.get("token", ""))
        if value is None:
            return _refuse(401, USED_UP)
        answer = HTMLResponse(ENTERED)
        answer.set_cookie(self._cookie, value, httponly=True, samesite="strict", path="/")
        return answer

    def _read_cookie(self, request: Request) -> str:
        try:
            found = SimpleCookie(request.headers.get("cookie", "")).get(self._cookie)
        except CookieError:
            return ""
        return "" if found is None else found.value


def _refuse(status: int, text: str, **headers: str) -> Response:
    """Refuse a request; nothing more is read from its connection."""
    return PlainTextResponse(text, status, headers={"connection": "close", **headers})


class _Sender:
    """Sends an answer with the headers that all answers have."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.is_begun = False

    async def send(self, message: Message) -> None:
        """Pass a message on to the server."""
        if message["type"] == "http.response.start":
            self.is_begun = True
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
        await self._send(message)
