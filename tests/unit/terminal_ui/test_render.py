"""Places of a snapshot's numbers on the screen."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from math import inf

import pytest
from terminal_ui_kit import make_fill, make_row, make_view, to_text

from mm_trio.terminal_ui.explanation import draw_explanation
from mm_trio.terminal_ui.render import SIDE_WIDTH, draw_fills, draw_header, draw_ladder, draw_side, format_duration
from mm_trio.views.values import BudgetView


def test_the_boundary_stands_between_asks_and_bids() -> None:
    lines = to_text(draw_ladder(make_view(), width=50, height=6)).splitlines()

    assert [line.split()[:3] for line in lines[1:3]] == [["ask", "11", "20.669"], ["ask", "10", "20.607"]]
    assert lines[3].startswith("── boundary 10 at 20.607 · spread 30.2 bps ─")
    assert [line.split()[:3] for line in lines[4:]] == [["bid", "9", "20.545"], ["bid", "8", "20.484"]]


@pytest.mark.parametrize("height", [4, 6, 16, 17, 50])
def test_the_ladder_fits_its_height_around_the_boundary(height: int) -> None:
    lines = to_text(draw_ladder(make_view(), width=50, height=height)).splitlines()

    assert len(lines) <= height
    assert "boundary" in lines[1 + (height - 2) // 2]


def test_prices_and_sizes_stand_below_each_other() -> None:
    asks = (make_row(10, "9.9988"), make_row(11, "10.029", resting=Decimal(12345), wanted=Decimal(12345)))

    lines = to_text(draw_ladder(make_view(asks=asks), width=60, height=6)).splitlines()[1:3]

    assert [line.index(".") for line in lines] == [lines[0].index(".")] * 2
    assert "10.0290" in lines[0]
    assert "12,345.00" in lines[0]


@pytest.mark.parametrize("status", ["wanted", "changing", "cancelling", "in flight", "in doubt"])
def test_a_row_status_fits_a_small_terminal(status: str) -> None:
    asks = (make_row(10, "20.607", status=status), make_row(11, "20.669"))

    lines = to_text(draw_ladder(make_view(asks=asks), width=50, height=6)).splitlines()

    assert lines[2].endswith(f" {status}")
    assert max(map(len, lines)) <= 50


def test_a_bar_is_as_long_as_the_order_is_large() -> None:
    full, half, dust = (
        to_text(draw_ladder(make_view(asks=(make_row(10, "20", share=share),)), width=80, height=4))
        .splitlines()[1]
        .count("━")
        for share in (1.0, 0.5, 0.001)
    )

    assert full == 2 * half > 0
    assert dust == 0  # Half a cell has another sign, and still shows.


def test_a_maker_that_starts_says_so_instead_of_a_ladder() -> None:
    view = make_view(boundary_level=None, boundary_price=None, asks=(), bids=())

    assert "reading" in to_text(draw_ladder(view, width=50, height=16))


def test_the_right_column_fits_its_width_and_height() -> None:
    text = to_text(draw_side(make_view()))

    for words in ("150.00", "3,091.05", "3,012.11", "6,103.16", "38.2k + 1.20M", "9,421", "9.4 h", "● quoting"):
        assert words in text
    assert max(len(line) for line in text.splitlines()) <= SIDE_WIDTH
    assert len(text.splitlines()) <= 16


@pytest.mark.parametrize(
    ("hours", "words"), [(None, "lasts  -"), (inf, "lasts does not shrink"), (0.5, "lasts 30 min")]
)
def test_the_budget_forecast_in_words(hours: float | None, words: str) -> None:
    budget = BudgetView(remaining=9421, items=579, items_per_1000=None, hours_left=hours)

    lines = to_text(draw_side(make_view(budget=budget))).splitlines()

    line = next(line for line in lines if line.startswith("lasts"))
    assert line.split() == words.split()


def test_the_reason_of_a_pause_is_cut_to_the_column() -> None:
    health = replace(make_view().health, state="paused", why="no message received for 31 s, and then some more words")

    text = to_text(draw_side(make_view(health=health)))

    assert "● paused\n" in text
    assert "no message received for 31 s" in text.splitlines()  # 28 characters: all that fit
    assert max(len(line) for line in text.splitlines()) <= SIDE_WIDTH


def test_fills_show_their_age_side_size_and_value() -> None:
    fills = (make_fill(2.0, side="buy", complete=False), make_fill(200.0))

    lines = to_text(draw_fills(make_view(fills=fills), n_rows=3)).splitlines()

    assert lines[0].split() == ["LAST", "FILLS", "1", "since", "the", "start,", "103.04", "USDC"]
    assert lines[1].split() == ["2", "s", "ago", "bought", "5.00", "at", "20.607", "103.04", "level", "10", "part"]
    assert lines[2].split()[:4] == ["3", "min", "ago", "sold"]
    assert max(map(len, lines)) <= 80


def test_the_header_fills_the_line() -> None:
    text = to_text(draw_header(make_view(), width=80))

    assert len(text) == 80
    assert text.split() == ["mm_trio", "HYPE/USDC", "@107", "demo", "●", "quoting", "up", "1:02:03"]


def test_the_header_names_what_is_in_doubt_or_failed() -> None:
    health = replace(make_view().health, state="paused", why="no message", doubts=2, errors=1)

    text = to_text(draw_header(make_view(health=health), width=60))

    assert "● paused, 2 in doubt, 1 errors" in text


def test_a_paused_maker_says_what_becomes_of_its_orders() -> None:
    health = replace(make_view().health, state="paused", why="no message received for 31 s")

    paused = to_text(draw_ladder(make_view(health=health), width=70, height=6))
    ends = to_text(draw_ladder(make_view(health=replace(health, why="shutting down")), width=70, height=6))

    assert paused.splitlines()[0] == " paused: 4 orders rest that cannot be managed now and can trade"
    assert "cannot be managed" not in ends


def test_the_explanation_fits_a_small_terminal() -> None:
    lines = to_text(draw_explanation()).splitlines()

    assert max(map(len, lines)) <= 60
    assert len(lines) <= 13
    assert "boundary" in lines[2]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (99.0, "99 s"), (240, "4 min"), (9000, "2.5 h"), (950_400, "11 days")]
)
def test_a_duration_is_one_number_and_its_unit(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
