"""The glossary gives each term one row, and names modules that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "glossary.md"


def read_rows() -> list[list[str]]:
    """Read the rows of the tables of terms: term, meaning, where it lives."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    rows = [line.strip("| ").split(" | ") for line in lines]
    return [row for row in rows if len(row) == 3 and row[0] not in ("---", "term")]


def test_every_module_that_the_page_names_exists() -> None:
    named = set(re.findall(r"`((?:mm_trio|docs|tests)/[\w./-]+)`", PAGE.read_text()))

    assert len(named) > 25
    assert sorted(path for path in named if not (ROOT / path).is_file()) == []


def test_every_term_has_a_home() -> None:
    rows = read_rows()

    assert len(rows) > 60
    assert [row[0] for row in rows if not re.fullmatch(r"`mm_trio/[\w/]+\.py`", row[2])] == []


def test_every_term_has_one_row() -> None:
    """A row may explain several terms: `base, quote`, or a term with its synonym in brackets."""
    heads = [row[0] for row in read_rows()]

    assert sorted({head for head in heads if heads.count(head) > 1}) == []
