"""The control socket of makers that run: its answers, and what its clients cannot do to the maker."""

from __future__ import annotations

import itertools
import json
import logging
import os
import socket
import stat
from collections.abc import Awaitable, Callable
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import trio
from builders import World, run_inline, until
from control_kit import ask, check_values, connect, make_source, serving
from grids_kit import COINS, GridsWorld
from trio.testing import MockClock

from mm_trio.control.client import NoSocket, ask_maker, open_lines
from mm_trio.control.http_link import Answer, LinkTerms, Request
from mm_trio.control.routes import make_routes, read_api
from mm_trio.control.server import ControlServer, Routes, ServerTerms, StreamLines
from mm_trio.control.service import serve_control
from mm_trio.control.socket_file import SOCKET_NAME, open_socket
from mm_trio.control.watch_lines import Watched, WatchLine
from mm_trio.halts.standing import State
from mm_trio.halts.standing_file import StandingFile, read_standing
from mm_trio.views.account_status import AccountStatus
from mm_trio.views.json_values import from_json

# --- Answers ------------------------------------------------------------------------------------


async def test_every_question_has_the_answer_that_is_described(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = World()
    maker = world.maker(requote_on_fill=True)
    async with world.running(maker), serving(maker, tmp_path):
        world.buy("7")
        await until(lambda: maker.stats.fills == 2)
        status, orders, fills, api = [
            await ask(tmp_path, path) for path in ("/v1/status", "/v1/orders", "/v1/fills", "/v1/openapi.json")
        ]
        await until(lambda: len(world.resting()) == len(maker.order_state.get_current_orders()))
        resting = {order.oid for order in world.resting()}

    found = from_json(AccountStatus, status.values)
    assert (found.state, found.fills, found.grids[0].name) == ("quoting", 2, world.coin)
    assert {order["oid"] for order in orders.values["grids"][0]["orders"]} == resting
    booked = fills.values["grids"][0]
    assert (booked["booked"], booked["is_whole"]) == (2, True)
    assert [(fill["side"], Decimal(fill["size"]), fill["complete"]) for fill in booked["fills"]] == [
        ("sell", Decimal(5), True),
        ("sell", Decimal(2), False),
    ]
    assert api.values == read_api()


async def test_fills_are_those_since_a_time_and_the_last_ones(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = World()
    maker = world.maker()
    async with world.running(maker), serving(maker, tmp_path):
        for number in range(3):
            world.buy("1")
            await until(lambda number=number: maker.stats.fills == number + 1)  # type: ignore[misc]
            await trio.sleep(2)
        whole = (await ask(tmp_path, "/v1/fills")).values["grids"][0]
        last = (await ask(tmp_path, "/v1/fills", limit="1")).values["grids"][0]
        since = (await ask(tmp_path, "/v1/fills", since=str(whole["fills"][2]["time_ms"]))).values["grids"][0]

    assert (len(whole["fills"]), whole["is_whole"]) == (3, True)
    assert (last["fills"], last["is_whole"]) == (whole["fills"][2:], False)
    assert [fill["tid"] for fill in since["fills"]] == [whole["fills"][2]["tid"]]


@pytest.mark.parametrize(
    ("path", "query", "status", "said"),
    [
        ("/v2/status", {}, 404, "unknown path '/v2/status'; there are: /v1/status"),
        ("/v1/status", {"coin": "@9"}, 404, "unknown market '@9'; this maker has: @107"),
        ("/v1/status", {"colour": "red"}, 400, "/v1/status has no parameter 'colour'; it takes coin"),
        ("/v1/fills", {"limit": "0"}, 400, "limit must be a whole number from 1 to 200, got '0'"),
        ("/v1/fills", {"since": "-1"}, 400, "since must be a whole number from 0"),
        ("/v1/watch", {"every": "x"}, 400, "every must be a whole number from 1 to 60, got 'x'"),
        ("/v1/watch", {"screen": "yes"}, 400, "screen must be true or false, got 'yes'"),
    ],
)
async def test_a_question_that_is_not_valid_says_what_is(
    autojump_clock: MockClock, tmp_path: Path, path: str, query: dict[str, str], status: int, said: str
) -> None:
    async with serving(World().maker(), tmp_path):
        reply = await ask(tmp_path, path, method="GET", body=None, **query)

    assert (reply.status, reply.values["status"]) == (status, status)
    assert said in reply.error


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "the body is not JSON"),
        (b"[]", "the body must be an object"),
        (b'{"why": 1}', "unknown field 'why'; it takes reason"),
        (b'{"reason": 1}', "reason must be one line"),
        (b'{"reason": "a\\nb"}', "reason must be one line"),
        (json.dumps({"reason": "x" * 201}).encode(), "at most 200 characters"),
        (b"[" * 10_000, "the body is not JSON"),
    ],
)
async def test_a_body_that_is_not_valid_changes_nothing(
    autojump_clock: MockClock, tmp_path: Path, body: bytes, said: str
) -> None:
    world = World()
    maker = world.maker(standing=StandingFile(tmp_path))
    async with world.running(maker), serving(maker, tmp_path):
        head = b"POST /v1/pause HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % len(body)
        client = await connect(tmp_path)
        await client.send_all(head + body)
        answer = await client.receive_some()
        await trio.sleep(2)

        assert answer.startswith(b"HTTP/1.1 400")
        assert said.encode() in answer
        assert maker.standing.state is State.ACTIVE


async def test_a_path_names_the_methods_that_it_takes(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with serving(World().maker(), tmp_path):
        client = await connect(tmp_path)
        await client.send_all(b"DELETE /v1/status HTTP/1.1\r\nhost: a\r\n\r\n")
        answer = await client.receive_some()

    assert answer.startswith(b"HTTP/1.1 405")
    assert b"allow: GET\r\n" in answer


async def test_one_connection_takes_many_requests(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with serving(World().maker(), tmp_path):
        client = await connect(tmp_path)
        await client.send_all(b"GET /v1/status HTTP/1.1\r\nhost: a\r\n\r\n" * 3)
        answers = b""
        with trio.move_on_after(1):
            while True:
                answers += await client.receive_some()

    assert answers.count(b"HTTP/1.1 200") == 3


# --- Requests of the operator ---------------------------------------------------------------------


async def test_a_pause_is_answered_once_it_is_on_disk(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = World()
    maker = world.maker(standing=StandingFile(tmp_path), requote_on_fill=True)
    async with world.running(maker), serving(maker, tmp_path):
        before_s = trio.current_time()
        reply = await ask(tmp_path, "/v1/pause", body={"reason": "news at noon"})
        took_s, on_disk = trio.current_time() - before_s, read_standing(tmp_path)
        again = await ask(tmp_path, "/v1/pause", body={})
        n_placed = world.calls("bulk_orders")
        world.buy("5")
        await trio.sleep(20)
        n_later, n_resting = world.calls("bulk_orders") - n_placed, len(world.resting())

    assert reply.is_good
    assert took_s <= 1.0
    assert (on_disk.state, reply.values["standing"]["state"]) == (State.PAUSED, "paused")
    assert on_disk.why == "the operator asked for PAUSE by the control socket: news at noon"
    assert again.values["before"] == again.values["standing"] == reply.values["standing"]
    assert (n_later, n_resting) == (0, 39)


async def test_cancel_only_empties_the_book(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = World()
    maker = world.maker(standing=StandingFile(tmp_path))
    async with world.running(maker), serving(maker, tmp_path):
        reply = await ask(tmp_path, "/v1/cancel-only", body={"reason": "enough"})
        await until(lambda: not world.resting(), within_s=5)

        assert reply.values["standing"]["state"] == "cancel_only"


async def test_a_resumption_says_what_it_does_and_waits_for_a_yes(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = World()
    maker = world.maker(standing=StandingFile(tmp_path))
    async with world.running(maker), serving(maker, tmp_path):
        nothing = await ask(tmp_path, "/v1/resume", body={"confirm": True})
        await ask(tmp_path, "/v1/pause", body={"reason": "lunch"})
        shown = await ask(tmp_path, "/v1/resume", body={})
        still = read_standing(tmp_path).state
        done = await ask(tmp_path, "/v1/resume", body={"confirm": True})
        now = read_standing(tmp_path).state

    assert "nothing to resume" in nothing.values["plan"]
    assert (shown.values["resumed"], still) == (False, State.PAUSED)
    assert "lunch" in shown.values["plan"]
    assert "lets it place orders at once" in shown.values["plan"]
    assert (done.values["resumed"], done.values["before"]["state"], now) == (True, "paused", State.ACTIVE)


async def test_one_market_of_several_is_paused_alone(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = GridsWorld()
    folders = {coin: tmp_path / coin for coin in COINS}
    for folder in folders.values():
        folder.mkdir()
    grids = [world.terms(coin, standing=StandingFile(folders[coin])) for coin in COINS]
    maker = world.account_maker(grids, standing=StandingFile(tmp_path))
    async with world.quoting(maker), serving(maker, tmp_path, mode="several"):
        one = await ask(tmp_path, "/v1/pause", body={}, coin=COINS[1])
        states = [face.standing.state for face in maker.faces.values()]
        everything = await ask(tmp_path, "/v1/pause", body={})
        status = await ask(tmp_path, "/v1/status", coin=COINS[0])

    assert one.is_good
    assert states == [State.ACTIVE, State.PAUSED, State.ACTIVE]
    assert (everything.values["standing"]["state"], read_standing(tmp_path).state) == ("paused", State.PAUSED)
    (grid,) = status.values["grids"]
    assert (grid["name"], grid["health"]["state"], status.values["identity"]["mode"]) == (COINS[0], "paused", "several")


async def test_a_maker_that_nobody_can_ask_says_so(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = World()
    maker = world.maker()
    async with world.running(maker), serving(maker, tmp_path):
        reply = await ask(tmp_path, "/v1/pause", body={})

    assert reply.status == 409
    assert "keeps no standing" in reply.error


class _Unwritable(StandingFile):
    """Standing on a disk that hangs for writing."""

    hangs = False

    def tighten(self, wanted: Any) -> Any:
        if self.hangs:
            raise OSError(28, "no space")
        return super().tighten(wanted)

    def resume(self, is_late: Callable[[], bool] = lambda: False) -> Any:
        if self.hangs:
            raise OSError(28, "no space")
        return super().resume(is_late)


async def test_a_resumption_that_is_not_written_is_withdrawn(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = World()
    standing = _Unwritable(tmp_path)
    maker = world.maker(standing=standing)
    async with world.running(maker), serving(maker, tmp_path):
        await ask(tmp_path, "/v1/pause", body={})
        standing.hangs = True
        reply = await ask(tmp_path, "/v1/resume", body={"confirm": True})
        standing.hangs = False
        await trio.sleep(10)

        assert reply.status == 504
        assert "RESUME was not written down within 8 s; it was withdrawn" in reply.error
        assert maker.standing.state is State.PAUSED


async def test_whoever_left_before_it_was_read_is_not_followed(autojump_clock: MockClock, tmp_path: Path) -> None:
    """A process that was stopped goes on, and finds what somebody asked who has given up since."""
    world = World()
    maker = world.maker(standing=StandingFile(tmp_path))
    async with world.running(maker):
        await trio.sleep(1)
        opened = open_socket(tmp_path)
        body = json.dumps({"reason": "gone"}).encode()
        async with await connect(tmp_path) as client:
            await client.send_all(
                b"POST /v1/pause HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
            )
        source = make_source(maker)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ControlServer(make_routes(source, Watched(source))).serve_forever, opened)
            await trio.sleep(5)
            nursery.cancel_scope.cancel()
        opened.close()

        assert maker.standing.state is State.ACTIVE


# --- The stream -----------------------------------------------------------------------------------


async def test_the_stream_has_a_line_for_each_change(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = World()
    maker = world.maker(standing=StandingFile(tmp_path), requote_on_fill=True)
    async with (
        world.running(maker),
        serving(maker, tmp_path),
        open_lines(tmp_path, "/v1/watch", query={"every": "30"}, within_s=5) as lines,
    ):
        first = from_json(WatchLine, await lines.receive())
        world.buy("5")
        with trio.fail_after(2):
            second = from_json(WatchLine, await lines.receive())
        await ask(tmp_path, "/v1/pause", body={})
        while (third := from_json(WatchLine, await lines.receive())).status.state != "paused":
            pass
        quiet_s = trio.current_time()
        fourth = await lines.receive()
        quiet_s = trio.current_time() - quiet_s

    assert (first.status.fills, second.status.fills) == (0, 1)
    assert (first.market, first.account) == (None, None)
    assert third.status.standing.state is State.PAUSED
    assert quiet_s == pytest.approx(30, abs=0.5)
    check_values(fourth, {"$ref": "#/components/schemas/WatchLine"})


async def test_a_screen_gets_its_market_four_times_a_second(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = GridsWorld()
    maker = world.account_maker()
    async with world.quoting(maker), serving(maker, tmp_path, mode="several"):
        query = {"screen": "true", "coin": COINS[2]}
        async with open_lines(tmp_path, "/v1/watch", query=query, within_s=5) as lines:
            began_s = trio.current_time()
            found = [from_json(WatchLine, await lines.receive()) for _ in range(9)]
            took_s = trio.current_time() - began_s

    last = found[-1]
    assert took_s == pytest.approx(2.0, abs=0.3)
    assert last.market is not None
    assert last.account is not None
    assert last.market.coin == COINS[2]
    assert [row.coin for row in last.account.rows] == list(COINS)
    assert [grid.name for grid in last.status.grids] == [COINS[2]]


async def test_nobody_looks_where_nobody_watches(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = World()
    maker = world.maker()
    n_taken = 0

    def read_clock() -> int:
        nonlocal n_taken
        n_taken += 1
        return 1

    async with world.running(maker), serving(maker, tmp_path, wall_ms=read_clock):
        await trio.sleep(60)
        n_alone = n_taken
        async with open_lines(tmp_path, "/v1/watch", within_s=5) as lines:
            await lines.receive()
            await trio.sleep(10)
        await trio.sleep(1)
        n_watched = n_taken
        await trio.sleep(60)

    assert n_alone == 0
    assert 35 < n_watched < 50
    assert n_taken == n_watched


# --- Clients that misbehave -----------------------------------------------------------------------

TIGHT = ServerTerms(connections=4, streams=2, answer_within_s=2.0, link=LinkTerms(request_within_s=3.0))


async def measure_ticks(maker: Any, work: Callable[[], Awaitable[None]]) -> list[float]:
    """The seconds between the ends of a maker's ticks while work is done."""
    ends: list[float] = []
    async with trio.open_nursery() as nursery:

        async def look() -> None:
            while True:
                if maker.ticked_s is not None and (not ends or maker.ticked_s != ends[-1]):
                    ends.append(maker.ticked_s)
                await trio.sleep(0.01)

        nursery.start_soon(look)
        await work()
        nursery.cancel_scope.cancel()
    return [later - earlier for earlier, later in itertools.pairwise(ends)]


async def test_a_client_that_never_reads_is_dropped(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = World()
    maker = world.maker(interval_s=1.0)
    async with world.running(maker), serving(maker, tmp_path, terms=TIGHT):

        async def stay_deaf() -> None:
            async with await connect(tmp_path) as client:
                await client.send_all(b"GET /v1/watch?screen=true HTTP/1.1\r\nhost: a\r\n\r\n")
                await trio.sleep(120)
                # All that was sent is still there, and the end behind it.
                received = 0
                while data := await client.receive_some():
                    received += len(data)
                assert received < 2**20

        gaps = await measure_ticks(maker, stay_deaf)
        again = await ask(tmp_path, "/v1/status")

    assert len(gaps) > 100
    assert max(gaps) < 1.1
    assert again.is_good


async def test_a_thousand_clients_cost_the_maker_no_tick(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = World()
    maker = world.maker(interval_s=1.0)
    answers: list[bytes] = []
    async with world.running(maker), serving(maker, tmp_path):

        async def come() -> None:
            async with await connect(tmp_path) as client:
                # Where so many wait that it was not even accepted, it is as if nobody had come.
                with trio.move_on_after(5), suppress(trio.BrokenResourceError):
                    answers.append(await client.receive_some())

        async def come_all() -> None:
            async with trio.open_nursery() as nursery:
                for _ in range(1_000):
                    nursery.start_soon(come_when_there_is_room)

        # The kernel lets 64 wait to be accepted, and a connection of trio does not wait for more room.
        room = trio.CapacityLimiter(60)

        async def come_when_there_is_room() -> None:
            async with room:
                await come()

        gaps = await measure_ticks(maker, come_all)
        after = await ask(tmp_path, "/v1/status")

    assert sum(answer.startswith(b"HTTP/1.1 503") for answer in answers) > 500
    assert max(gaps) < 1.1
    assert after.is_good


async def test_the_connection_beyond_the_last_is_answered_503(
    autojump_clock: MockClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(World().maker(), tmp_path, terms=TIGHT):
        held = [await connect(tmp_path) for _ in range(4)]
        await trio.sleep(0.1)
        with caplog.at_level(logging.WARNING, "mm_trio.control"):
            refused = [await ask(tmp_path, "/v1/status") for _ in range(3)]
        await held[0].aclose()
        await trio.sleep(0.1)
        taken = await ask(tmp_path, "/v1/status")

    assert [(reply.status, reply.error) for reply in refused] == [
        (503, "4 connections are open, the most that are served")
    ] * 3
    assert [line for line in caplog.messages if "refused" in line] == [
        "control client refused: connections=4; close one"
    ]
    assert taken.is_good


async def test_streams_never_keep_out_who_has_to_pause(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = World()
    maker = world.maker(standing=StandingFile(tmp_path))
    async with world.running(maker), serving(maker, tmp_path, terms=TIGHT):
        async with (
            open_lines(tmp_path, "/v1/watch", within_s=5),
            open_lines(tmp_path, "/v1/watch", within_s=5),
        ):
            third = await ask(tmp_path, "/v1/watch")
            paused = await ask(tmp_path, "/v1/pause", body={})
        await trio.sleep(0.1)
        async with open_lines(tmp_path, "/v1/watch", within_s=5) as lines:
            line: Any = await lines.receive()

    assert third.status == 503
    assert "2 streams are open" in third.error
    assert paused.is_good
    assert line["status"]["state"] == "paused"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /v1/status HTTP/1.1\r\nhost:", b"408"),
        (b"POST /v1/pause HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n{", b"408"),
        (b"\x16\x03\x01 this is not HTTP\r\n\r\n", b"400"),
        (b"GET /v1/status HTTP/1.1\r\n\r\n", b"400"),
        (b"GET //[ HTTP/1.1\r\nhost: a\r\n\r\n", b"400"),
        (b"GET /v1/status?coin=a&coin=b HTTP/1.1\r\nhost: a\r\n\r\n", b"400"),
        (b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nhost: a\r\n\r\n", b"431"),
        (b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"b" * 20_000, b"431"),
        (b"POST /v1/pause HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\n" + b" " * 20_000, b"413"),
    ],
)
async def test_half_a_request_and_garbage_have_one_answer_and_an_end(
    autojump_clock: MockClock, tmp_path: Path, sent: bytes, status: bytes
) -> None:
    async with serving(World().maker(), tmp_path, terms=TIGHT):
        client = await connect(tmp_path)
        await client.send_all(sent)
        answer = b""
        with trio.fail_after(4):
            try:
                while data := await client.receive_some():
                    answer += data
            except trio.BrokenResourceError:
                # What was sent and not read resets the connection, behind the answer.
                pass

    assert answer.startswith(b"HTTP/1.1 " + status)
    assert answer.count(b"HTTP/1.1") == 1
    assert b"\r\nconnection: close\r\n" in answer.lower()


async def test_a_client_that_vanishes_leaves_its_place(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with serving(World().maker(), tmp_path, terms=TIGHT):
        for _ in range(20):
            client = await connect(tmp_path)
            await client.send_all(b"GET /v1/watch HTTP/1.1\r\nhost: a\r\n\r\n")
            await client.receive_some()
            await client.aclose()
        await trio.sleep(0.1)

        assert (await ask(tmp_path, "/v1/status")).is_good


async def test_an_idle_connection_ends(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with serving(World().maker(), tmp_path, terms=TIGHT):
        client = await connect(tmp_path)
        began_s = trio.current_time()
        end = await client.receive_some()

        assert (end, round(trio.current_time() - began_s)) == (b"", 3)


async def test_a_handler_that_fails_or_hangs_costs_its_request(
    autojump_clock: MockClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(_request: Request) -> Answer:
        raise RuntimeError("broken")

    async def hang(_request: Request) -> Answer:
        await trio.sleep_forever()
        raise AssertionError

    async def fail_later(send: Callable[[bytes], Awaitable[None]]) -> None:
        await send(b"{}")
        raise RuntimeError("broken later")

    async def stream(_request: Request) -> StreamLines:
        return fail_later

    async def fine(_request: Request) -> Answer:
        return Answer(values={"fine": True})

    routes: Routes = {
        "/fail": {"GET": fail, "POST": fail},
        "/hang": {"POST": hang},
        "/s": {"GET": stream},
        "/ok": {"GET": fine},
    }
    opened = open_socket(tmp_path)
    server = ControlServer(routes, TIGHT)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.serve_forever, opened)
        replies = [
            await ask_maker(tmp_path, method, path, within_s=10)
            for method, path in (("GET", "/fail"), ("POST", "/fail"), ("POST", "/hang"))
        ]
        async with open_lines(tmp_path, "/s", within_s=5) as lines:
            first, end = await lines.receive(), await lines.receive()
        fine_reply = await ask_maker(tmp_path, "GET", "/ok", within_s=10)
        await trio.sleep(0.1)
        left = server.n_connections, server.n_streams
        nursery.cancel_scope.cancel()
    opened.close()

    assert [reply.status for reply in replies] == [500, 500, 504]
    assert "broken" not in json.dumps([reply.values for reply in replies])
    assert (first, end) == ({}, None)
    assert fine_reply.values == {"fine": True}
    assert left == (0, 0)
    assert any(
        "control request failed: method=GET path=/fail error=RuntimeError('broken')" in m for m in caplog.messages
    )
    assert any("control connection failed" in message for message in caplog.messages)


# --- The file -----------------------------------------------------------------------------------


async def test_the_socket_is_private_and_goes_with_its_maker(autojump_clock: MockClock, tmp_path: Path) -> None:
    path = tmp_path / SOCKET_NAME
    async with serving(World().maker(), tmp_path):
        status = path.stat()

        assert stat.S_ISSOCK(status.st_mode)
        assert stat.S_IMODE(status.st_mode) == 0o600
        assert os.listdir(tmp_path) == [SOCKET_NAME]
    assert not path.exists()


async def test_the_socket_of_a_dead_maker_is_replaced(autojump_clock: MockClock, tmp_path: Path) -> None:
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(tmp_path / SOCKET_NAME))
    dead.close()
    with pytest.raises(NoSocket, match="Connection refused"):
        await ask_maker(tmp_path, "GET", "/v1/status", within_s=5)

    async with serving(World().maker(), tmp_path):
        await until(lambda: (tmp_path / SOCKET_NAME).stat().st_mode & 0o777 == 0o600)
        assert (await ask(tmp_path, "/v1/status")).is_good


async def test_a_file_in_its_place_is_left_alone_and_told(
    autojump_clock: MockClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / SOCKET_NAME
    path.write_text("mine")

    await serve_control(make_source(World().maker()), tmp_path, run_sync=run_inline)

    assert path.read_text() == "mine"
    assert caplog.messages == [
        f"control socket not opened: {path} is not a socket; remove it, the maker makes its own; the maker goes on "
        "without, its files and signals work"
    ]


async def test_a_path_that_is_too_long_works_by_its_open_folder(autojump_clock: MockClock, tmp_path: Path) -> None:
    folder = tmp_path / ("a" * 100) / ("b" * 100)
    folder.mkdir(parents=True)

    async with serving(World().maker(), folder):
        assert (await ask(folder, "/v1/status")).is_good
    assert os.listdir(folder) == []


async def test_a_path_that_no_name_is_short_enough_for_is_told(
    autojump_clock: MockClock, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mm_trio.control.socket_file._OPEN_FOLDERS", tmp_path / "none")
    folder = tmp_path / ("a" * 100)
    folder.mkdir()

    await serve_control(make_source(World().maker()), folder, run_sync=run_inline)

    (line,) = caplog.messages
    assert "is longer than the 107 bytes that a socket's name may have here; set XDG_STATE_HOME" in line
    with pytest.raises(NoSocket, match="set XDG_STATE_HOME"):
        await ask_maker(folder, "GET", "/v1/status", within_s=5)


async def test_a_folder_that_is_gone_is_told(
    autojump_clock: MockClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await serve_control(make_source(World().maker()), tmp_path / "gone", run_sync=run_inline)

    (line,) = caplog.messages
    assert "control.sock cannot be opened: No such file or directory" in line


async def test_the_maker_ends_at_once_with_clients_connected(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = World()
    maker = world.maker()
    clients: list[trio.SocketStream] = []
    async with world.running(maker), serving(maker, tmp_path):
        for sent in (b"", b"GET /v1/wat", b"GET /v1/watch HTTP/1.1\r\nhost: a\r\n\r\n"):
            clients.append(await connect(tmp_path))
            await clients[-1].send_all(sent)
        await trio.sleep(3)
        ended_s = trio.current_time()

    assert trio.current_time() - ended_s < 1
    assert not (tmp_path / SOCKET_NAME).exists()
    for client in clients:
        await client.aclose()
