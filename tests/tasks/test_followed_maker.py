"""A maker is followed over its socket, whatever becomes of it, and told by keys."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest
import trio
from builders import World, until
from control_kit import serving
from grids_kit import COINS, GridsWorld
from trio.testing import MockClock

from mm_trio.cli.control_programs import followed_maker
from mm_trio.cli.control_programs.followed_maker import FollowedMaker, ToldBySocket
from mm_trio.cli.control_programs.status_text import describe_grid_line, write_status
from mm_trio.cli.control_programs.watch_maker import StatusLines
from mm_trio.control.client import MakerSilent, ask_maker, open_lines
from mm_trio.control.http_link import Request
from mm_trio.control.server import ControlServer, StreamLines
from mm_trio.control.socket_file import SOCKET_NAME, open_socket
from mm_trio.halts.standing import State
from mm_trio.halts.standing_file import StandingFile
from mm_trio.limits.terms import RiskLimits
from mm_trio.terminal_ui.operator_keys import OperatorFailed


@pytest.fixture(autouse=True)
def no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether a maker runs is looked up on a thread, which virtual time would leap over."""

    async def is_running(folder: Path) -> bool:
        return (folder / "lock").exists()

    monkeypatch.setattr(followed_maker, "is_running", is_running)


async def test_lines_go_on_over_an_end_and_a_restart(autojump_clock: MockClock, tmp_path: Path) -> None:
    notices: list[str] = []
    followed = FollowedMaker(tmp_path, coin=None, for_screen=False, every_s=5, on_notice=notices.append)
    world = World()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(followed.follow_forever)
        await until(lambda: notices)
        async with world.running(world.maker()) as maker, serving(maker, tmp_path):
            await until(lambda: followed.latest is not None and followed.latest.status.state == "quoting")
            assert followed.notice is None
        await until(lambda: len(notices) == 2)
        stale = followed.latest
        async with World().running(World().maker()) as again, serving(again, tmp_path):
            await until(lambda: followed.latest is not stale)
            assert followed.notice is None
        nursery.cancel_scope.cancel()

    assert notices[:2] == [
        "no maker runs with this configuration; waiting for one to start",
        "the maker has ended; this was its last state; waiting for it to start again",
    ]


async def test_another_market_is_followed_at_once(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = GridsWorld()
    maker = world.account_maker()
    followed = FollowedMaker(tmp_path, coin=None, for_screen=True, every_s=5)
    async with world.quoting(maker), serving(maker, tmp_path, mode="several"), trio.open_nursery() as nursery:
        nursery.start_soon(followed.follow_forever)
        await followed.began.wait()
        first = followed.latest
        followed.want(COINS[2])
        began_s = trio.current_time()
        await until(lambda: followed.latest is not None and followed.latest.market is not None)
        await until(lambda: followed.latest.market.coin == COINS[2])  # type: ignore[union-attr]
        took_s = trio.current_time() - began_s
        nursery.cancel_scope.cancel()

    assert first is not None
    assert first.market is not None
    assert first.market.coin == COINS[0]
    assert took_s < 1


async def follow_server(folder: Path, write: Callable[[Callable[[bytes], Awaitable[None]]], Awaitable[None]]) -> str:
    """The first notice about a maker that answers the stream so."""

    async def give(_request: Request) -> StreamLines:
        return write

    (folder / "lock").touch()
    opened = open_socket(folder)
    notices: list[str] = []
    followed = FollowedMaker(folder, coin=None, for_screen=False, every_s=5, on_notice=notices.append)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ControlServer({"/v1/watch": {"GET": give}}).serve_forever, opened)
        nursery.start_soon(followed.follow_forever)
        await until(lambda: notices)
        nursery.cancel_scope.cancel()
    opened.close()
    return notices[0]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"not json", "the answer is not JSON"),
        (b"{}", "WatchLine has no status"),
        (b"[1]", "WatchLine is '[1]', not an object"),
    ],
)
async def test_lines_that_cannot_be_read_are_told(
    autojump_clock: MockClock, tmp_path: Path, line: bytes, said: str
) -> None:
    async def write(send: Callable[[bytes], Awaitable[None]]) -> None:
        await send(line)
        await trio.sleep_forever()

    notice = await follow_server(tmp_path, write)

    assert notice.startswith(f"the maker does not answer: {said}")


async def test_a_maker_that_says_nothing_more_is_told(autojump_clock: MockClock, tmp_path: Path) -> None:
    async def write(_send: Callable[[bytes], Awaitable[None]]) -> None:
        await trio.sleep_forever()

    assert "it has said nothing for 15 s" in await follow_server(tmp_path, write)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "closed the connection without an answer"),
        (b"garbage\r\n\r\n", "the connection broke off"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n{}", "the connection broke off"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nyes", "the answer is not JSON"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 90000000\r\n\r\n" + b" " * 9_000_000, "has more than"),
    ],
)
async def test_an_answer_that_is_none_is_told(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes, said: str
) -> None:
    # The path of a temporary folder may be too long for a socket.
    monkeypatch.chdir(tmp_path)
    listener = trio.socket.socket(socket.AF_UNIX)
    await listener.bind(SOCKET_NAME)
    listener.listen()

    async def answer_once() -> None:
        client, _ = await listener.accept()
        async with trio.SocketStream(client) as stream:
            await stream.receive_some()
            with suppress(trio.BrokenResourceError):
                await stream.send_all(answer)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer_once)
        with pytest.raises(MakerSilent, match=said):
            await ask_maker(tmp_path, "GET", "/v1/status", within_s=5)
    listener.close()


async def test_a_maker_that_takes_no_request_is_silent(autojump_clock: MockClock, tmp_path: Path) -> None:
    """As one that was stopped: the kernel takes the connection for it."""
    opened = open_socket(tmp_path)

    with pytest.raises(MakerSilent, match="did not answer within 3 s"):
        await ask_maker(tmp_path, "GET", "/v1/status", within_s=3)
    with pytest.raises(MakerSilent, match="did not answer within 3 s"):
        async with open_lines(tmp_path, "/v1/watch", within_s=3):
            pass
    opened.close()


async def test_keys_reach_the_maker_by_its_socket(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = World()
    maker = world.maker(standing=StandingFile(tmp_path))
    told = ToldBySocket(tmp_path)
    with pytest.raises(OperatorFailed, match=r"control\.sock"):
        await told.pause(None)
    async with world.running(maker), serving(maker, tmp_path):
        assert await told.explain_resumption(None) is None
        paused = await told.pause(None)
        plan = await told.explain_resumption(None)
        resumed = await told.resume(None)
        states = [maker.standing.state]
        await told.cancel_all(world.coin)
        states.append(maker.standing.state)
        with pytest.raises(OperatorFailed, match="unknown market '@9'"):
            await told.pause("@9")

    assert paused.startswith("paused since ")
    assert paused.endswith("a key of `mm-trio watch`")
    assert plan is not None
    assert "resuming lets it place orders at once" in plan
    assert (resumed, states) == ("active", [State.ACTIVE, State.CANCEL_ONLY])


async def test_a_status_in_words_has_what_matters(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = GridsWorld()
    grids = [world.terms(coin, limits=RiskLimits(max_actions_per_hour=60, budget_floor=1)) for coin in COINS[:2]]
    maker = world.account_maker(grids)
    async with world.quoting(maker), serving(maker, tmp_path, mode="several") as source:
        await trio.sleep(5)
        status = source.take()
        text, lines = write_status(status), StatusLines()
        first, same = lines.find_news(status), lines.find_news(status)

    assert text.startswith("quoting\n")
    assert "limit max_actions_per_hour: " in text
    assert "limit budget_floor" not in text
    assert f"({COINS[0]})" in text
    assert "budget 9," in text
    assert [line.split()[0] for line in first] == ["account:", "market:", "market:"]
    # Nothing changed, so all of it is told as a sign of life.
    assert same == first
    assert describe_grid_line(status.grids[0]) in first
