"""Keys of the screen that tell the maker something, and what fits a terminal of 80x24."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
import trio
import trio_asyncio  # type: ignore[import-untyped]
from builders import World, until
from grids_kit import COINS, GridsWorld
from terminal_ui_kit import make_grid_row, make_view
from textual.pilot import Pilot

from mm_trio.control.operator import Operator
from mm_trio.halts.standing import State
from mm_trio.halts.standing_file import StandingFile
from mm_trio.terminal_ui.account_app import AccountApp
from mm_trio.terminal_ui.app import TerminalApp
from mm_trio.terminal_ui.operator_keys import OperatorFailed, OwnMaker
from mm_trio.views.snapshot import take_view
from mm_trio.views.values import AccountView, MakerView
from mm_trio.views.values import State as Shown

Steps = Callable[[Pilot[None]], Awaitable[object]]


def read_screen(app: TerminalApp) -> str:
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


async def drive(app: TerminalApp, steps: Steps, *, size: tuple[int, int] = (80, 24)) -> None:
    async def inside() -> None:
        async with app.run_test(size=size) as pilot:
            await pilot.pause(0.3)
            await steps(pilot)

    async with trio_asyncio.open_loop():
        await trio_asyncio.aio_as_trio(inside)()


async def press(app: TerminalApp, *keys: str, size: tuple[int, int] = (80, 24)) -> list[str]:
    """The screen at first and after each key."""
    screens: list[str] = []

    async def steps(pilot: Pilot[None]) -> None:
        screens.append(read_screen(app))
        for key in keys:
            await pilot.press(key)
            await pilot.pause(0.4)
            screens.append(read_screen(app))

    await drive(app, steps, size=size)
    return screens


class Told:
    """A maker that notes what it is told."""

    def __init__(self, plan: str | None = "paused since noon; resuming lets it place orders at once") -> None:
        self.told: list[tuple[str, str | None]] = []
        self.plan = plan

    async def pause(self, coin: str | None) -> str:
        self.told.append(("pause", coin))
        return "paused since noon"

    async def cancel_all(self, coin: str | None) -> str:
        self.told.append(("cancel all", coin))
        raise OperatorFailed("the disk hangs")

    async def resume(self, coin: str | None) -> str:
        self.told.append(("resume", coin))
        return "active"

    async def explain_resumption(self, coin: str | None) -> str | None:
        return self.plan


async def test_pause_is_told_at_once_and_its_answer_is_shown() -> None:
    maker = Told()

    first, paused = await press(TerminalApp(make_view, maker=maker), "p")

    assert "p pause  r resume  c cancel all" in first
    assert maker.told == [("pause", None)]
    assert "paused since noon" in paused


@pytest.mark.parametrize("key", ["n", "y"])
async def test_cancel_all_asks_first(key: str) -> None:
    maker = Told()

    _, asked, answered = await press(TerminalApp(make_view, maker=maker), "c", key)

    question = "cancel all orders of HYPE/USDC, and place nothing until it is resumed? y: yes, n: no"
    assert question in " ".join(asked.split())
    assert "y yes  n no" in asked
    assert question not in " ".join(answered.split())
    assert maker.told == ([("cancel all", None)] if key == "y" else [])
    assert ("not done: the disk hangs" if key == "y" else "nothing was done") in answered


async def test_resume_says_what_it_does_and_asks() -> None:
    maker = Told()

    _, asked, resumed = await press(TerminalApp(make_view, maker=maker), "r", "y")

    assert "resuming lets it place orders at once" in " ".join(asked.split())
    assert maker.told == [("resume", None)]
    assert "active" in resumed


async def test_an_active_maker_needs_no_resumption() -> None:
    maker = Told(plan=None)

    _, shown, after = await press(TerminalApp(make_view, maker=maker), "r", "y")

    assert "HYPE/USDC is active: nothing to resume" in shown
    assert maker.told == []
    assert "y yes" not in after


async def test_a_yes_without_a_question_does_nothing() -> None:
    maker = Told()

    await press(TerminalApp(make_view, maker=maker), "y", "n", "c", "p", "r")

    assert maker.told == []


async def test_a_question_that_nobody_answers_is_answered_by_no(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mm_trio.terminal_ui.operator_keys.ASKED_WITHIN_S", 0.2)
    maker = Told()
    app = TerminalApp(make_view, maker=maker)

    async def steps(pilot: Pilot[None]) -> None:
        await pilot.press("c")
        await pilot.pause(0.8)
        await pilot.press("y")
        await pilot.pause(0.3)

    await drive(app, steps)

    assert maker.told == []


async def test_a_screen_without_a_maker_has_no_such_keys() -> None:
    first, after = await press(TerminalApp(make_view), "c")

    assert "cancel all" not in first
    assert "y: yes" not in after


async def test_a_key_in_the_list_is_for_all_and_beside_it_for_one() -> None:
    maker = Told()
    rows = tuple(make_grid_row(number) for number in range(3))
    view = AccountView(title="sandbox", uptime_s=5.0, rows=rows, budget_left=9_000, why=None)
    app = AccountApp(lambda: view, lambda number: make_view(coin=f"@{number}"), maker=maker)

    _, _, _, _, asked, _, _ = await press(app, "p", "down", "enter", "c", "n", "p")

    assert maker.told == [("pause", None), ("pause", "@1")]
    assert "cancel all orders of HYPE/USDC" in asked


async def test_the_keys_reach_the_maker_of_this_process(tmp_path: Path) -> None:
    world, started_s = World(), trio.current_time()
    maker = world.maker(standing=StandingFile(tmp_path))

    def take() -> MakerView:
        return take_view(maker, now_s=trio.current_time(), started_s=started_s)

    async with world.running(maker):
        app = TerminalApp(take, maker=OwnMaker(Operator(maker, way="the screen")))
        states: list[State] = []

        async def steps(pilot: Pilot[None]) -> None:
            for keys, state in ((("p",), State.PAUSED), (("r", "y"), State.ACTIVE), (("c", "y"), State.CANCEL_ONLY)):
                for key in keys:
                    await pilot.press(key)
                    await pilot.pause(0.3)

                async def wait(state: State = state) -> None:
                    await until(lambda: maker.standing.state is state, within_s=10)

                await trio_asyncio.trio_as_aio(wait)()
                states.append(maker.standing.state)
                await pilot.pause(0.3)

        await drive(app, steps)

        assert states == [State.PAUSED, State.ACTIVE, State.CANCEL_ONLY]
        assert maker.standing.why.startswith("the operator asked for CANCEL_ONLY by the screen")
        await until(lambda: not world.resting(), within_s=10)


async def test_one_market_of_several_is_told_apart(tmp_path: Path) -> None:
    world = GridsWorld()
    folders = {coin: tmp_path / coin for coin in COINS}
    for folder in folders.values():
        folder.mkdir()
    maker = world.account_maker(
        [world.terms(coin, standing=StandingFile(folders[coin])) for coin in COINS], standing=StandingFile(tmp_path)
    )
    async with world.quoting(maker):
        own = OwnMaker(Operator(maker, way="the screen"))
        told = await own.pause(maker.faces[COINS[1]].coin)
        plans = [await own.explain_resumption(coin) for coin in (COINS[0], COINS[1], None)]
        with pytest.raises(OperatorFailed, match="unknown market '@9'"):
            await own.cancel_all("@9")

        assert told.startswith("paused since ")
        assert [plan is None for plan in plans] == [True, False, True]


# --- What fits ------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["quoting", "paused"])
async def test_health_and_boundary_are_on_a_screen_of_80x24_whatever_it_asks(state: Shown) -> None:
    health = replace(make_view().health, state=state, why=None if state == "quoting" else "lunch", errors=4)
    view = make_view(health=health)

    screens = await press(TerminalApp(lambda: view, maker=Told()), "c", "n", "r")

    for screen in screens:
        lines = screen.splitlines()
        assert [len(line) for line in lines] == [80] * 24
        assert f"● {state}, 4 errors" in lines[0]
        assert "boundary 10 at 20.607 · spread 30.2 bps" in screen
        assert re.search(r"HEALTH +2 asks 2 bids", screen)
        assert screen.count(f"● {state}") == 2


@pytest.mark.parametrize("size", [(79, 24), (80, 23), (60, 15)])
async def test_a_smaller_screen_says_so(size: tuple[int, int]) -> None:
    (screen,) = await press(TerminalApp(make_view), size=size)

    assert f"{size[0]}x{size[1]} cuts the screen, 80x24 shows all of it" in screen
    assert "● quoting" in screen.splitlines()[0]
    assert "boundary 10 at 20.607" in screen


@pytest.mark.parametrize("size", [(40, 10), (55, 24), (80, 13)])
async def test_a_tiny_screen_keeps_health_and_boundary(size: tuple[int, int]) -> None:
    (screen,) = await press(TerminalApp(make_view), size=size)

    assert f"{size[0]}x{size[1]} is too small, 80x24 shows all" in screen
    assert "● quoting" in screen.splitlines()[1]
    assert "boundary 10 at 20.607" in screen


async def test_the_explanation_goes_on_by_arrows_and_ends_by_escape() -> None:
    _, first, later, last, back = await press(TerminalApp(make_view), "?", "down", "pagedown", "escape")

    assert "THE SCREEN  1 to 21 of " in first
    assert "the lowest ask; only the inventory moves it" in first
    assert "THE SCREEN  2 to 22 of " in later
    assert "THE SCREEN  12 to 32 of " in last
    assert "THE SCREEN" not in back


async def test_a_notice_stays_on_the_screen() -> None:
    app = TerminalApp(make_view, find_notice=lambda: "the maker has ended; this is its last state")

    (screen,) = await press(app)

    assert "the maker has ended; this is its last state" in screen
    assert "boundary 10 at 20.607" in screen
