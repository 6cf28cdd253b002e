"""The page on faults has a row for every code that a test's name uses, and names modules that exist."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "faults.md"
# A row that was lost from the page would lose its reason too, so the page has to have this many in each part.
TABLE = {"A": 27, "B": 8, "C": 13, "D": 11, "E": 16}
# There is no sixth.
ATTACKS = [f"R{n}" for n in (1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14)]
RULES = [*(f"S{n}" for n in range(1, 36)), *(f"L{n}" for n in range(1, 11))]
REASONS = ("no test of its own: ", "not tested: ", "not applicable: ")


def read_rows(code: str) -> dict[str, list[str]]:
    """Read the rows of the page whose first cell matches: first cell -> the other cells."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    rows = [line.strip("| ").split(" | ") for line in lines]
    return {first: rest for first, *rest in rows if re.fullmatch(code, first)}


def find_modules(text: str) -> set[str]:
    """Find the test modules that a text names."""
    return set(re.findall(r"`(tests/[\w/]+\.py)`", text))


def find_tests(code: str) -> dict[str, set[str]]:
    """Find where test names carry a code: code -> modules."""
    found: dict[str, set[str]] = defaultdict(set)
    for module in sorted((ROOT / "tests").rglob("test_*.py")):
        for told in re.findall(rf"def test_({code})_", module.read_text()):
            found[told].add(module.relative_to(ROOT).as_posix())
    return found


FAULTS = read_rows(r"[A-E]\d+")
ITEMS = read_rows(r"\d+")


def test_every_fault_of_the_table_has_a_row() -> None:
    assert list(FAULTS) == [f"{part}{n}" for part, most in TABLE.items() for n in range(1, most + 1)]
    assert {len(cells) for cells in FAULTS.values()} == {4}


def test_every_row_names_the_modules_whose_tests_carry_its_code() -> None:
    tests = find_tests(r"[a-e]\d+")
    unnamed = {
        code: modules - find_modules(FAULTS.get(code.upper(), [""])[-1])
        for code, modules in tests.items()
        if modules - find_modules(FAULTS.get(code.upper(), [""])[-1])
    }

    assert len(tests) > 30
    assert unnamed == {}


def test_a_row_gives_a_reason_exactly_where_no_test_carries_its_code() -> None:
    tests = find_tests(r"[a-e]\d+")
    with_a_reason = {code for code, cells in FAULTS.items() if cells[-1].startswith(REASONS)}

    assert with_a_reason == {code for code in FAULTS if code.lower() not in tests}


def test_every_module_that_the_page_names_exists() -> None:
    named = find_modules(PAGE.read_text())

    assert len(named) > 30
    assert sorted(module for module in named if not (ROOT / module).is_file()) == []


def test_every_kind_of_fault_that_a_row_names_is_one_of_the_sandbox() -> None:
    kinds = set(re.findall(r"`([a-z_]+)`", (ROOT / "docs" / "sandbox.md").read_text()))
    told = [cells[-1].rpartition("simulation: ")[2] for cells in FAULTS.values() if "simulation: " in cells[-1]]
    named = {kind for cell in told for kind in re.findall(r"`([a-z_]+)`", cell)}

    assert len(named) > 25
    assert named <= kinds


def test_every_fault_found_by_attack_has_a_row_that_names_a_test_of_it() -> None:
    """A code may have tests in many modules, so a row names at least one of them."""
    tests, rows = find_tests(r"r\d+"), read_rows(r"R\d+")

    assert list(rows) == ATTACKS
    assert {code.upper() for code in tests} == set(ATTACKS)
    assert [code for code in ATTACKS if not tests[code.lower()] & find_modules(rows[code][-1])] == []


def test_every_rule_that_a_row_names_is_explained() -> None:
    named = {rule for cells in FAULTS.values() for rule in cells[2].split()}

    assert list(read_rows(r"[SL]\d+")) == RULES
    assert named <= set(RULES)


def test_every_mistake_that_a_test_tries_is_listed_with_its_module() -> None:
    tests = {code.removeprefix("item_"): modules for code, modules in find_tests(r"item_\d+").items()}

    assert {number: find_modules(cells[-1]) for number, cells in ITEMS.items()} == tests
