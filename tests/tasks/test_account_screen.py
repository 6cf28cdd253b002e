"""Live screen of several markets under trio-asyncio, without a terminal."""

from __future__ import annotations

import pytest
import trio
import trio_asyncio  # type: ignore[import-untyped]
from grids_kit import COINS, GridsWorld
from terminal_ui_kit import make_grid_row, make_view
from textual.pilot import Pilot

from mm_trio.terminal_ui.account_app import AccountApp
from mm_trio.views.snapshot import take_account_view, take_view
from mm_trio.views.values import AccountView, MakerView


def make_rows(n: int) -> AccountView:
    rows = [make_grid_row(number) for number in range(n)]
    rows[0] = make_grid_row(0, state="paused", why="halted: a limit")
    return AccountView(title="sandbox", uptime_s=5.0, rows=tuple(rows), budget_left=9_000, why=None)


async def show(app: AccountApp, *keys: str, size: tuple[int, int] = (80, 24)) -> list[str]:
    """The screen at first, and after each key."""
    screens: list[str] = []

    async def steps() -> None:
        async with app.run_test(size=size) as pilot:
            await look(pilot)
            for key in keys:
                await pilot.press(key)
                await look(pilot)

    async def look(pilot: Pilot[None]) -> None:
        await pilot.pause(0.4)
        strips = app.screen._compositor.render_strips()
        screens.append("\n".join("".join(segment.text for segment in strip) for strip in strips))

    async with trio_asyncio.open_loop():
        await trio_asyncio.aio_as_trio(steps)()
    return screens


async def test_the_list_shows_every_market_with_health_and_boundary() -> None:
    (screen,) = await show(AccountApp(lambda: make_rows(3), lambda number: make_view()))

    lines = screen.splitlines()
    assert "2 of 3 quoting" in lines[0]
    (paused,) = [line for line in lines if " > T0/USDC" in line]
    assert all(word in paused for word in ("● paused", "20.607", "halted: a limit"))
    assert all(any(f"T{number}/USDC" in line and "● quoting" in line for line in lines) for number in (1, 2))
    assert [len(line) for line in lines] == [80] * 24


async def test_enter_shows_the_chosen_market_and_escape_the_list() -> None:
    asked: list[int] = []

    def take_one(number: int) -> MakerView:
        asked.append(number)
        return make_view(coin=f"@{number}")

    first, moved, one, again = await show(AccountApp(lambda: make_rows(3), take_one), "down", "enter", "escape")

    assert " > T0/USDC" in first
    assert " > T1/USDC" in moved
    assert set(asked) == {1}
    assert "boundary 10 at 20.607" in one
    assert "T1/USDC" not in one
    assert " > T1/USDC" in again


async def test_the_chosen_row_of_many_is_on_the_screen() -> None:
    screens = await show(AccountApp(lambda: make_rows(50), lambda number: make_view()), *["down"] * 30, size=(80, 24))

    assert " > T30/USDC" in screens[-1]


@pytest.mark.parametrize("size", [(200, 60), (40, 10), (10, 3)])
async def test_every_size_of_terminal_can_be_drawn_on(size: tuple[int, int]) -> None:
    (screen,) = await show(AccountApp(lambda: make_rows(3), lambda number: make_view()), size=size)

    assert [len(line) for line in screen.splitlines()] == [size[0]] * size[1]


async def test_the_list_has_the_numbers_of_running_makers() -> None:
    world, started_s = GridsWorld(), trio.current_time()
    maker = world.account_maker()
    async with world.quoting(maker):
        view = take_account_view(maker, now_s=trio.current_time(), started_s=started_s)
        one = take_view(maker.faces[COINS[0]], now_s=trio.current_time(), started_s=started_s)

    assert [row.state for row in view.rows] == ["quoting"] * 3
    assert view.rows[0].boundary_price == one.boundary_price
    assert view.rows[0].spread_bps == one.spread_bps
