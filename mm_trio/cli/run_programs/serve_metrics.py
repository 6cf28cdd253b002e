"""Figures of a maker for a monitoring system, served beside its page."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import trio

from mm_trio.cli.run_programs.maker_run import Beside, OpenMaker
from mm_trio.cli.run_programs.serve_page import MakeRoutes, check_extra

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mm_trio.metrics.samples import AlertCounts
    from mm_trio.views.account_status import StatusSource
    from mm_trio.web.app import WebRoute

__all__ = ["choose_metrics"]


def choose_metrics(
    *, make_source: Callable[[OpenMaker], StatusSource], count_alerts: Callable[[], AlertCounts | None]
) -> tuple[MakeRoutes, Beside[OpenMaker]]:
    """Return what makes the routes of a maker, and the task that measures the event loop. Errors: ConfigError."""
    check_extra()
    # Imported before the maker runs: it takes a tenth of a second, in which nothing would be quoted.
    from mm_trio.metrics.lateness import Lateness
    from mm_trio.metrics.routes import MetricsRoutes

    lateness = Lateness()

    def make_routes(opened: OpenMaker) -> Sequence[WebRoute]:
        return MetricsRoutes(source=make_source(opened), lateness=lateness, count_alerts=count_alerts).list_routes()

    async def watch(_opened: OpenMaker, _stop_scope: trio.CancelScope) -> None:
        await lateness.watch_forever()

    return make_routes, watch
