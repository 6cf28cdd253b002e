"""The page's answers on real sockets, without a browser: events, files, the past, and clients that are in the way."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import trio

pytest.importorskip("starlette", reason="the extra `page` is not installed")
pytest.importorskip("hypercorn", reason="the extra `page` is not installed")

from builders import until
from crowd_kit import crowd, watching_lateness
from page_kit import Shown
from web_kit import Server

from mm_trio import WsState
from mm_trio.web import connections
from mm_trio.web.page import event_stream, live_state
from mm_trio.web.page.past import SPANS_MS
from mm_trio.web.page.static_files import read_files

pytestmark = pytest.mark.e2e

WITHIN_S = 30.0
# A tick comes each three seconds, and the machine may be busy with others.
LATE_S = 0.5


@asynccontextmanager
async def shown_maker(folder: Path) -> AsyncIterator[tuple[Shown, WsState, Server]]:
    """A maker that quotes, and its page that a client has entered."""
    shown = Shown(folder)
    try:
        async with shown.world.running(shown.make_maker()) as maker, shown.open_page(maker) as server:
            await server.enter()
            yield shown, maker, server
    finally:
        shown.close()


class Events:
    """Events of one client, read as they come."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.text = ""

    async def next(self) -> tuple[str, Any]:
        """Return the next event and its data; comments are left out. Errors: trio.EndOfChannel."""
        with trio.fail_after(WITHIN_S):
            while True:
                event, found, rest = self.text.partition("\n\n")
                if not found:
                    data = await self.stream.receive_some()
                    if not data:
                        raise trio.EndOfChannel
                    # Sizes of chunks are lines of their own, and no line of ours is a number.
                    lines = bytes(data).decode().split("\r\n")
                    self.text += "".join(line for line in lines if not _is_size(line))
                    continue
                self.text = rest
                fields = dict(line.split(": ", 1) for line in event.splitlines() if ": " in line and line[0] != ":")
                if "event" in fields:
                    return fields["event"], json.loads(fields["data"])

    async def next_state(self) -> Any:
        while True:
            name, data = await self.next()
            if name == "state":
                return data


def _is_size(line: str) -> bool:
    return 0 < len(line) <= 6 and all(each in "0123456789abcdef" for each in line)


async def open_events(server: Server, path: str = "/api/events") -> Events:
    stream = await server.connect()
    lines = [f"GET {path} HTTP/1.1", f"host: 127.0.0.1:{server.port}", f"cookie: {server.headers['cookie']}"]
    await stream.send_all("\r\n".join((*lines, "", "")).encode())
    head = b""
    with trio.fail_after(WITHIN_S):
        while b"\r\n\r\n" not in head:
            head += await stream.receive_some(1)
    assert b" 200 " in head.splitlines()[0], head
    assert b"text/event-stream" in head
    return Events(stream)


# --- What is sent -------------------------------------------------------------------------------


async def test_states_come_with_what_rests_and_what_happened(tmp_path: Path) -> None:
    async with shown_maker(tmp_path) as (shown, maker, server):
        events = await open_events(server)
        first = await events.next_state()
        shown.world.buy("3")
        with trio.fail_after(WITHIN_S):
            while (last := await events.next_state())["grid"]["health"]["fills"] == 0:
                pass
        await events.stream.aclose()

        grid = first["grid"]
        asks = {level: resting for level, _, resting, _, status in grid["asks"] if status == "resting"}
        assert len(asks) == 8
        assert grid["boundary_level"] == min(asks)
        assert (grid["name"], first["rows"][0]["name"], len(first["rows"])) == ("@107", "@107", 1)
        assert {"max_order_notional", "max_side_notional"} < {use["name"] for use in grid["limits"]}
        assert last["account"]["identity"]["network"] == "sandbox"
        assert last["grid"]["health"]["fill_volume"] == f"{maker.stats.fill_volume:f}"


async def test_lines_of_the_log_come_once_and_without_keys(tmp_path: Path) -> None:
    async with shown_maker(tmp_path) as (_, _, server):
        log = logging.getLogger("mm_trio.test")
        log.warning("before: key=%s", "5e" * 32)
        events = await open_events(server)
        lines: list[Any] = []
        log.warning("after: n=2")
        with trio.fail_after(WITHIN_S):
            while not any(line["text"] == "after: n=2" for line in lines):
                name, data = await events.next()
                lines += data if name == "log" else []
        await events.stream.aclose()

    numbers = [line["n"] for line in lines]
    assert numbers == sorted(set(numbers))
    assert [line["text"] for line in lines if line["source"] == "test"] == ["before: key=<hidden>", "after: n=2"]


async def test_every_file_is_served_and_no_other(tmp_path: Path) -> None:
    async with shown_maker(tmp_path) as (_, _, server):
        for name, file in read_files().items():
            answer = await server.ask(f"/static/{name}")
            assert (answer.status, answer.body) == (200, file.content), name
            assert answer.headers["content-type"] == file.media_type
        index = await server.ask("/")
        wrong = [
            (await server.ask(f"/static/{path}")).status
            for path in ("../app.py", "%2e%2e/app.py", "..%2fapp.py", "none.js", "", "index.html/..", "./page.css")
        ]

    assert index.body == read_files()["index.html"].content
    assert set(wrong) == {404}


def test_the_page_names_no_other_host_and_has_no_code_or_style_inside() -> None:
    """What the policy would refuse is not there; uPlot's own comment names its home."""
    texts = {name: file.content.decode() for name, file in read_files().items() if not name.startswith("uplot")}

    for name, text in texts.items():
        assert "https://" not in text, name
        assert text.replace("http://www.w3.org/2000/svg", "").count("http://") == 0, name
    assert " style=" not in texts["index.html"]
    assert "onclick" not in texts["index.html"]
    assert texts["index.html"].count("<script ") == texts["index.html"].count("<script src=")
    assert not [name for name, text in texts.items() if "innerHTML" in text or "eval(" in text]


async def test_nothing_is_shown_without_the_cookie(tmp_path: Path) -> None:
    async with shown_maker(tmp_path) as (_, _, server):
        server.headers = {}
        paths = ("/", "/static/page.css", "/api/events", "/api/past", "/api/past?span=1h", "/none")

        assert [(await server.ask(path)).status for path in paths] == [401] * len(paths)


async def test_what_cannot_be_shown_is_told(tmp_path: Path) -> None:
    async with shown_maker(tmp_path) as (_, _, server):
        told = [
            await server.ask(path) for path in ("/api/events?grid=none", "/api/past?grid=none", "/api/past?span=2h")
        ]
        head = await server.ask("/api/events", method="HEAD")

    assert [answer.status for answer in told] == [404, 404, 400]
    assert all(span in told[2].text for span in SPANS_MS)
    assert (head.status, head.body) == (200, b"")


async def test_the_past_is_that_of_the_ledger(tmp_path: Path) -> None:
    async with shown_maker(tmp_path) as (shown, maker, server):
        for size in ("3", "7.5"):
            shown.world.buy(size)
        await shown.settle_now(maker)
        read = json.loads((await server.ask("/api/past?span=all")).body)

        fills = shown.world.fills()
        assert (read["grid"], read["span"], read["failure"]) == ("@107", "all", None)
        assert [(row["tid"], Decimal(row["size"])) for row in read["past"]["fills"]] == [
            (fill.tid, fill.size) for fill in reversed(fills)
        ]
        assert read["past"]["earnings"]["fills"]["n"] == len(fills) > 1


# --- Who is in the way --------------------------------------------------------------------------


async def test_a_client_that_never_reads_is_cut_off_and_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it did not take is not kept for it: it is sent one state at a time."""
    monkeypatch.setattr(connections, "SEND_WITHIN_S", 0.2)
    async with shown_maker(tmp_path) as (_, maker, server):
        monkeypatch.setattr(live_state, "make_shared", lambda _status: {"account": "x" * 4_000_000, "rows": []})
        silent = await open_events(server)
        await trio.sleep(1)
        # It reads at last: what was on its way, and then the end, though states would have gone on.
        with trio.fail_after(WITHIN_S), suppress(trio.BrokenResourceError):
            while await silent.stream.receive_some(1_000_000):
                pass
        monkeypatch.undo()
        other, ticks = await open_events(server), maker.stats.ticks
        assert (await other.next_state())["grid"]["name"] == "@107"
        await until(lambda: maker.stats.ticks > ticks)
        await other.stream.aclose()
        await silent.stream.aclose()


async def test_two_hundred_clients_get_states_or_a_word(tmp_path: Path) -> None:
    """The loop that quotes goes on meanwhile: a task on it is never late by much."""
    async with shown_maker(tmp_path) as (_, maker, server), watching_lateness() as late_s:
        lines = ["GET /api/events HTTP/1.1", f"host: 127.0.0.1:{server.port}", f"cookie: {server.headers['cookie']}"]
        async with crowd(server.port, 220, "\r\n".join((*lines, "", ""))) as statuses:
            ticks = maker.stats.ticks
            await until(lambda: maker.stats.ticks >= ticks + 2)

    assert statuses[200] == event_stream.MOST_STREAMS
    assert statuses[503] > 0
    assert max(late_s) < LATE_S, sorted(late_s)[-5:]


async def test_all_hear_of_the_end_at_once(tmp_path: Path) -> None:
    async with shown_maker(tmp_path) as (_, _, server):
        clients = [await open_events(server) for _ in range(5)]
        for client in clients:
            await client.next_state()
        began_s = trio.current_time()
        server.scope.cancel()
        names: list[str] = []
        for client in clients:
            while True:
                name, _ = await client.next()
                if name == "ended":
                    names.append(name)
                    break
            with pytest.raises(trio.EndOfChannel):
                await client.next()
            await client.stream.aclose()

        assert names == ["ended"] * 5
        assert trio.current_time() - began_s < 5
