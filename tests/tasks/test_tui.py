"""Live screen under trio-asyncio, without a terminal.

The clock is the real one, because Textual's timers read it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial

import pytest
import trio
import trio_asyncio  # type: ignore[import-untyped]
from builders import World
from terminal_ui_kit import make_view
from textual.pilot import Pilot

from mm_trio.terminal_ui.app import Panel, TerminalApp, ViewFailed, run_tui
from mm_trio.terminal_ui.terminal import RecentRecords
from mm_trio.views.snapshot import take_view
from mm_trio.views.values import MakerView

Steps = Callable[[Pilot[None]], Awaitable[object]]


async def drive(app: TerminalApp, steps: Steps, *, size: tuple[int, int] = (80, 24)) -> None:
    """Run the application without a terminal and let `steps` use it."""

    async def inside() -> None:
        async with app.run_test(size=size) as pilot:
            await steps(pilot)

    async with trio_asyncio.open_loop():
        await trio_asyncio.aio_as_trio(inside)()


def read_screen(app: TerminalApp) -> str:
    """Read the screen, line by line."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


async def test_the_screen_shows_the_numbers_of_a_running_maker() -> None:
    world, started_s = World(token=100, usdc=3000), trio.current_time()
    screens: list[str] = []

    async with world.running(world.maker(active_levels=6)) as maker:

        def take() -> MakerView:
            return take_view(maker, now_s=trio.current_time(), started_s=started_s, title="a test")

        app = TerminalApp(take)

        async def steps(pilot: Pilot[None]) -> None:
            await pilot.pause(0.1)
            screens.append(read_screen(app))
            world.buy("2")
            await pilot.pause(0.6)
            screens.append(read_screen(app))

        await drive(app, steps)

        boundary_price = maker.grid.levels[20]
    first, second = screens
    assert f"boundary 20 at {boundary_price}" in first
    assert "100.00" in first
    assert "3,000.00" in first
    assert "6 asks 6 bids" in first
    assert "a test" in first
    assert "98.00" in second
    assert "1 since the start" in second


@pytest.mark.parametrize("key", ["q", "ctrl+c", "ctrl+q"])
async def test_a_key_quits(key: str) -> None:
    app = TerminalApp(make_view)

    await drive(app, lambda pilot: pilot.press(key))

    assert (app.return_code, app.failure) == (0, None)


@pytest.mark.parametrize("size", [(80, 24), (200, 60), (40, 10), (10, 3)])
async def test_every_size_of_terminal_can_be_drawn_on(size: tuple[int, int]) -> None:
    app = TerminalApp(make_view)
    screens: list[str] = []

    async def steps(pilot: Pilot[None]) -> None:
        await pilot.pause(0.1)
        screens.append(read_screen(app))
        await pilot.resize_terminal(80, 24)
        await pilot.pause(0.5)
        screens.append(read_screen(app))

    await drive(app, steps, size=size)

    assert [len(line) for line in screens[0].splitlines()] == [size[0]] * size[1]
    assert "boundary 10 at 20.607" in screens[1]
    assert "● quoting" in screens[1]
    assert "stop: cancel open orders and quit" in screens[1]


async def test_a_small_terminal_shows_the_health_in_its_head_line() -> None:
    app = TerminalApp(make_view)
    screens: list[str] = []

    async def steps(pilot: Pilot[None]) -> None:
        await pilot.pause(0.1)
        screens.append(read_screen(app))

    await drive(app, steps, size=(60, 15))

    assert "● quoting" in screens[0].splitlines()[0]


async def test_a_question_mark_explains_the_screen_and_another_one_shows_it() -> None:
    app = TerminalApp(make_view)
    screens: list[str] = []

    async def steps(pilot: Pilot[None]) -> None:
        for _ in range(2):
            await pilot.press("?")
            await pilot.pause(0.5)
            screens.append(read_screen(app))

    await drive(app, steps, size=(60, 15))

    assert "the lowest ask; only the inventory moves it" in screens[0]
    assert "LAST FILLS" not in screens[0]
    assert "THE SCREEN" not in screens[1]
    assert "LAST FILLS" in screens[1]


@pytest.mark.parametrize("system, ask", [("standard", "#aa0000"), ("truecolor", "#d98c86")])
async def test_a_terminal_with_few_colours_gets_pure_ones(
    monkeypatch: pytest.MonkeyPatch, system: str, ask: str
) -> None:
    """Else asks and bids would both be grey there."""
    monkeypatch.setattr("textual.constants.COLOR_SYSTEM", system)
    app = TerminalApp(make_view)

    assert app.current_theme.variables["mm-ask"] == ask


async def test_the_last_records_of_the_log_are_on_the_screen() -> None:
    records = RecentRecords()
    app = TerminalApp(make_view, records=records)
    screens: list[str] = []

    async def steps(pilot: Pilot[None]) -> None:
        records.handle(logging.LogRecord("test", logging.WARNING, __file__, 1, "feed [socket] lost", (), None))
        await pilot.pause(0.6)
        screens.append(read_screen(app))

    await drive(app, steps)

    assert "feed [socket] lost" in screens[0]  # Brackets are not markup here.


async def test_a_failing_snapshot_ends_the_view_with_one_line() -> None:
    taken = 0

    def take() -> MakerView:
        nonlocal taken
        secret = "0xkey"
        taken += 1
        if taken > 2:
            raise ZeroDivisionError(f"after {len(secret)}\nletters")
        return make_view()

    with pytest.raises(ViewFailed) as caught:
        await run_tui(take, headless=True)

    assert str(caught.value).startswith("ZeroDivisionError: after 5 letters (test_tui.py:")
    assert "0xkey" not in str(caught.value)


async def test_a_broken_widget_ends_the_view_and_prints_nothing(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def render(self: Panel) -> str:
        secret = "0xkey"
        raise RuntimeError(f"cannot draw {len(secret)}")

    monkeypatch.setattr(Panel, "render", render)

    with pytest.raises(ViewFailed, match=r"^RuntimeError: cannot draw 5 \(test_tui.py:\d+\)$"):
        await run_tui(make_view, headless=True)

    assert capfd.readouterr() == ("", "")


async def test_a_view_that_cannot_start_fails_the_same_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TerminalApp, "CSS", "Screen { this is not css }")

    with pytest.raises(ViewFailed):
        await run_tui(make_view, headless=True)


async def test_a_failing_loop_callback_fails_the_view_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def fall() -> None:
        raise RuntimeError("fell out of the loop")

    def on_mount(self: TerminalApp) -> None:
        asyncio.get_running_loop().call_soon(fall)

    monkeypatch.setattr(TerminalApp, "on_mount", on_mount)

    with pytest.raises(ViewFailed, match=r"fell out of the loop"):
        await run_tui(make_view, headless=True)


async def test_the_neighbours_of_a_failing_view_go_on() -> None:
    beats = 0

    async def beat_forever() -> None:
        nonlocal beats
        while True:
            beats += 1
            await trio.sleep(0.01)

    def take() -> MakerView:
        raise ZeroDivisionError

    async with trio.open_nursery() as nursery:
        nursery.start_soon(beat_forever)
        with pytest.raises(ViewFailed):
            await run_tui(take, headless=True)
        seen = beats
        await trio.sleep(0.1)
        nursery.cancel_scope.cancel()

    assert beats > seen


async def test_a_cancelled_view_ends() -> None:
    with trio.fail_after(30), trio.move_on_after(0.5) as scope:
        await run_tui(make_view, headless=True)

    assert scope.cancelled_caught


async def test_a_view_that_fails_while_cancelled_is_cancelled() -> None:
    scope = trio.CancelScope()

    def take() -> MakerView:
        scope.cancel()
        raise ZeroDivisionError

    with scope:
        await run_tui(take, headless=True)

    assert scope.cancelled_caught


async def test_the_view_refreshes_by_itself() -> None:
    looks, looked_often = [0], trio.Event()

    def take() -> MakerView:
        looks[0] += 1
        if looks[0] == 4:
            looked_often.set()
        return make_view()

    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(run_tui, take, headless=True))
            await looked_often.wait()
            nursery.cancel_scope.cancel()
