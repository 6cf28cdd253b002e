"""The page: escaped, without an address, the same at every run."""

from __future__ import annotations

import re
from decimal import Decimal
from html.parser import HTMLParser

import pytest

from mm_trio.pages.drawing import BUY
from mm_trio.pages.page import Card, Number, Page, Section, Table, render
from mm_trio.pages.pictures import Bars, HeatMap, Line, Lines, Marks, Picture, Strips

HOSTILE = "</title><script>alert(1)</script>\"'&\x00\x1b[31m $x^2$ \u202e http"
VOID = {"meta", "path"}


class Checker(HTMLParser):
    """Notes what is open, and every tag and id."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.labels: list[str | None] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        values = dict(attrs)
        self.ids += [value for name, value in attrs if name == "id" and value]
        if tag == "svg":
            self.labels.append(values.get("aria-label"))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def make_pictures(name: str = "fills") -> tuple[Picture, ...]:
    span = (1_790_000_000_000, 1_790_000_060_000)
    points = [(span[0], 1.0), (span[0] + 30_000, 2.0), (span[1], 1.5)]
    return (
        Lines(name, name, span, (Line(name, BUY, points, is_filled=True),), (Marks(name, BUY, points, "^"),)),
        HeatMap(name, name, (name, "b"), (name, "d"), {(0, 0): 1.0}, {(1, 1): 2.0}),
        Bars(name, name, ((name, 1.0), ("b", -2.0), ("c", None))),
        Strips(name, name, span, ((name, BUY, ((span[0], span[0] + 5),)),)),
    )


def make_page(name: str = "fills") -> Page:
    cells = (name, Number(Decimal("-1234.5678"), "USDC", 2), Number(None))
    section = Section("s", name, name, make_pictures(name), (Table("t", name, (name, "n", "m"), (cells,)),), name)
    return Page(name, name, (name,), (Card(name, Number(5, name)),), (section,), name)


def test_every_string_is_escaped() -> None:
    text = render(make_page(HOSTILE))

    checker = Checker()
    checker.feed(text)
    assert checker.open == []
    assert "script" not in checker.tags
    assert "\x00" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert len(set(checker.labels)) == 1


def test_it_names_no_address_and_needs_no_file() -> None:
    text = render(make_page())

    assert re.findall(r"https?:|//|url\(|@import|src=|xmlns|xlink|DOCTYPE svg|<script", text) == []
    assert set(re.findall(r'href="([^"]*)"', text)) == {"#s"}


def test_it_is_the_same_at_every_run() -> None:
    assert render(make_page()) == render(make_page())


def test_ids_are_unique_and_every_picture_has_both_shapes() -> None:
    checker = Checker()
    checker.feed(render(make_page()))

    assert checker.ids == ["s"]
    assert checker.labels == ["fills"] * 8
    assert checker.tags.count("h1") == 1


@pytest.mark.parametrize(
    "number, shown, exact",
    [
        (Number(Decimal("-1234.5678"), "USDC", 2), "\u22121 234.57 USDC", "-1234.5678"),
        (Number(Decimal("1E+3"), decimals=1, is_signed=True), "+1 000.0", "1000"),
        (Number(10_000), "10 000", "10000"),
        (
            Number(Decimal("0.00000000000000000000000000001234567")),
            "0." + "0" * 28 + "1234567",
            "0." + "0" * 28 + "1234567",
        ),
        (Number(None, "USDC"), "unknown", ""),
    ],
)
def test_a_number_is_shown_short_and_carried_exactly(number: Number, shown: str, exact: str) -> None:
    assert (number.shown, number.exact) == (shown, exact)
