"""What runs beside a maker: its screen, and services that look at it.

A service that fails costs itself alone: the maker goes on.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import trio

from mm_trio import __version__
from mm_trio.account_config.settings import AccountSettings
from mm_trio.cli.run_programs.maker_run import Beside, OpenMaker
from mm_trio.cli.run_programs.serve_metrics import choose_metrics
from mm_trio.cli.run_programs.serve_page import choose_page, find_page
from mm_trio.cli.run_programs.service_manager import ServiceManager
from mm_trio.cli.run_programs.told_service import tell_manager
from mm_trio.cli.shell.output import choose_screen
from mm_trio.control.service import serve_control
from mm_trio.model.errors import find_leaves
from mm_trio.views.account_status import Identity, StatusSource

if TYPE_CHECKING:
    from mm_trio.metrics.samples import AlertCounts
    from mm_trio.terminal_ui.live_view import Screen

__all__ = ["choose_beside", "keep_beside", "make_status_source", "show_beside"]

_log = logging.getLogger(__name__)


def choose_beside(
    arguments: argparse.Namespace,
    account: AccountSettings,
    *,
    count_alerts: Callable[[], AlertCounts | None] = lambda: None,
) -> tuple[Beside[OpenMaker], ...]:
    """Return the tasks that run beside the maker of an account, as arguments and configuration want them.

    `count_alerts` tells the metrics what was told; None where nobody is.
    """
    screen = choose_screen(arguments, title=account.account.network, lists_markets=account.lists_markets)
    services = [keep_beside("control", _serve_control(account))]
    if screen is not None:
        services.insert(0, show_beside(screen))
    manager = ServiceManager.of_environ(arguments.environment.plain)
    if manager.address is not None:
        services.append(keep_beside("service manager", partial(tell_manager, manager)))
    if (page := find_page(account.page, arguments.page)) is not None:
        make_source = partial(make_status_source, account=account)
        make_metrics, watch = choose_metrics(make_source=make_source, count_alerts=count_alerts)
        served = choose_page(page, [make_metrics], make_source=make_source)
        services += [keep_beside("page", served), keep_beside("metrics", watch)]
    return tuple(services)


def show_beside(screen: Screen) -> Beside[OpenMaker]:
    """Return the task that shows a maker on a screen. One that fails shows lines instead, and is not kept here."""

    async def show(opened: OpenMaker, stop_scope: trio.CancelScope) -> None:
        await screen(opened.maker, stop_scope)

    return show


def _serve_control(account: AccountSettings) -> Beside[OpenMaker]:
    """Return the task that serves the control socket of a maker."""

    async def serve(opened: OpenMaker, _stop_scope: trio.CancelScope) -> None:
        await serve_control(make_status_source(opened, account), opened.folder)

    return serve


def keep_beside(name: str, service: Beside[OpenMaker]) -> Beside[OpenMaker]:
    """Return a service whose failure is told, and costs the maker nothing."""

    async def keep(opened: OpenMaker, stop_scope: trio.CancelScope) -> None:
        try:
            await service(opened, stop_scope)
        except* Exception as group:  # noqa: BLE001 - whatever a service does wrong, orders are looked after
            # Its tasks may fail while they are being cancelled; the rest of such a group is for the canceller.
            errors = ", ".join(repr(leaf) for leaf in find_leaves(group))
            _log.error("service ended: name=%s error=%s; the maker goes on without it", name, errors)

    return keep


def make_status_source(opened: OpenMaker, account: AccountSettings) -> StatusSource:
    """Return what a service takes the status of its maker from; the maker runs from now on."""
    return StatusSource(maker=opened.maker, identity=Identity.of(account, version=__version__))
