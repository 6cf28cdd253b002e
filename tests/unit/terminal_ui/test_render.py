"""Places of a snapshot's numbers on the screen."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from math import inf
from typing import get_args

import pytest
from terminal_ui_kit import make_fill, make_grid_row, make_row, make_view, to_text
from textual.binding import Binding

from mm_trio.terminal_ui.account_app import AccountApp
from mm_trio.terminal_ui.app import TerminalApp
from mm_trio.terminal_ui.explanation import EXPLAINED, KEYS, draw_explanation, find_last_row
from mm_trio.terminal_ui.render import (
    SIDE_WIDTH,
    Figure,
    Line,
    draw_account_header,
    draw_fills,
    draw_header,
    draw_ladder,
    draw_list,
    draw_side,
    draw_small,
    format_duration,
)
from mm_trio.views.values import AccountView, BudgetView, RowStatus, State


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


@pytest.mark.parametrize("height", [2, 12, 21, 100])
def test_the_explanation_has_every_row_on_some_page_of_its_height(height: int) -> None:
    rows: list[str] = []
    first = 0
    while True:
        page = to_text(draw_explanation(first=first, height=height)).splitlines()
        assert len(page) <= height
        assert max(map(len, page)) <= 76
        rows += page[1:] if not rows else page[-1:]
        if first == find_last_row(height):
            break
        first += 1

    assert [row for row in rows if row.startswith(" LADDER")] == [" LADDER"]
    assert len(rows) == sum(len(names) + 1 for names in EXPLAINED.values())


def draw_everything() -> list[Line]:
    """All that the screen can show, on a maker and an account that are in every state."""
    lines: list[Line] = []
    statuses: tuple[RowStatus, ...] = get_args(RowStatus)
    for state in get_args(State):
        why = None if state == "quoting" else "no message received for 31 s"
        health = replace(make_view().health, state=state, why=why, doubts=2, errors=3)
        # Some of the shares end in half a cell, whatever the width.
        rows = [make_row(11, "20.669", share=share / 100) for share in range(30, 37)]
        rows += [make_row(10, "20.607", status=status) for status in statuses]
        rows += [make_row(12, "20.731", status=status, resting=Decimal(0)) for status in statuses]
        asks = tuple(rows)
        fills = (make_fill(2.0, complete=False), make_fill(200.0, side="buy"))
        view = make_view(health=health, asks=asks, fills=fills)
        lines += draw_header(view, width=100)
        lines += draw_ladder(view, width=80, height=60)
        lines += draw_side(view)
        lines += draw_fills(view, n_rows=2)
        lines += draw_small(view, width=40, height=10, needs=(80, 24))
        markets = (make_grid_row(state=state, why=why), make_grid_row(boundary_price=None, spread_bps=None))
        account = AccountView(title="sandbox", uptime_s=5.0, rows=markets, budget_left=9_000, why=None)
        lines += draw_account_header(account, width=100)
        lines += draw_list(account, chosen=0, height=9)
        lines += draw_list(replace(account, why="the key is lost since 12:00"), chosen=0, height=9)
    return lines


def test_every_figure_that_is_shown_is_explained_and_no_other() -> None:
    pieces = [text for line in draw_everything() for text, _ in line]
    unnamed = [text for text in pieces if re.search(r"\d", text) and not isinstance(text, Figure)]
    shown = {text.name for text in pieces if isinstance(text, Figure)}
    explained = {name for title, names in EXPLAINED.items() if title != KEYS for name in names}
    drawn = "".join(pieces)

    # The size of the terminal is no figure of the maker.
    assert [text for text in unnamed if "too small" not in text] == []
    assert shown - explained == set()
    # What else is explained is a sign or a word that the screen has.
    others = explained - shown
    assert [name for name in others if not any(part.strip("━╌") in drawn for part in name.split(", "))] == []
    assert others == {
        *("ask, bid", "━━━━╸", "╌╌╌╌╌", "·", "wanted", "changing", "cancelling", "in flight", "part", "sold, bought"),
        *(f"● {state}" for state in get_args(State)),
    }


def test_every_key_that_is_explained_is_bound() -> None:
    bound = {binding.key for binding in (*AccountApp.BINDINGS, *TerminalApp.BINDINGS) if isinstance(binding, Binding)}
    explained = {key.strip() for name in EXPLAINED[KEYS] for key in name.split(",")}

    assert {key.replace("esc", "escape") for key in explained} <= bound


def test_a_small_terminal_gets_health_boundary_and_the_size_it_lacks() -> None:
    health = replace(make_view().health, state="paused", why="lunch", errors=1)

    lines = to_text(draw_small(make_view(health=health), width=40, height=10, needs=(80, 24))).splitlines()

    assert lines == [
        "● paused, 1 errors",
        "lunch",
        "boundary 10 at 20.607",
        "spread 30.2 bps, 2 asks 2 bids",
        "40x10 is too small, 80x24 shows all",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (99.0, "99 s"), (240, "4 min"), (9000, "2.5 h"), (950_400, "11 days")]
)
def test_a_duration_is_one_number_and_its_unit(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
