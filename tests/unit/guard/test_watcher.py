"""What a guard does once its maker is silent, at an exchange with the venue's rules."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
import trio
from guard_kit import ACCOUNT, COIN, GuardedVenue, Orders, make_cover, read_cancels

from mm_trio.guard import venue_session, watcher
from mm_trio.guard.files import MakerFiles
from mm_trio.guard.heartbeat import ALIVE_NAME, HEARTBEAT_NAME, Heartbeat, Life, write_heartbeat
from mm_trio.guard.signed_file import FIRED_NAME, read_fired
from mm_trio.guard.venue_session import VenueSession, call_in_thread
from mm_trio.guard.watcher import Watcher
from mm_trio.venue.rest_client import VenueClient
from mm_trio.venue.sdk import make_info
from mm_trio.venue.wire import parse_spot_meta

AFTER_S = 0.4


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorter pauses; what is done between them is the same."""
    monkeypatch.setattr(watcher, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(watcher, "FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr(watcher, "LONGEST_PAUSE_S", 0.2)
    monkeypatch.setattr(venue_session, "POLL_AGAIN_S", 0.03)


class Scene:
    """A maker's folder, its orders at the venue, and the guard of both."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.venue = GuardedVenue()
        self.orders = Orders()
        self.cover = make_cover(self.venue, folder, self.orders)
        self.spoil: Callable[[bytes], Any] | None = None
        self.n_beats = 0
        info = make_info("http://127.0.0.1:9", parse_spot_meta(self.venue.ask({"type": "spotMeta"})))
        info.session = self.venue.door
        client = VenueClient(info, address=ACCOUNT, run_sync=call_in_thread)
        files = MakerFiles(folder, owner=("sandbox", ACCOUNT, COIN))
        self.guard = Watcher(files, VenueSession(client, self._post), coins=[COIN], after_s=AFTER_S)
        self.report = self.guard.report

    def _post(self, body: bytes) -> Any:
        if self.spoil is not None:
            return self.spoil(body)
        return self.venue.door.post("/exchange", body).json()

    def rest(self, n: int) -> set[str]:
        """Cover and place so many orders more; their cloids."""
        intents = [self.venue.make_intent() for _ in range(n)]
        self.orders.in_flight += intents
        self.cover.make_cover()()
        self.venue.place(*intents)
        return {intent.cloid for intent in intents}

    def beat(self, state: Life = Life.RUNNING) -> None:
        self.n_beats += 1
        write_heartbeat(self.folder, Heartbeat(self.n_beats, 7, 0.0, state))

    async def until(self, condition: Callable[[], object]) -> None:
        with trio.fail_after(20):
            while not condition():  # noqa: ASYNC110 - the exchange sets no event
                await trio.sleep(0.01)


@contextmanager
def hanging(path: Path) -> Iterator[None]:
    """A file whose disk hangs: whoever opens it waits until this ends."""
    beside = path.with_name(f"{path.name}.pipe")
    os.mkfifo(beside, 0o600)
    beside.replace(path)
    try:
        yield
    finally:
        # Both ends, so that every reader and writer that waits goes on.
        os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK))
        path.unlink(missing_ok=True)


@asynccontextmanager
async def guarded(folder: Path) -> AsyncIterator[Scene]:
    scene = Scene(folder)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(scene.guard.watch)
        yield scene
        nursery.cancel_scope.cancel()


async def test_a_silent_maker_has_nothing_resting(tmp_path: Path) -> None:
    async with guarded(tmp_path) as scene:
        scene.rest(40)
        scene.beat()
        await scene.until(lambda: scene.report.verified)

    assert scene.venue.list_resting() == set()
    assert (scene.report.fired, scene.report.cancelled, scene.report.may_rest) == (1, 40, ())


async def test_what_is_posted_is_told_to_the_maker(tmp_path: Path) -> None:
    async with guarded(tmp_path) as scene:
        scene.rest(1)
        scene.beat()
        await scene.until(lambda: scene.report.verified)

    assert read_fired(tmp_path) == {read_cancels(tmp_path).first}


async def test_a_maker_that_ended_is_left_alone(tmp_path: Path) -> None:
    async with guarded(tmp_path) as scene:
        scene.rest(3)
        scene.beat()
        scene.beat(Life.STOPPED)
        await trio.sleep(2 * AFTER_S)

    assert scene.report.fired == 0
    assert len(scene.venue.list_resting()) == 3


async def test_a_later_maker_whose_heartbeat_cannot_be_written_is_guarded(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with guarded(tmp_path) as scene:
        write_heartbeat(tmp_path, Heartbeat(1, 7, 0.0, Life.STOPPED, venue_ms=scene.venue.now_ms))
        await scene.until(lambda: "guard disarmed" in caplog.text)
        scene.venue.now_ms += 5_000
        scene.rest(3)
        await scene.until(lambda: scene.report.verified)

    assert scene.venue.list_resting() == set()
    assert "another maker runs whose heartbeat is not written" in caplog.text


async def test_foreign_orders_are_left_alone(tmp_path: Path) -> None:
    async with guarded(tmp_path) as scene:
        scene.rest(3)
        order = {"a": 10107, "b": True, "p": "9", "s": "2", "r": False, "t": {"limit": {"tif": "Alo"}}}
        action = {"type": "order", "orders": [order], "grouping": "na"}
        scene.venue.signing._encode_action = lambda *_: action  # type: ignore[method-assign]
        scene.venue.act("bulk_orders", [])
        scene.beat()
        await scene.until(lambda: scene.report.verified)

    assert len(scene.venue.list_resting()) == 1


async def test_a_lost_answer_is_followed_by_the_same_bytes(tmp_path: Path) -> None:
    sent: list[bytes] = []

    async with guarded(tmp_path) as scene:
        scene.rest(3)

        def lose(body: bytes) -> Any:
            sent.append(body)
            if len(sent) > 2:
                return scene.venue.door.post("/exchange", body).json()
            raise requests.ConnectionError("cut")

        scene.spoil = lose
        scene.beat()
        await scene.until(lambda: scene.report.verified)

    assert len(sent) == 3
    assert len(set(sent)) == 1
    assert scene.venue.list_resting() == set()


async def test_a_refused_volley_is_followed_by_the_next(tmp_path: Path) -> None:
    """A refusal uses the nonce, so the same bytes would be refused for ever."""
    n_refused = 0

    async with guarded(tmp_path) as scene:
        scene.rest(3)

        def refuse_once(body: bytes) -> Any:
            nonlocal n_refused
            n_refused += 1
            scene.spoil = None
            return {"status": "err", "response": "Too many cumulative requests sent (1 > 0) for cumulative volume"}

        scene.spoil = refuse_once
        scene.beat()
        await scene.until(lambda: scene.report.verified)

    assert n_refused == 1
    assert scene.report.cancels_posted == 2
    assert scene.venue.list_resting() == set()


async def test_an_order_that_arrives_late_is_cancelled_by_the_next_volley(tmp_path: Path) -> None:
    async with guarded(tmp_path) as scene:
        late = scene.venue.make_intent()
        scene.orders.in_flight.append(late)
        scene.rest(2)
        scene.beat()
        await scene.until(lambda: scene.report.verified)
        scene.venue.place(late)
        await scene.until(lambda: scene.report.verified == 2)

    assert scene.report.cancels_posted == 2
    assert scene.venue.list_resting() == set()


async def test_orders_that_no_signed_cancel_names_are_told_and_spend_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with guarded(tmp_path) as scene:
        scene.rest(2)
        (oid,) = scene.venue.place(scene.venue.make_intent())
        scene.beat()
        await scene.until(lambda: scene.report.may_rest)
        await scene.until(lambda: len([r for r in caplog.records if "orders still rest" in r.getMessage()]) > 2)

    assert scene.report.may_rest == (f"buy 2 at 10 (oid {oid})",)
    assert scene.report.cancels_posted == 1
    named = [r.getMessage() for r in caplog.records if "no signed cancel names" in r.getMessage()]
    assert named == [
        f"orders that no signed cancel names: orders=1: buy 2 at 10 (oid {oid}); cancel them manually",
    ]


async def test_a_new_heartbeat_arms_it_again(tmp_path: Path) -> None:
    async with guarded(tmp_path) as scene:
        scene.rest(2)
        scene.beat()
        await scene.until(lambda: scene.report.verified)
        # What a maker does that was stopped and goes on: it learns of the posted nonces, and places again.
        scene.beat()
        scene.venue.now_ms += 1000
        scene.orders.in_flight.clear()
        scene.rest(2)
        await scene.until(lambda: scene.report.verified == 2)

    assert scene.report.fired == 2
    assert scene.venue.list_resting() == set()


async def test_without_signed_cancels_it_says_what_to_do(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with guarded(tmp_path) as scene:
        scene.venue.place(scene.venue.make_intent())
        scene.beat()
        await scene.until(lambda: "no signed cancels are left" in caplog.text)

    assert len(scene.report.may_rest) == 1


async def test_it_acts_where_no_thread_can_be_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_args: Any, **_options: Any) -> None:
        await trio.lowlevel.checkpoint()
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(trio.to_thread, "run_sync", refuse)
    async with guarded(tmp_path) as scene:
        scene.rest(40)
        scene.beat()
        await scene.until(lambda: scene.report.verified)

    assert scene.venue.list_resting() == set()


async def test_a_silence_without_an_answer_of_the_venue_counts_as_orders_that_may_rest(tmp_path: Path) -> None:
    """A guard that is ended then ends with the exit code for that."""
    async with guarded(tmp_path) as scene:

        def cut(_body: bytes) -> Any:
            raise requests.ConnectionError("cut")

        scene.spoil = scene.venue.door.spoil = cut
        scene.orders.in_flight.append(scene.venue.make_intent())
        scene.cover.make_cover()()
        scene.beat()
        await scene.until(lambda: scene.report.cancels_posted)

    assert scene.report.may_rest == ("orders of a silent maker: not polled yet",)


async def test_its_own_sign_of_life_says_whether_it_is_armed(tmp_path: Path) -> None:
    async with guarded(tmp_path) as scene:
        await scene.until(partial((tmp_path / "guard-alive.json").exists))
        unarmed = (tmp_path / "guard-alive.json").read_text()
        scene.rest(1)
        scene.beat()
        await scene.until(lambda: '"armed": true' in (tmp_path / "guard-alive.json").read_text())

    assert '"armed": false' in unarmed


# --- a disk that hangs --------------------------------------------------------------------------------


async def test_it_acts_where_its_disk_hangs_while_it_reads(tmp_path: Path) -> None:
    async with guarded(tmp_path) as scene:
        scene.rest(3)
        scene.beat()
        await scene.until(lambda: scene.guard._silence.heartbeat)
        began_s = trio.current_time()
        with hanging(tmp_path / HEARTBEAT_NAME):
            await scene.until(lambda: scene.report.cancels_posted)
            took_s = trio.current_time() - began_s

    assert took_s < AFTER_S + 3
    assert scene.venue.list_resting() == set()


async def test_it_acts_where_its_disk_hangs_while_it_notes_what_it_posts(tmp_path: Path) -> None:
    async with guarded(tmp_path) as scene:
        scene.rest(3)
        with hanging(tmp_path / FIRED_NAME):
            began_s = trio.current_time()
            scene.beat()
            await scene.until(lambda: scene.report.cancels_posted)
            took_s = trio.current_time() - began_s

    assert took_s < AFTER_S + 3
    assert scene.venue.list_resting() == set()


async def test_what_a_hanging_disk_kept_from_the_maker_is_told_later(tmp_path: Path) -> None:
    async with guarded(tmp_path) as scene:
        scene.rest(3)
        fired = read_cancels(tmp_path).first
        with hanging(tmp_path / f"{ALIVE_NAME}.new"):
            scene.beat()
            await scene.until(lambda: scene.report.cancels_posted)
            assert not (tmp_path / FIRED_NAME).exists()
        await scene.until(partial((tmp_path / FIRED_NAME).exists))

    assert read_fired(tmp_path) == {fired}


async def test_a_disk_that_hangs_holds_one_thread_of_each_kind(tmp_path: Path) -> None:
    n_before = threading.active_count()
    async with guarded(tmp_path) as scene:
        scene.rest(3)
        scene.beat()
        await scene.until(lambda: scene.guard._silence.heartbeat)
        with hanging(tmp_path / HEARTBEAT_NAME), hanging(tmp_path / FIRED_NAME):
            await scene.until(lambda: scene.report.verified)
            n_more = threading.active_count() - n_before

    # One more may wait for the next poll of the venue.
    assert n_more <= 3


async def test_a_guard_whose_disk_hangs_can_be_ended(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with guarded(tmp_path) as scene:
        scene.beat()
        await scene.until(lambda: scene.guard._silence.heartbeat)
        stack = ExitStack()
        for name in (HEARTBEAT_NAME, f"{ALIVE_NAME}.new"):
            stack.enter_context(hanging(tmp_path / name))
        await scene.until(lambda: caplog.text.count("disk hangs") == 2)
        began_s = trio.current_time()

    assert trio.current_time() - began_s < 0.5
    stack.close()
