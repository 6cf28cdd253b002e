"""Page: sections with words, pictures and tables as one HTML file.

It stands alone: no script, no address, no file beside it. Every word is escaped where it is written, because names of
tokens, addresses and reasons come from outside.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext

from mm_trio.pages.drawing import PALETTE, SHAPES
from mm_trio.pages.pictures import Key, Picture
from mm_trio.pages.scales import MINUS
from mm_trio.pages.style import STYLE
from mm_trio.pages.svg import make_printable

__all__ = ["Card", "Cell", "Number", "Page", "Section", "Table", "cells", "render"]

# More than any amount has.
MOST_DIGITS = 10_000


@dataclass(frozen=True, slots=True)
class Number:
    """Exact number with its unit, shown with so many decimals.

    None: it is not known. The page carries the exact digits too.
    """

    value: Decimal | int | None
    unit: str = ""
    decimals: int | None = None
    is_signed: bool = False

    @property
    def exact(self) -> str:
        """Return all digits; empty where it is not known."""
        return "" if self.value is None else f"{self.value:f}" if isinstance(self.value, Decimal) else str(self.value)

    @property
    def shown(self) -> str:
        """Return the digits that are shown, in groups of three."""
        if self.value is None:
            return "unknown"
        sign = "+" if self.is_signed and self.value else ""
        with localcontext(prec=MOST_DIGITS):
            value = self.value if self.decimals is None else round(Decimal(self.value), self.decimals)
        text = f"{value:{sign},f}" if isinstance(value, Decimal) else f"{value:{sign},}"
        unit = f" {self.unit}" if self.unit else ""
        return text.replace("-", MINUS).replace(",", " ") + unit


Cell = Number | str


def cells(*given: Cell) -> tuple[Cell, ...]:
    """Return cells as a row of a table."""
    return given


@dataclass(frozen=True, slots=True)
class Table:
    """Table; the first cell of a row names it. `name` is that of its CSV file."""

    name: str
    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    has_total: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """Part of the page.

    `absent` says why there is nothing to show, or what is left out.
    """

    key: str
    title: str
    words: str
    pictures: tuple[Picture, ...] = ()
    tables: tuple[Table, ...] = ()
    absent: str | None = None


@dataclass(frozen=True, slots=True)
class Card:
    """Figure at the top of the page."""

    name: str
    number: Number


@dataclass(frozen=True, slots=True)
class Page:
    """Whole page."""

    title: str
    meta: str
    words: tuple[str, ...]
    cards: tuple[Card, ...]
    sections: tuple[Section, ...]
    footer: str


def render(page: Page) -> str:
    """Return the page as HTML."""
    return "\n".join(_render(page)) + "\n"


def _escape(text: str) -> str:
    return html.escape(make_printable(text))


def _render(page: Page) -> Iterator[str]:
    title = _escape(page.title)
    yield '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>"
    yield f'<header>\n<h1>{title}</h1>\n<p class="meta">{_escape(page.meta)}</p>'
    yield '<div class="words">' + "".join(f"<p>{_escape(words)}</p>" for words in page.words) + "</div>"
    yield '<ul class="cards">'
    for card in page.cards:
        yield f"<li><span>{_escape(card.name)}</span><b>{_show(card.number)}</b></li>"
    yield '</ul>\n<nav aria-label="Sections"><ul>'
    for section in page.sections:
        yield f'<li><a href="#{_escape(section.key)}">{_escape(section.title)}</a></li>'
    yield "</ul></nav>\n</header>\n<main>"
    for section in page.sections:
        yield from _render_section(section)
    yield f"</main>\n<footer><p>{_escape(page.footer)}</p></footer>\n</body>\n</html>"


def _render_section(section: Section) -> Iterator[str]:
    key = _escape(section.key)
    yield f'<section aria-labelledby="{key}">\n<h2 id="{key}">{_escape(section.title)}</h2>'
    if section.words:
        yield f"<p>{_escape(section.words)}</p>"
    if section.absent is not None:
        yield f'<p class="absent">{_escape(section.absent)}</p>'
    for picture in section.pictures:
        yield from _render_picture(picture)
    for table in section.tables:
        yield from _render_table(table)
    yield "</section>"


def _render_picture(picture: Picture) -> Iterator[str]:
    yield "<figure>"
    if picture.keys:
        yield "<figcaption><ul>" + "".join(map(_render_key, picture.keys)) + "</ul></figcaption>"
    # Text in one picture cannot be right both on a desk and on a phone.
    for shape in SHAPES:
        yield f'<div class="{shape.name}">{picture.draw(shape)}</div>'
    yield "</figure>"


def _render_key(key: Key) -> str:
    return f'<li><i class="{key.kind}" style="color:{PALETTE[key.colour]}"></i>{_escape(key.name)}</li>'


def _render_table(table: Table) -> Iterator[str]:
    caption = _escape(table.caption)
    # A table that scrolls has to be reached by the keyboard.
    yield f'<div class="scroll" tabindex="0" role="region" aria-label="{caption}"><table>\n<caption>{caption}</caption>'
    numeric = [any(isinstance(row[i], Number) for row in table.rows) for i in range(len(table.head))]
    heads = (
        f'<th scope="col"{_class(is_number)}>{_escape(name)}</th>'
        for name, is_number in zip(table.head, numeric, strict=True)
    )
    yield f"<thead><tr>{''.join(heads)}</tr></thead>\n<tbody>"
    for number, row in enumerate(table.rows, start=1):
        kind = ' class="total"' if table.has_total and number == len(table.rows) else ""
        yield f"<tr{kind}>{''.join(_render_cells(row, numeric))}</tr>"
    yield "</tbody>\n</table></div>"


def _render_cells(row: Sequence[Cell], numeric: Sequence[bool]) -> Iterator[str]:
    for number, (cell, is_number) in enumerate(zip(row, numeric, strict=True)):
        name, scope = ("td", "") if number else ("th", ' scope="row"')
        is_long = isinstance(cell, str) and len(cell) > 40
        yield f"<{name}{scope}{_class(is_number, is_long=is_long)}>{_show(cell)}</{name}>"


def _class(is_number: bool, *, is_long: bool = False) -> str:
    return ' class="number"' if is_number else ' class="text"' if is_long else ""


def _show(cell: Cell) -> str:
    if isinstance(cell, str):
        return _escape(cell)
    if cell.value is None:
        return '<i class="note">unknown</i>'
    return f'<data value="{_escape(cell.exact)}">{_escape(cell.shown)}</data>'
