"""The page on the doctor lists every check as it is, and the numbers of the code."""

from __future__ import annotations

import re
from pathlib import Path

from mm_trio.cli.check_programs.examination import ALL_CHECKS, LOCAL_S
from mm_trio.cli.check_programs.start import START_CHECKS
from mm_trio.cli.check_programs.venue_facts import ALL_QUESTIONS_S, MOST_WEIGHT, QUESTION_S

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "doctor.md").read_text()
ROWS = re.findall(r"^\| `(\w+)` \| (.+?) \| .+? \| .+? \|$", PAGE, re.MULTILINE)


def test_every_check_has_a_row_in_its_order() -> None:
    assert [(check.name, check.about) for check in ALL_CHECKS] == ROWS


def test_the_checks_of_a_start_are_named() -> None:
    (named,) = re.findall(r"`run` begins with those that ask nobody: (.+)\.$", PAGE, re.MULTILINE)

    assert re.findall(r"`(\w+)`", named) == [check.name for check in START_CHECKS]


def test_the_bounds_are_those_of_the_code() -> None:
    assert f"uses {MOST_WEIGHT} at most" in PAGE
    assert (
        f"question has {QUESTION_S:g} s, all together {ALL_QUESTIONS_S:g} s, each look at the disk {LOCAL_S:g} s"
        in (" ".join(PAGE.split()))
    )
