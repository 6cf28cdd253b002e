"""Venue messages that tests read: made-up ones in the repository, and captured ones where they lie beside it.

Both sets have the same files. The made-up ones have the captures' form and no number of theirs
(`tests/data/README.md`), so they show that a message of that form is read and answered. What the venue really said, the
captures alone can show: with them beside the checkout, each test runs on both.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

__all__ = ["CAPTURED", "MADE_UP", "SOURCES", "Messages", "as_params"]

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Messages:
    """One set of messages."""

    name: str
    folder: Path

    @property
    def venue(self) -> Path:
        """The folder of messages; `hip2` beside it has tapes."""
        return self.folder / "hyperliquid"

    def load(self, pattern: str) -> Any:
        """Read the one document whose path fits."""
        (path,) = self.venue.glob(pattern)
        return json.loads(path.read_text())

    def names(self, part: str, *patterns: str) -> list[str]:
        """List documents of a part by their paths, sorted."""
        return sorted(str(path.relative_to(self.venue)) for p in patterns for path in (self.venue / part).glob(p))


MADE_UP = Messages("made up", ROOT / "tests" / "data" / "made_up")
CAPTURED = Messages("captured", ROOT.parent / "shared" / "fixtures")
SOURCES = tuple(source for source in (MADE_UP, CAPTURED) if source.venue.is_dir())


def as_params(*cases: tuple[Any, ...]) -> list[Any]:
    """Make parameters of cases that begin with their source; those of captures are marked."""
    return [
        pytest.param(
            *case,
            id="-".join([case[0].name, *(each for each in case[1:] if isinstance(each, str))]),
            marks=[pytest.mark.captures] if case[0] is CAPTURED else [],
        )
        for case in cases
    ]
