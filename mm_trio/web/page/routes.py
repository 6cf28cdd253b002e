"""Routes of the page."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from mm_trio.views.account_status import StatusSource
from mm_trio.web.app import WebRoute
from mm_trio.web.page.event_stream import EventStream, StreamCount
from mm_trio.web.page.live_state import LiveState
from mm_trio.web.page.log_lines import LogLines
from mm_trio.web.page.past import SPANS_MS
from mm_trio.web.page.past_reader import PastReader
from mm_trio.web.page.static_files import StaticFile

__all__ = ["PageRoutes"]

DEFAULT_SPAN = "1h"
INDEX = "index.html"


@dataclass(slots=True, kw_only=True)
class PageRoutes:
    """What answers the page's browsers."""

    live: LiveState
    lines: LogLines
    past: PastReader
    files: Mapping[str, StaticFile]
    streams: StreamCount

    @classmethod
    def of(cls, source: StatusSource, files: Mapping[str, StaticFile], *, find_folder: Callable[[str], Path]) -> Self:
        """Make the routes of a maker; `find_folder` gives the state folder of a grid."""
        return cls(
            live=LiveState(source), lines=LogLines(), past=PastReader(find_folder), files=files, streams=StreamCount()
        )

    def list_routes(self) -> tuple[WebRoute, ...]:
        """List the routes, all of which need the cookie."""
        return (
            WebRoute(path="/", answer=self._answer_index),
            WebRoute(path="/static/{name}", answer=self._answer_file),
            WebRoute(path="/api/events", answer=self._answer_events),
            WebRoute(path="/api/past", answer=self._answer_past),
        )

    async def _answer_index(self, _request: Request) -> Response:
        return self._make_file(INDEX)

    async def _answer_file(self, request: Request) -> Response:
        return self._make_file(request.path_params["name"])

    def _make_file(self, name: str) -> Response:
        found = self.files.get(name)
        if found is None:
            return PlainTextResponse("There is no such file.\n", 404)
        return Response(found.content, media_type=found.media_type)

    async def _answer_events(self, request: Request) -> Response:
        name = self._find_name(request)
        if name is None:
            return PlainTextResponse("There is no such grid.\n", 404)
        if self.streams.is_full:
            return PlainTextResponse("Too many pages are open; close some.\n", 503, headers={"retry-after": "5"})
        return EventStream(self.live, self.lines, self.streams, name=name)

    async def _answer_past(self, request: Request) -> Response:
        name, span = self._find_name(request), request.query_params.get("span", DEFAULT_SPAN)
        if name is None:
            return PlainTextResponse("There is no such grid.\n", 404)
        if span not in SPANS_MS:
            return PlainTextResponse(f"span must be one of {', '.join(SPANS_MS)}.\n", 400)
        read = await self.past.read(name, span)
        head = {"grid": name, "span": span, "took_s": round(read.took_s, 3), "failure": read.failure}
        # The thread that read it wrote its text, which is a large one.
        text = b"null" if read.past is None else read.past.text
        content = json.dumps(head).encode().removesuffix(b"}") + b', "past": ' + text + b"}"
        return Response(content, media_type="application/json")

    def _find_name(self, request: Request) -> str | None:
        """Return the grid that is asked for, by its configured name; without one the first."""
        names = self.live.names
        asked = request.query_params.get("grid")
        return asked if asked in names else names[0] if asked is None and names else None
