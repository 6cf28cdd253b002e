"""R2 and R3: the venue's time is measured, always; nonces and deadlines come from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio
from builders import World, booked, run_inline, until
from fault_kit import check_nonces, make_maker, make_world, remake_maker, until_on_target
from trio.testing import MockClock

from mm_trio.cli.programs import start_checks
from mm_trio.cli.programs.start_checks import check_clock, check_signer
from mm_trio.engine.ws_state import WsState
from mm_trio.journal.sqlite_journal import Journal
from mm_trio.model.errors import ActionsRefused, ConfigError, VenueError, find_leaves
from mm_trio.model.journal_entries import Requested
from mm_trio.witness.venue_clock import DAY_MS

DAY_S = 86_400
EXPIRED = {"status": "err", "response": "Action already expired"}
TOO_HIGH = {"status": "err", "response": "Invalid nonce: nonce too high 9 > 8"}
UNANSWERED = OSError("HTTP 500")


class Watch:
    """A machine's clock, `ahead_s` ahead of the venue."""

    def __init__(self, world: World, ahead_s: float = 0.0) -> None:
        self._world, self.ahead_s = world, ahead_s

    def __call__(self) -> int:
        return self._world.now_ms() + int(1000 * self.ahead_s)


def n_new(world: World) -> int:
    return world.calls("bulk_orders") + world.calls("bulk_modify_orders_new")


async def halt_of(maker: WsState) -> list[BaseException]:
    with pytest.raises(BaseExceptionGroup) as caught:
        await maker.run()
    return find_leaves(caught.value)


@pytest.mark.parametrize("ahead_s", [3 * DAY_S, -3 * DAY_S, 9, -20])
async def test_r2_a_start_with_a_wrong_clock_places_nothing_and_can_cancel(
    autojump_clock: MockClock, tmp_path: Path, ahead_s: float
) -> None:
    world = make_world("signing")
    first = make_maker(world, tmp_path, cancel_on_shutdown=False)
    async with world.running(first):
        await until_on_target(world, first)
    n_before, clock = n_new(world), Watch(world, ahead_s)
    second = remake_maker(world, tmp_path, wall_ms=clock)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.beat_forever)
        nursery.start_soon(second.run)
        await until(lambda: "set the clock (NTP)" in str(second.paused_because))
        world.buy("5")
        await trio.sleep(60)
        n_paused = n_new(world) - n_before
        nursery.cancel_scope.cancel()

    assert n_paused == 0
    assert second.orders_may_rest == ()
    assert world.resting() == []
    assert max(check_nonces(tmp_path)) <= world.now_ms() + 1_000


@pytest.mark.parametrize("ahead_s", [3 * DAY_S, 9, -9, -3 * DAY_S])
async def test_r3_a_clock_that_goes_wrong_pauses_and_goes_on_when_it_is_right(
    autojump_clock: MockClock, tmp_path: Path, ahead_s: float
) -> None:
    world = make_world("signing")
    clock = Watch(world)
    maker = make_maker(world, tmp_path, wall_ms=clock, requote_on_fill=True)

    async with world.running(maker):
        await until_on_target(world, maker)
        clock.ahead_s = ahead_s
        n_before = n_new(world)
        world.buy("5")
        await trio.sleep(300)
        n_paused, reason, n_resting = n_new(world) - n_before, str(maker.paused_because), len(world.resting())
        clock.ahead_s = 0
        await until_on_target(world, maker, within_s=60)

    assert n_paused == 0
    assert reason.startswith("this machine's clock is ")
    assert "set the clock (NTP)" in reason
    assert n_resting > 30
    assert booked(maker) == world.ledger(*maker.inventory.allocation)
    assert max(check_nonces(tmp_path)) <= world.now_ms()


async def test_r3_a_clock_that_drifts_by_a_second_a_minute_is_noticed(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    world = make_world("signing")
    maker = make_maker(world, tmp_path, wall_ms=lambda: world.now_ms() + int(1000 * trio.current_time() / 60))

    async with world.running(maker):
        await trio.sleep(60)
        early = maker.paused_because
        await until(lambda: "ahead of the venue's" in str(maker.paused_because), within_s=300)

    assert early is None


async def test_r2_a_start_whose_clock_cannot_be_compared_is_refused(autojump_clock: MockClock) -> None:
    world = make_world("signing")
    for _ in range(10):
        world.venue.fail_next("l2_snapshot", UNANSWERED, applied=False)

    with pytest.raises(VenueError, match="the clock could not be compared with the venue's: l2_snapshot"):
        await make_maker(world).run()
    assert n_new(world) == 0


async def test_r2_a_start_with_a_wrong_clock_needs_two_answers_that_agree(autojump_clock: MockClock) -> None:
    world = make_world("signing")
    for _ in range(4):
        world.venue.fail_next("l2_snapshot", UNANSWERED, applied=False)

    with pytest.raises(VenueError, match="l2_snapshot: its answers contradict each other"):
        await make_maker(world, wall_ms=Watch(world, 3 * DAY_S)).run()


async def test_r2_a_question_that_fails_twice_is_asked_again(autojump_clock: MockClock) -> None:
    world = make_world("signing")
    for _ in range(2):
        world.venue.fail_next("l2_snapshot", UNANSWERED, applied=False)
    maker = make_maker(world)

    async with world.running(maker):
        await until_on_target(world, maker)


async def test_r3_comparisons_that_fail_for_a_quarter_of_an_hour_pause(autojump_clock: MockClock) -> None:
    world = make_world("signing")
    maker = make_maker(world)

    async with world.running(maker):
        await until_on_target(world, maker)
        for _ in range(1_000):
            world.venue.fail_next("l2_snapshot", UNANSWERED, applied=False)
        await trio.sleep(700)
        early = maker.paused_because
        await until(lambda: "was compared with the venue's" in str(maker.paused_because), within_s=600)

    assert early is None


async def test_r2_nonces_of_a_clock_three_days_ahead_are_not_believed(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """What an earlier version wrote, whose clock was wrong for a minute."""
    world = make_world("signing")
    first = make_maker(world, tmp_path)
    async with world.running(first):
        await until_on_target(world, first)
    journal = Journal.open(tmp_path)
    wrong_ms = world.now_ms() + 3 * DAY_MS
    journal.append([Requested(wrong_ms, "bulk_orders", 1, "ab" * 32, wrong_ms + 10_000)], at_ms=world.now_ms())
    journal.close()
    second = remake_maker(world, tmp_path)

    async with world.running(second):
        await until_on_target(world, second)
        errors = second.stats.errors

    assert errors == 0
    assert second.orders_may_rest == ()
    assert world.resting() == []


async def test_r2_a_nonce_refused_as_too_high_is_no_floor(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = make_world("signing")
    maker = make_maker(world, tmp_path, requote_on_fill=True)

    async with world.running(maker):
        await until_on_target(world, maker)
        world.venue.answer_next("bulk_orders", TOO_HIGH)
        n_asked = world.calls("l2_snapshot")
        world.buy("5")
        await until_on_target(world, maker, within_s=20)
        n_compared = world.calls("l2_snapshot") - n_asked

    assert n_compared >= 1


async def test_r2_two_expired_actions_compare_the_clocks_before_anything_new(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    world = make_world("signing")
    maker = make_maker(world, tmp_path, requote_on_fill=True)

    async with world.running(maker):
        await until_on_target(world, maker)
        for _ in range(2):
            world.venue.answer_next("bulk_orders", EXPIRED)
        n_asked = world.calls("l2_snapshot")
        world.buy("5")
        await until_on_target(world, maker, within_s=30)
        n_compared = world.calls("l2_snapshot") - n_asked

    assert n_compared >= 1


async def test_r2_actions_expired_for_ever_although_the_clocks_agree_are_a_halt(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    world = make_world("signing")
    maker = make_maker(world, tmp_path)
    for _ in range(20):
        world.venue.answer_next("bulk_orders", EXPIRED)

    (halt,) = await halt_of(maker)

    assert isinstance(halt, ActionsRefused)
    assert "3 actions in a row as expired although the clocks agree" in str(halt)
    assert n_new(world) == 3
    assert world.resting() == []


async def test_r2_expired_actions_of_a_machine_that_stood_still_are_made_good(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """A virtual machine that was paused: none of its clocks has gone on."""
    world, stood_s = make_world("signing"), [0.0]
    maker = make_maker(world, tmp_path, requote_on_fill=True, wall_ms=lambda: world.now_ms() - int(1000 * stood_s[0]))

    async with world.running(maker):
        await until_on_target(world, maker)
        started_s, world.started_s = world.started_s, world.started_s - 40
        stood_s[0] = 40.0
        world.buy("5")
        await until(lambda: "40 s behind" in str(maker.paused_because), within_s=30)
        stood_s[0] = 0.0
        await until_on_target(world, maker, within_s=60)

    assert world.started_s == started_s - 40
    assert booked(maker) == world.ledger(*maker.inventory.allocation)
    check_nonces(tmp_path)


async def test_r2_a_row_of_the_history_from_the_future_moves_no_watermark(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    world = make_world("signing")
    maker = make_maker(world, tmp_path)

    def date_ahead(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [row | {"time": row["time"] + 3 * DAY_MS} for row in rows]

    async with world.running(maker):
        world.buy("5")
        await until(lambda: maker.stats.fills)
        world.venue.garble_next("user_fills_by_time", date_ahead)
        await trio.sleep(200)
    second = remake_maker(world, tmp_path)
    async with world.running(second):
        await until_on_target(world, second)

    assert booked(second) == world.ledger(*second.inventory.allocation)


async def test_r2_a_client_without_a_time_goes_on_and_says_so(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    world = make_world("signing")

    class Mute:
        """What a stand-in has, and no l2_snapshot."""

        def __getattr__(self, name: str) -> Any:
            return getattr(world.info, name)

    maker = make_maker(world, info=Mute(), wall_ms=Watch(world, 5.0), reopen_feed=None)
    async with world.running(maker):
        await until_on_target(world, maker)

    assert "clock not compared: this venue's client tells no time" in caplog.text


# --- Checks of `run` before the start ---


class _Info:
    """Answers of the venue, as they come."""

    def __init__(self, *answers: Any) -> None:
        self._answers = list(answers)

    def _next(self) -> Any:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer() if callable(answer) else answer

    def l2_snapshot(self, name: str) -> Any:
        return self._next()

    def user_role(self, address: str) -> Any:
        return self._next()


@pytest.fixture
def inline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trio.to_thread, "run_sync", run_inline)


@pytest.mark.usefixtures("inline")
@pytest.mark.parametrize("answer", [UNANSWERED, None, {"time": "soon"}, {"time": 10**30}, {"time": -1}])
async def test_r2_a_clock_that_cannot_be_compared_is_an_error_of_the_venue(
    autojump_clock: MockClock, answer: object
) -> None:
    with pytest.raises(VenueError, match="the clock could not be compared with the venue's"):
        await check_clock(_Info(answer), "@107")


@pytest.mark.usefixtures("inline")
async def test_r2_a_clock_is_compared_at_the_third_try_and_refused(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start_checks, "read_machine_clock", lambda: 1_790_000_000_000 + 3 * DAY_MS)

    with pytest.raises(ConfigError, match="this machine's clock is 259200 s ahead of the venue's"):
        await check_clock(_Info(UNANSWERED, UNANSWERED, {"time": 1_790_000_000_000}), "@107")


@pytest.mark.usefixtures("inline")
async def test_r2_a_role_that_cannot_be_asked_refuses_on_mainnet_alone(autojump_clock: MockClock) -> None:
    await check_signer(_Info(UNANSWERED), "0x" + "b" * 40, "0x" + "a" * 40, network="testnet")

    with pytest.raises(VenueError, match="the role of the key could not be checked"):
        await check_signer(_Info(UNANSWERED), "0x" + "b" * 40, "0x" + "a" * 40, network="mainnet")
