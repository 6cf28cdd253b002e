"""Page of a real maker on the simulated exchange, whose takers trade; and a browser that looks at it.

The clock may jump: what the page does by it is slowed down then, or it would do nothing else.
"""

from __future__ import annotations

import random
import shutil
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trio_asyncio  # type: ignore[import-untyped]
from builders import ALLOCATION, MAKER, World, until
from web_kit import Server

from mm_trio import WsState
from mm_trio.journal.sqlite_journal import Journal
from mm_trio.limits.terms import RiskLimits
from mm_trio.recorder.recorder import Recorder
from mm_trio.views.account_status import Identity, StatusSource
from mm_trio.views.maker import Maker
from mm_trio.web import connections, http1
from mm_trio.web.access import Access
from mm_trio.web.app import WebApp
from mm_trio.web.hosts import Hosts
from mm_trio.web.page import event_stream, live_state
from mm_trio.web.page.event_stream import StreamCount
from mm_trio.web.page.live_state import LiveState
from mm_trio.web.page.log_lines import LogLines
from mm_trio.web.page.past import Past, read_past
from mm_trio.web.page.past_reader import PastReader
from mm_trio.web.page.routes import PageRoutes
from mm_trio.web.page.static_files import read_files
from mm_trio.web.server import bind_page, serve

__all__ = ["BROWSER", "IDENTITY", "LIMITS", "Shown", "Tab", "open_tab", "slowed"]

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
IDENTITY = Identity(version="0.1.0", network="sandbox", account=MAKER, mode="one", pid=7)
LIMITS = RiskLimits(
    max_order_notional=Decimal(130),
    max_side_notional=Decimal(5_000),
    max_net_spend=Decimal(5_000),
    price_low=Decimal(10),
    price_high=Decimal(40),
    max_loss_vs_hold=Decimal(1_000),
    max_drawdown_vs_hold=Decimal(1_000),
    max_actions_per_hour=100_000,
    max_fills_per_minute=1_000,
    max_unknown_outcomes=20,
    budget_floor=10,
)


@dataclass
class Shown:
    """A maker with ledger and record in `folder`, on an exchange of its own. `server` is its page, once it is open."""

    folder: Path
    world: World = field(default_factory=World)
    server: Server | None = None

    def __post_init__(self) -> None:
        self.recorder = Recorder(self.folder, coin=self.world.coin)
        self.journal = Journal.open(self.folder)

    def make_maker(self, **changed: Any) -> WsState:
        given: dict[str, Any] = {"journal": self.journal, "recorder": self.recorder, "limits": LIMITS}
        return self.world.maker(**{**ALLOCATION, "active_levels": 8, **given, **changed})

    async def trade_forever(self, *, seed: int = 1) -> None:
        """Takers come every few seconds, and rather to the side that has more."""
        rng = random.Random(seed)
        while True:
            await trio.sleep(rng.uniform(0.5, 20))
            base, quote = self.world.totals()
            take = (
                self.world.buy
                if rng.random() < float(base) * 50 / (float(base) * 50 + float(quote))
                else self.world.sell
            )
            take(Decimal(rng.randint(1, 120)) / 10)

    def make_routes(self, maker: Maker) -> PageRoutes:
        source = StatusSource(maker=maker, identity=IDENTITY, wall_ms=self.world.now_ms)
        return PageRoutes(
            live=LiveState(source),
            lines=LogLines(),
            past=PastReader(lambda _name: self.folder, read=self._read_past),
            files=read_files(),
            streams=StreamCount(),
        )

    def _read_past(self, folder: Path, span: str) -> Past:
        return read_past(folder, span, now_ms=trio.from_thread.run_sync(self.world.now_ms))

    @asynccontextmanager
    async def open_page(self, maker: Maker) -> AsyncIterator[Server]:
        """Serve the page of a maker while the context is open."""
        listening = bind_page("127.0.0.1", 0)
        port, access, shown = listening.getsockname()[1], Access(), self.make_routes(maker)
        app = WebApp(shown.list_routes(), hosts=Hosts.of(port=port), access=access, port=port)
        with shown.lines.heard():
            async with trio.open_nursery() as nursery:
                server = await nursery.start(partial(_serve_until_cut, app, listening, access))
                nursery.start_soon(shown.live.keep_forever)
                yield server
                nursery.cancel_scope.cancel()

    async def settle(self, maker: WsState) -> None:
        """Wait until nothing is under way and all of the ledger is written."""
        await until(lambda: maker.stats.fills == len(self.world.fills()))
        await trio.sleep(30)
        self.journal.mark_end()

    async def settle_now(self, maker: WsState) -> None:
        """Wait, by a real clock, until the fills so far are booked and written."""
        await until(lambda: maker.stats.fills == len(self.world.fills()))
        await until(lambda: not maker.vitals.n_unwritten)

    def close(self) -> None:
        self.recorder.close()
        self.journal.close()


async def _serve_until_cut(
    app: WebApp, listening: socket.socket, access: Access, *, task_status: trio.TaskStatus[Server]
) -> None:
    """Serve until the scope of the server is cancelled, as it is when a maker ends."""
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            url = await nursery.start(partial(serve, app, listening))
            port = listening.getsockname()[1]
            task_status.started(Server(url=url, port=port, access=access, scope=scope))


@contextmanager
def slowed(slower: float) -> Iterator[None]:
    """Let the page take so many times longer for whatever it does by the clock."""
    with pytest.MonkeyPatch.context() as patch:
        for module, name in (
            (live_state, "LEAST_PERIOD_S"),
            (live_state, "STILL_EVERY_S"),
            (event_stream, "BEAT_EVERY_S"),
            (event_stream, "FAREWELL_WITHIN_S"),
            (connections, "SEND_WITHIN_S"),
            (http1, "IDLE_S"),
        ):
            patch.setattr(module, name, getattr(module, name) * slower)
        yield


# --- A browser ----------------------------------------------------------------------------------

ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)


@dataclass
class Tab:
    """Page in a browser; what it complained about is in `complaints`."""

    page: Any
    complaints: list[str] = field(default_factory=list)

    async def do(self, name: str, *arguments: Any, **options: Any) -> Any:
        """Call a method of Playwright's page."""
        return await trio_asyncio.aio_as_trio(getattr(self.page, name))(*arguments, **options)

    async def read(self, script: str) -> Any:
        """Return what an expression gives there."""
        return await self.do("evaluate", script)

    async def wait(self, script: str, *, within_s: float = 30.0) -> None:
        """Wait until an expression is true there.

        The page's policy forbids what Playwright's own wait would do, which makes code of a text there.
        """
        end_s = time.monotonic() + within_s
        while not await self.read(script):
            assert time.monotonic() < end_s, f"it never came to that: {script}; {self.complaints}"
            await trio.sleep(0.05)

    async def resize(self, width: int, height: int = 1000) -> None:
        await self.do("set_viewport_size", {"width": width, "height": height})

    async def press(self, key: str) -> None:
        await trio_asyncio.aio_as_trio(self.page.keyboard.press)(key)

    async def click(self, selector: str) -> None:
        await self.do("click", selector)


@asynccontextmanager
async def open_tab(link: str) -> AsyncIterator[Tab]:
    """Enter a page with a browser of its own; asyncio has to run already (`trio_asyncio.open_loop`)."""
    from playwright.async_api import async_playwright

    def in_trio(fn: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        wrapped: Callable[..., Awaitable[Any]] = trio_asyncio.aio_as_trio(fn)
        return wrapped

    playwright = await in_trio(async_playwright().start)()
    try:
        browser = await in_trio(playwright.chromium.launch)(executable_path=BROWSER, args=list(ARGUMENTS))
        try:
            opened = await in_trio(browser.new_context)(viewport={"width": 1440, "height": 1000})
            tab = Tab(await in_trio(opened.new_page)())
            tab.page.on("console", lambda told: tab.complaints.append(f"{told.type}: {told.text}"))
            tab.page.on("pageerror", lambda error: tab.complaints.append(f"error: {error}"))
            await tab.do("goto", link)
            await tab.do("wait_for_url", f"{link.partition('/enter')[0]}/")
            yield tab
        finally:
            with trio.CancelScope(shield=True):
                await in_trio(browser.close)()
    finally:
        with trio.CancelScope(shield=True):
            await in_trio(playwright.stop)()
