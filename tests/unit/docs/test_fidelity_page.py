"""The page on the sandbox's fidelity names tests that exist, and says how sure each row is."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[3] / "docs" / "sandbox-fidelity.md"
ROWS = [line for line in PAGE.read_text().splitlines() if line.startswith("| ") and not line.startswith("| ---")]


def test_every_test_that_the_page_names_exists() -> None:
    named = set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)", PAGE.read_text()))
    missing = [(file, name) for file, name in named if f"def {name}(" not in (PAGE.parents[1] / file).read_text()]

    assert len(named) > 200
    assert missing == []


def test_every_row_says_how_sure_it_is_and_who_holds_it_to_that() -> None:
    rows = [row for row in ROWS if not row.startswith("| behaviour")]
    cells = [re.split(r"(?<!\\) \| ", row.strip("| ")) for row in rows]
    untested = [row for row in rows if "`tests/" not in row]

    assert [row for row in cells if len(row) != 4 or not re.fullmatch(r"[A-D](/[A-D])*|-", row[2])] == []
    assert len(untested) <= 12  # what is not modelled
