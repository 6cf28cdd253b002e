"""Presets: each has a certificate on file that still fits, and is still made to the byte."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from certificate_kit import live_for, write_signed

from mm_trio.cli.insight.certificate import PRESET_NAMES
from mm_trio.cli.liquidity_programs.signing import recover
from mm_trio.liquidity.presets import PRESET_NOTES, PRESETS, read_preset
from mm_trio.liquidity.verification import verify_lines

FOLDER = Path(__file__).resolve().parents[2] / "data" / "certificates"
# Mid and size of the orders in the history of each, so that its depths are reached while both sides are there.
HISTORIES = {"audit-50k": ("20", "3000"), "monday-trade": ("20", "4000")}
HISTORIES |= {"quote-asset": ("1", "1500000"), "quote-asset-hype": ("0.02", "3000000")}
VERDICTS = {
    "spark": [False, False, False, True],
    "monday-trade": [False, True],
    "audit-5k": [False, False, False],
    "audit-50k": [False, False, False],
    "first-tier": [False],
    "vega": [False],
    "quote-asset": [True, True],
    "quote-asset-hype": [True],
}


def write_golden(name: str) -> bytes:
    mid, size = HISTORIES.get(name, ("20", "300"))
    return b"".join(write_signed(read_preset(name), live_for(mid, size), preset=name))


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_the_certificate_on_file_fits(name: str) -> None:
    lines = (FOLDER / f"{name}.jsonl").read_bytes().splitlines(keepends=True)
    found = verify_lines(lines, recover=recover)

    assert found.findings == []
    assert found.figures is not None
    assert [clause["met"] for clause in found.figures.clauses] == VERDICTS[name]


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_the_same_history_makes_the_same_certificate(name: str) -> None:
    assert write_golden(name) == (FOLDER / f"{name}.jsonl").read_bytes()


def test_every_preset_is_offered_and_explained() -> None:
    assert list(PRESETS) == list(PRESET_NAMES)
    assert PRESETS.keys() == PRESET_NOTES.keys() == VERDICTS.keys()


if __name__ == "__main__":
    # Run by hand after a change of the format: python tests/unit/liquidity/test_presets.py
    os.makedirs(FOLDER, exist_ok=True)
    for preset in PRESETS:
        (FOLDER / f"{preset}.jsonl").write_bytes(write_golden(preset))
