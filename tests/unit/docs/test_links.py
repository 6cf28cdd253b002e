"""Files that the README and the pages name exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGES = [ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]
# Paths in code quotes, and the targets of links; what has a placeholder in it names no file.
NAMED = re.compile(r"`((?:mm_trio|tests|docs|benchmarks|tools)/[\w./]*)`|\]\(([\w./-]+)\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    found = [match[1] or match[2] for match in NAMED.finditer(page.read_text())]
    missing = [name for name in found if not (ROOT / name).exists() and not (page.parent / name).exists()]

    assert missing == []
