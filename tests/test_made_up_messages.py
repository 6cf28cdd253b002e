"""The made-up venue messages have the captures' form, none of their numbers, and parts that fit each other."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from captures_kit import CAPTURED, MADE_UP, SOURCES

TOOL = Path(__file__).resolve().parents[1] / "tools" / "make_up_messages.py"
FORMS = {"decimal": r"-?\d+\.\d+", "number": r"-?\d+", "hex": r"0x[0-9a-f]+", "date": r"\d{4}-\d\d-\d\d"}
# What only the captures say, of where they come from.
OF_CAPTURES = {"net", "kind", "src", "note"}
# What the venue publishes for everybody: fees, and limits in a text.
PUBLIC = {"feeSchedule", "userCrossRate", "userAddRate", "userSpotCrossRate", "userSpotAddRate"}
# Numbers of fewer figures can come out twice by chance.
FIGURES = 6
SAME_ON_PURPOSE = {
    # The id under which HYPE is listed, as the sandbox lists it too.
    "0x0d01dc56dcaaca66ad901c959b4011ec",
    # The hash of an action without any number.
    "0xa2887a3147b6542306b61d311a056fd1753913d63cc904f30cba61712a98f4ae",
}

needs_captures = pytest.mark.skipif(CAPTURED not in SOURCES, reason="compares with captures, and there are none")


def walk(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Each path of a document with what stands there; names of coins are no keys."""
    if isinstance(value, dict):
        for key, each in value.items():
            if key not in OF_CAPTURES:
                yield from walk(each, f"{path}.{'*' if path.endswith('mids') else key}")
    elif isinstance(value, list):
        for each in value:
            yield from walk(each, f"{path}[]")
    else:
        yield path, value


def name_kind(value: Any) -> str:
    if not isinstance(value, str):
        return type(value).__name__
    return next((name for name, form in FORMS.items() if re.fullmatch(form, value)), "text")


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def made_up(part: str = "*") -> list[Path]:
    return sorted(MADE_UP.venue.glob(f"{part}/*.json"))


@pytest.mark.captures
@needs_captures
def test_each_capture_has_a_twin_of_the_same_shape() -> None:
    names = [path.relative_to(CAPTURED.venue) for path in sorted(CAPTURED.venue.glob("*/*.json"))]

    assert names == [path.relative_to(MADE_UP.venue) for path in made_up()]
    for name in names:
        shapes = [{(at, name_kind(x)) for at, x in walk(read(each.venue / name))} for each in (CAPTURED, MADE_UP)]
        assert shapes[0] == shapes[1], name


@pytest.mark.captures
@needs_captures
def test_no_number_of_a_capture_is_among_the_made_up_ones() -> None:
    """Addresses, hashes, ids, times, prices, sizes: whatever has six figures or more."""

    def numbers(folder: Path) -> set[str]:
        found = [x for path in sorted(folder.glob("**/*.json")) for x in walk(read(path))]
        shown = [str(x) for at, x in found if not PUBLIC & set(at.replace("[]", "").split("."))]
        words = [word for text in shown for word in re.findall(r"0x[0-9a-fA-F]+|\d+\.?\d*", text)]
        return {word for word in words if len(word.strip("0x.")) >= FIGURES and len(set(word[2:])) > 1}

    copied = numbers(MADE_UP.folder) & numbers(CAPTURED.folder)

    assert copied == SAME_ON_PURPOSE


@pytest.mark.captures
@needs_captures
def test_the_script_writes_the_files_that_are_kept(tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(TOOL), str(CAPTURED.folder), str(tmp_path)], check=True, timeout=60)

    written, kept = (
        {path.relative_to(folder): path.read_text() for path in folder.glob("*/**/*.json")}
        for folder in (tmp_path, MADE_UP.folder)
    )
    assert written == kept


def test_a_fee_is_that_of_its_size() -> None:
    rows = [row for path in made_up("rest") for row in read(path) if isinstance(row, dict) and "fee" in row]
    paid = [row for row in rows if Decimal(row["fee"]) and "feeToken" in row]

    assert len(paid) > 5
    for row in paid:
        in_base = row["side"] == "B" and row["feeToken"] != "USDC"
        amount = Decimal(row["sz"]) * (1 if in_base else Decimal(row["px"]))
        fee = amount * (Decimal("0.0007") if row["crossed"] else Decimal("0.0004"))
        assert abs(abs(Decimal(row["fee"])) - fee) <= Decimal("0.00000001")


def test_books_do_not_cross() -> None:
    books = [read(path) for path in made_up("rest") if "l2Book" in path.name]

    assert books
    for book in books:
        bids, asks = ([Decimal(row["px"]) for row in side] for side in book["levels"])
        assert bids == sorted(set(bids), reverse=True)
        assert asks == sorted(set(asks))
        assert bids[0] < asks[0]


def test_a_tape_goes_on_where_its_last_row_ended() -> None:
    """Its balances chain without a break, and its times rise."""
    for path in sorted((MADE_UP.folder / "hip2").glob("*.json")):
        rows = read(path)
        moved = [Decimal(row["sz"]) * (1 if row["side"] == "B" else -1) for row in rows]
        after = [Decimal(row["startPosition"]) + size for row, size in zip(rows, moved, strict=True)]
        assert [Decimal(row["startPosition"]) for row in rows[1:]] == after[:-1]
        assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)
