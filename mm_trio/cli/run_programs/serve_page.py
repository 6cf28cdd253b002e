"""Page of a maker in the browser: what it needs, and when it is served."""

from __future__ import annotations

import ipaddress
import logging
import os
import stat
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TextIO, TypeAlias

import trio

from mm_trio.cli.run_programs.maker_run import Beside, OpenMaker
from mm_trio.config.settings import Page
from mm_trio.model.errors import ConfigError
from mm_trio.terminal_ui.streams import tell

if TYPE_CHECKING:
    from pathlib import Path

    from mm_trio.views.account_status import StatusSource
    from mm_trio.web.app import WebRoute

__all__ = ["MakeRoutes", "check_extra", "choose_page", "find_page", "may_show_secrets"]

_log = logging.getLogger(__name__)

# Makes the routes of a maker that is open.
MakeRoutes: TypeAlias = Callable[[OpenMaker], "Sequence[WebRoute]"]


def find_page(page: Page, asked_port: int | None) -> Page | None:
    """Return the page that is wanted, None where none is. A port that was asked for may be 0, a free one."""
    if asked_port is None:
        return page if page.port else None
    return replace(page, port=asked_port)


def choose_page(
    page: Page, make_routes: Sequence[MakeRoutes], *, make_source: Callable[[OpenMaker], StatusSource]
) -> Beside[OpenMaker]:
    """Listen for the page's clients, print the link, and return the task that answers them.

    What is wrong with the address is found before the maker starts, and the link is printed before a screen covers it.
    `make_routes` make what is served besides the page. Errors: ConfigError.
    """
    check_extra()
    # Imported before the maker runs: it takes half a second, in which nothing would be quoted.
    import mm_trio.web.http1  # noqa: F401
    from mm_trio.web.access import Access
    from mm_trio.web.app import WebApp
    from mm_trio.web.hosts import Hosts
    from mm_trio.web.link_file import LinkKeeper, make_link
    from mm_trio.web.page.routes import PageRoutes
    from mm_trio.web.page.static_files import read_files
    from mm_trio.web.server import bind_page, make_url, serve

    listening = bind_page(page.host, page.port)
    own_url, port = make_url(listening), listening.getsockname()[1]
    url = own_url if page.name is None else _name_url(page.name, port)
    files, access = read_files(), Access()
    keeper = LinkKeeper(access, url=url)
    access.on_new_token(keeper.on_new_token)
    names = [name for name in (page.name, own_url.removeprefix("http://")) if name is not None]
    hosts = Hosts.of(port=port, names=names)
    _tell_if_remote(page.host, port)
    if may_show_secrets(sys.stderr):
        tell(f"mm-trio: page (the link works once): {make_link(url, access.token)}")
    else:
        tell(f"mm-trio: page: {url} (`mm-trio page-link --config FILE` prints a link that opens it once)")

    async def show(opened: OpenMaker, _stop_scope: trio.CancelScope) -> None:
        source = make_source(opened)
        shown = PageRoutes.of(source, files, find_folder=partial(_find_folder, opened, source))
        routes = [*shown.list_routes(), *(route for make in make_routes for route in make(opened))]
        app = WebApp(routes, hosts=hosts, access=access, port=port)
        with shown.lines.heard():
            async with trio.open_nursery() as nursery:
                await nursery.start(partial(serve, app, listening))
                _log.info("page open: url=%s; it shows this maker and changes nothing", url)
                nursery.start_soon(keeper.keep_forever, opened.folder)
                nursery.start_soon(shown.live.keep_forever)

    return show


def _find_folder(opened: OpenMaker, source: StatusSource, name: str) -> Path:
    """Find the state folder of a grid, whose record lies there, by the grid's name."""
    if source.identity.mode == "one":
        return opened.folder
    return opened.folder.parent / opened.maker.faces[name].coin.replace("/", "-")


def check_extra() -> None:
    """Refuse a page without its packages. Errors: ConfigError."""
    try:
        import hypercorn
        import prometheus_client  # noqa: F401
        import starlette  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"the page needs packages that are not installed ({error}); install them with "
            "`pip install mm-trio[page]`, or leave out --page and [page] port"
        ) from error
    del hypercorn


def _tell_if_remote(host: str, port: int) -> None:
    """Warn where other machines reach the page."""
    if not ipaddress.ip_address(host).is_loopback:
        _log.warning(
            "page is open to other machines: host=%s port=%d; who has a link sees orders, fills and funds, and without "
            "TLS in between others on the way see them too",
            host,
            port,
        )


def _name_url(name: str, port: int) -> str:
    return f"http://{name}" if ":" in name else f"http://{name}:{port}"


def may_show_secrets(stream: TextIO | None) -> bool:
    """Check if what is printed to a stream is for a person or a program that asked, and no log.

    A file keeps what it gets, and so does the journal of systemd, which names its stream in `JOURNAL_STREAM`.
    """
    try:
        status = os.fstat(stream.fileno()) if stream is not None else None
    except (OSError, ValueError):
        return False
    if status is None or stat.S_ISREG(status.st_mode):
        return False
    return os.environ.get("JOURNAL_STREAM") != f"{status.st_dev}:{status.st_ino}"
