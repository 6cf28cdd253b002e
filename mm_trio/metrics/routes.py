"""Routes of `/metrics`, `/healthz` and `/readyz`. They need no cookie: scrapers and probes have none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import trio
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from mm_trio.metrics.exposition import write_metrics
from mm_trio.metrics.health import judge_health, judge_readiness
from mm_trio.metrics.lateness import Lateness
from mm_trio.metrics.samples import AlertCounts, Snapshot, take_samples_in_turns
from mm_trio.views.account_status import StatusSource
from mm_trio.web.app import WebRoute

__all__ = ["MetricsRoutes"]

# A scrape that waits behind others is answered late; the scraper gives up after ten seconds by itself.
WRITE_WITHIN_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsRoutes:
    """Routes of one maker. `count_alerts` returns None where nobody is told of alerts."""

    source: StatusSource
    lateness: Lateness | None = None
    count_alerts: Callable[[], AlertCounts | None] = lambda: None
    _writers: trio.CapacityLimiter = field(default_factory=lambda: trio.CapacityLimiter(1))

    def list_routes(self) -> list[WebRoute]:
        """List the routes."""
        answers = (("/metrics", self.answer_metrics), ("/healthz", self.answer_health), ("/readyz", self.answer_ready))
        return [WebRoute(path=path, answer=answer, is_open=True) for path, answer in answers]

    async def answer_metrics(self, request: Request) -> Response:
        """Answer a scrape. Its values become text on a thread, for there may be thousands."""
        snapshot = await self.take()
        write = partial(write_metrics, snapshot, accept=request.headers.get("accept", ""))
        with trio.move_on_after(WRITE_WITHIN_S):
            body, content_type = await trio.to_thread.run_sync(write, limiter=self._writers, abandon_on_cancel=True)
            return Response(body, headers={"content-type": content_type})
        return PlainTextResponse("Too many scrapes at once; try again later.\n", 503)

    async def answer_health(self, _: Request) -> Response:
        """Say whether the maker is well: 200, or 503."""
        faces = self.source.maker.faces
        stale = [face.settings.feed_stale_after_s or 0.0 for face in faces.values()]
        wellness = judge_health(
            await self.source.take_in_turns(),
            ended=[name for name, face in faces.items() if face.failure is not None],
            stale_after_s=max(stale, default=None),
        )
        return JSONResponse(wellness.to_json(), 200 if wellness.is_ok else 503)

    async def answer_ready(self, _: Request) -> Response:
        """Say whether the maker quotes: 200, or 503 and why."""
        readiness = judge_readiness(await self.source.take_in_turns())
        return JSONResponse(readiness.to_json(), 200 if readiness.is_ready else 503)

    async def take(self) -> Snapshot:
        """Take everything that a scrape tells, in the event loop."""
        status = await self.source.take_in_turns()
        return Snapshot(
            samples=await take_samples_in_turns(status, self.source.maker, alerts=self.count_alerts()),
            lateness=None if self.lateness is None else self.lateness.counts,
        )
