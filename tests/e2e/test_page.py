"""The page in a browser: what it shows is what the journal has, on a desk and on a phone, and whatever ends it.

MM_TRIO_SCREENSHOTS names a folder that keeps what the browser showed. The simulated hour is one of a real maker on the
simulated exchange: five minutes pass in a moment, then the clock is the real one while the page is used, and so on.
"""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

pytest.importorskip("starlette", reason="the extra `page` is not installed")
pytest.importorskip("hypercorn", reason="the extra `page` is not installed")
pytest.importorskip("playwright", reason="Playwright is not installed (dependency group `browser`)")
import trio_asyncio  # type: ignore[import-untyped]
from grids_kit import COINS, GridsWorld
from page_kit import BROWSER, Shown, Tab, open_tab, slowed
from process_kit import open_sandbox, run, running
from trio.testing import MockClock
from web_kit import Server

from mm_trio import WsState
from mm_trio.cli.earnings_programs.orders_program import list_orders
from mm_trio.earnings.period import WHOLE
from mm_trio.history.earnings_reader import Asked, read_earnings
from mm_trio.history.fill_rows import FillRow, find_seen
from mm_trio.history.ledger_reader import LedgerReader

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="there is no Chromium on this machine"),
]

HOUR_S, ROUND_S = 3600.0, 600.0
# What the page does each quarter of a second is done each five seconds of a round.
SLOWER = 20.0
WIDTHS = (1440, 768, 390)
# Pictures of docs/page.md, which `nox -s page_pictures` takes anew.
IN_DOCS = (("page-desk.png", "light", (1280, 900)), ("page-phone.png", "dark", (390, 844)))
IS_LIVE = "document.body.classList.contains('live') && document.querySelectorAll('#bids tr').length > 0"
HAS_PAST = "document.querySelectorAll('#parts tr[data-figure]').length > 0 && document.querySelector('canvas') !== null"


@contextmanager
def jumping(clock: MockClock) -> Iterator[None]:
    """Let time pass as fast as it can."""
    clock.autojump_threshold = 0
    try:
        with slowed(SLOWER):
            yield
    finally:
        clock.autojump_threshold = float("inf")


@asynccontextmanager
async def looking(folder: Path, clock: MockClock) -> AsyncIterator[tuple[Shown, WsState, Server, Tab]]:
    """A maker that has traded for a minute, and a browser that entered its page."""
    shown = Shown(folder)
    try:
        clock.rate = 1.0
        async with shown.world.running(shown.make_maker()) as maker:
            with jumping(clock), trio.move_on_after(60):
                await shown.trade_forever(seed=3)
            async with trio_asyncio.open_loop(), shown.open_page(maker) as server, open_tab(server.link) as tab:
                await tab.wait(IS_LIVE)
                yield shown, maker, server, tab
    finally:
        shown.close()


# --- A simulated hour ---------------------------------------------------------------------------


async def look_around(tab: Tab) -> None:
    """Use everything that can be used, with the mouse and with the keyboard."""
    for span in ("15m", "6h", "24h", "7d", "all", "1h"):
        await tab.click(f"#spans button[data-span='{span}']")
        assert (
            await tab.read(f"document.querySelector('[data-span=\"{span}\"]').getAttribute('aria-pressed')") == "true"
        )
    for theme in ("light", "dark", "system"):
        await tab.click("#theme")
        assert await tab.read("document.getElementById('theme-words').textContent") == f"Colours: {theme}"
    await tab.do("hover", "#price-chart .u-over")
    await tab.wait("!document.querySelector('#price-chart .legend li').hidden")
    await tab.do("hover", "h1")


async def keep_pictures(tab: Tab, folder: Path) -> None:
    """Keep what the browser shows at each width, by day and by night; nothing may stick out."""
    for scheme in ("light", "dark"):
        await tab.do("emulate_media", color_scheme=scheme)
        for width in WIDTHS:
            await tab.resize(width)
            await tab.wait(f"innerWidth === {width} && document.querySelector('canvas').clientWidth < {width}")
            path = folder / f"page-{scheme}-{width}.png"
            await tab.do("screenshot", path=str(path), full_page=True)
            assert await tab.read("document.documentElement.scrollWidth <= innerWidth"), (scheme, width)
            assert path.stat().st_size > 20_000
    for name, scheme, (width, height) in IN_DOCS:
        await tab.do("emulate_media", color_scheme=scheme)
        await tab.resize(width, height)
        await tab.wait(f"innerWidth === {width} && document.querySelector('canvas').clientWidth < {width}")
        await tab.do("screenshot", path=str(folder / name))
    await tab.resize(WIDTHS[0])


async def read_rows(tab: Tab, selector: str, *names: str) -> list[tuple[str, ...]]:
    values = ", ".join(f"row.dataset.{name}" for name in names)
    found = await tab.read(f"[...document.querySelectorAll('{selector}')].map(row => [{values}])")
    return [tuple(row) for row in found]


async def read_figures(tab: Tab, selector: str) -> dict[str, str]:
    return {row[0]: row[1] for row in await read_rows(tab, selector, "figure", "exact")}


def plain(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def write_fill(row: FillRow) -> tuple[str, ...]:
    fill, quote = row.fill, row.fill.quote
    edge = "null" if row.edge is None else f"{row.edge:f}"
    return str(fill.tid), quote.side, f"{quote.price:f}", f"{quote.size:f}", f"{fill.fee:f}", edge


async def check_journal(shown: Shown, tab: Tab) -> None:
    """Compare ladder, fills, figures and inventory with what ledger and record say by themselves."""
    orders = list_orders(shown.folder)
    ladder = await read_rows(tab, "#asks tr, #bids tr", "level", "size", "status")
    resting = sorted((int(level), plain(size)) for level, size, status in ladder if status == "resting")
    assert resting == sorted((order.quote.level_index, plain(f"{order.quote.size:f}")) for order in orders.orders)
    assert len(resting) >= 8

    with LedgerReader.open(shown.folder) as ledger:
        fills = list(ledger.read_fills())
    assert len(fills) > 300
    told = await read_rows(tab, "#fills tbody tr", "tid", "side", "price", "size", "fee", "edge")
    rows, _ = find_seen(shown.folder, fills[-200:])
    assert told == [write_fill(row) for row in reversed(rows)]

    figures = read_earnings(shown.folder, Asked(period=WHOLE, now_ms=shown.world.now_ms())).figures.to_json()
    parts = await read_figures(tab, "#parts tr[data-figure]")
    assert parts.keys() > {"pnl_vs_hold", "realised", "open", "fees.in_quote", "edge", "turn_income", "wealth_change"}
    for name, exact in parts.items():
        value: Any = figures
        for key in name.split("."):
            value = value[key]
        assert exact.lstrip("-") == (value or "").lstrip("-"), name
    assert parts["pnl_vs_hold"] != ""
    assert parts["fees.in_quote"].startswith("-")

    held = await read_figures(tab, "#inventory tr[data-figure]")
    assert held == {"token": f"{orders.offer.token:f}", "usdc": f"{orders.offer.quote:f}"}


@pytest.mark.timeout(300)
async def test_an_hour_of_trading_is_shown_as_the_journal_has_it(tmp_path: Path, mock_clock: MockClock) -> None:
    pictures = Path(os.environ.get("MM_TRIO_SCREENSHOTS") or tmp_path)
    async with looking(tmp_path / "maker", mock_clock) as (shown, maker, _, tab):
        began_s = trio.current_time()
        async with trio.open_nursery() as trading:
            trading.start_soon(shown.trade_forever)
            await tab.wait(HAS_PAST)
            while trio.current_time() < began_s + HOUR_S:
                with jumping(mock_clock):
                    await trio.sleep(ROUND_S)
                await tab.wait(IS_LIVE)
                await look_around(tab)
            await keep_pictures(tab, pictures)
            trading.cancel_scope.cancel()
        with jumping(mock_clock):
            await shown.settle(maker)
        settled_ms, fills = shown.world.now_ms(), len(shown.world.fills())
        await tab.click("#spans button[data-span='all']")
        for table in ("fills", "parts"):
            await tab.wait(f"Number(document.getElementById('{table}').dataset.at) > {settled_ms}", within_s=60)
        note = await tab.read("document.getElementById('fills-note').textContent")
        assert f": {fills} by the ledger" in note
        await check_journal(shown, tab)
        assert tab.complaints == []


# --- Keys and readers ---------------------------------------------------------------------------


async def test_it_can_be_used_without_a_mouse(tmp_path: Path, mock_clock: MockClock) -> None:
    async with looking(tmp_path, mock_clock) as (_, _, _, tab):
        focused = "document.activeElement.id || document.activeElement.textContent.trim()"
        await tab.press("Tab")
        assert await tab.read(focused) == "Skip to the figures"
        await tab.press("Enter")
        assert await tab.read(focused) == "main"
        reached = []
        for _ in range(20):
            await tab.press("Tab")
            reached.append(await tab.read(focused))
            shape = await tab.read("getComputedStyle(document.activeElement).outlineStyle")
            assert shape != "none", reached
            if reached[-1].startswith("Fills"):
                break
        assert [name for name in reached if name in ("15 min", "1 h", "6 h", "24 h", "7 d", "All")] == [
            *("15 min", "1 h", "6 h", "24 h", "7 d", "All")
        ]


async def test_a_reader_of_the_screen_finds_names_everywhere(tmp_path: Path, mock_clock: MockClock) -> None:
    async with looking(tmp_path, mock_clock) as (_, _, _, tab):
        await tab.wait(HAS_PAST)
        unnamed = await tab.read(
            """[...document.querySelectorAll('table, [role=img], section, article, button, [role=region]')].filter(
              each => !(each.getAttribute('aria-label') || each.getAttribute('aria-labelledby')
                || each.querySelector('caption, title') || each.textContent.trim())
            ).map(each => each.outerHTML.slice(0, 90))"""
        )
        labels = await tab.read(
            """[...document.querySelectorAll('[aria-labelledby]')].flatMap(each => each.getAttribute('aria-labelledby')
            .split(' ')).filter(id => !document.getElementById(id))"""
        )
        words = await tab.read("document.querySelector('#price-chart [role=img]').getAttribute('aria-label')")
        headers = await tab.read("[...document.querySelectorAll('thead th')].every(each => each.scope === 'col')")
        statuses = await tab.read("[...document.querySelectorAll('[role=status], [role=alert]')].map(each => each.id)")

    assert (unnamed, labels, headers) == ([], [], True)
    assert re.match(r"Price over .*\. Middle of the book: [\d.]+\. Boundary: [\d.]+\.", words)
    assert statuses == ["link-said", "notice", "state"]


async def test_amounts_are_rounded_as_texts(tmp_path: Path, mock_clock: MockClock) -> None:
    async with looking(tmp_path, mock_clock) as (_, _, _, tab):
        told = await tab.read(
            """import('/static/format.js').then(({round, plain, money, signed, duration}) => [
              round('1234567.005', 2), round('-0.0049', 2), round('0.995', 2), round('12345678901234567890.5', 0),
              plain('5.00'), plain('-1234.50'), money('0.001234'), money('-1234.567'), signed('0'), signed('2.5'),
              signed('-2.5'), duration(59.4), duration(3661), duration(200000)])"""
        )

    minus = "\N{MINUS SIGN}"
    assert told == [
        *("1,234,567.01", "0.00", "1.00", "12,345,678,901,234,567,891"),
        *("5", f"{minus}1,234.5", "0.001234", f"{minus}1,234.57", "0.0000", "+2.500"),
        *(f"{minus}2.500", "59 s", "1 h 1 min", "2 d 7 h"),
    ]


# --- Several markets ----------------------------------------------------------------------------


async def test_arrows_move_between_markets_and_enter_opens_one(tmp_path: Path, mock_clock: MockClock) -> None:
    mock_clock.rate = 1.0
    world = GridsWorld()
    shown = Shown(tmp_path, world)
    maker = world.account_maker()
    try:
        mock_clock.autojump_threshold = 0
        async with world.quoting(maker):
            mock_clock.autojump_threshold = float("inf")
            async with trio_asyncio.open_loop(), shown.open_page(maker) as server, open_tab(server.link) as tab:
                await tab.wait(IS_LIVE)
                names = [name for (name,) in await read_rows(tab, "#grids tbody tr", "key")]
                await tab.do("focus", "#grids tbody tr[tabindex='0']")
                for key in ("ArrowDown", "ArrowDown", "ArrowDown", "ArrowUp"):
                    await tab.press(key)
                await tab.press("Enter")
                await tab.wait("document.querySelector('#grids [aria-selected=true]')?.dataset.key === '@142'")
                await tab.wait("document.getElementById('pair').textContent.includes('@142')")
                hash_now = await tab.read("location.hash")
                ladder = await read_rows(tab, "#asks tr", "level", "status")
                # The ledger of this maker is in memory, and nothing is recorded.
                await tab.wait("document.getElementById('price-note').textContent.startsWith('Without prices: ')")
                await tab.resize(390)
                is_within = await tab.read("document.documentElement.scrollWidth <= innerWidth")
    finally:
        shown.close()

    assert names == list(COINS)
    assert (hash_now, is_within) == ("#%40142", True)
    assert len([level for level, status in ladder if status == "resting"]) > 3


# --- Its end ------------------------------------------------------------------------------------


async def test_it_says_that_the_maker_has_ended(tmp_path: Path, mock_clock: MockClock) -> None:
    async with looking(tmp_path, mock_clock) as (_, _, server, tab):
        server.scope.cancel()
        await tab.wait("document.body.classList.contains('lost')")
        notice = await tab.read("document.getElementById('notice').textContent")
        figures = await tab.read("document.querySelectorAll('#bids tr').length")

    assert notice.startswith("mm-trio is stopping, or has ended since ")
    assert figures > 0


# --- The program itself -------------------------------------------------------------------------


def read_link_below(folder: Path) -> str:
    (file,) = folder.glob("**/page-link")
    return file.read_text().strip()


async def test_the_program_shows_what_its_ledger_has(tmp_path: Path) -> None:
    """Everything is real here: an exchange and a maker in processes of their own, sockets, threads, clock."""
    with open_sandbox(tmp_path, "--seed", "181") as sandbox:
        config = sandbox.save_config(tmp_path)
        words = ("run", "--config", str(config), "--page", "--json")
        with running(tmp_path, *words, environ=sandbox.key) as maker:
            maker.wait_for("page open: ")
            maker.wait_for("tick=2 ")
            async with trio_asyncio.open_loop(), open_tab(read_link_below(tmp_path)) as tab:
                await tab.wait(IS_LIVE)
                await tab.wait("document.querySelectorAll('#fills tbody tr').length >= 5", within_s=60)
                await keep_pictures(tab, tmp_path)
                maker.process.send_signal(signal.SIGTERM)
                await tab.wait("document.body.classList.contains('lost')")
                told = await read_rows(tab, "#fills tbody tr", "tid", "price", "size")
                complaints = [each for each in tab.complaints if "ERR_CONNECTION" not in each]
                code = maker.end()
        _, out, _ = run(tmp_path, "fills", "--config", str(config), "--limit", "0", "--json", environ=sandbox.key)

    rows = [(str(row["tid"]), row["price"], row["size"]) for row in reversed(json.loads(out)["fills"])]
    later = len(rows) - len(told)
    assert code == 0, maker.err
    assert (complaints, len(told) >= 5) == ([], True)
    # Fills came after the page was last read; those before are the same to the last digit.
    assert told == rows[later:]
