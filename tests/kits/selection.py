"""Decide which tests a run of pytest takes: a third of each sweep, and what every Python runs.

`sweep` marks a test of many cases that are alike. MM_TRIO_SWEEP says which of them run: `all` (so it is without the
variable), a third by its number 0, 1 or 2, or `commit`, the third that the hash of HEAD chooses. `nox` takes that one,
`nox -s full` takes all.

`smoke` is what runs on every Python and not on the lowest alone: the tests of units and the properties, one case of
each sweep, and whatever is marked by hand because it stands for a way in which the program is used.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections import defaultdict
from collections.abc import Collection
from pathlib import Path

import pytest

__all__ = ["pytest_collection_modifyitems", "pytest_configure", "pytest_report_header"]

N_PARTS = 3
VARIABLE = "MM_TRIO_SWEEP"
TESTS = Path(__file__).resolve().parents[1]
ON_EVERY_PYTHON = frozenset({TESTS / "unit", TESTS / "props"})
# Git answers at once; a checkout on a dead network drive must not hold the tests for ever.
GIT_WAITS_S = 10.0


# --- which third ---


def choose_part(asked: str, *, checkout: Path) -> int | None:
    """Translate MM_TRIO_SWEEP into the third that runs; None is everything."""
    if asked == "all":
        return None
    if asked == "commit":
        return int(find_commit(checkout) or "0", 16) % N_PARTS
    if asked in map(str, range(N_PARTS)):
        return int(asked)
    raise pytest.UsageError(f"{VARIABLE}={asked} is not a valid choice; use all, commit, 0, 1 or 2")


def find_commit(checkout: Path) -> str | None:
    """Read the hash of HEAD; None where there is no git or no repository."""
    command = ["git", "-C", str(checkout), "rev-parse", "--verify", "HEAD"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=GIT_WAITS_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None


def keep_part(cases: Collection[str], part: int | None) -> frozenset[str]:
    """Choose the cases of one sweep that belong to a third, at least one.

    Cases are dealt out in the order of a hash of their names. Every third one as they stand would meet tests that
    take a number modulo three themselves, and would never run some of their kinds.
    """
    if part is None or len(cases) < N_PARTS:
        return frozenset(cases)
    by_hash = sorted(cases, key=lambda case: hashlib.sha256(case.encode()).digest())
    return frozenset(by_hash[part::N_PARTS])


# --- what pytest calls ---


def pytest_configure(config: pytest.Config) -> None:
    """Settle the third once; the workers of xdist inherit the answer and so collect the same."""
    part = choose_part(os.environ.get(VARIABLE, "all"), checkout=TESTS.parent)
    os.environ[VARIABLE] = "all" if part is None else str(part)


def pytest_report_header() -> str:
    """Name the third in the first lines of a run, so that it can be run again."""
    return f"sweeps: {VARIABLE}={os.environ[VARIABLE]}"


# First, since -m and -k choose among what is left, by marks that are given here.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the other thirds, begin with what is slow, and mark what every Python runs."""
    swept = [item for item in items if item.get_closest_marker("sweep")]
    cases: dict[str, list[str]] = defaultdict(list)
    for item in swept:
        cases[_name_test(item)].append(item.nodeid)
    asked = os.environ[VARIABLE]
    kept = {case for named in cases.values() for case in keep_part(named, None if asked == "all" else int(asked))}
    left_out = {item for item in swept if item.nodeid not in kept}
    config.hook.pytest_deselected(items=[item for item in items if item in left_out])
    # What takes longest begins first, so that at the end no worker is alone with it.
    items[:] = sorted((x for x in items if x not in left_out), key=lambda x: x.get_closest_marker("slow") is None)
    firsts = {_name_test(item): item for item in reversed(swept) if item.nodeid in kept}
    for item in items:
        if item is firsts.get(_name_test(item)) or not ON_EVERY_PYTHON.isdisjoint(item.path.parents):
            item.add_marker("smoke")


def _name_test(item: pytest.Item) -> str:
    """Name a test without its case."""
    return item.nodeid.partition("[")[0]
