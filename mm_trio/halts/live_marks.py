"""Marks of what an operator has looked at before a maker trades real money, in its state folder.

A mark that is missing or cannot be read counts as not looked at: then a start is refused, or stays small.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from mm_trio.journal.end_mark import replace_file

__all__ = ["FIRST_RUN_NAME", "PLAN_NAME", "is_first_run_seen", "is_plan_seen", "note_first_run", "note_plan"]

PLAN_NAME, FIRST_RUN_NAME = "plan-seen.json", "first-run-seen.json"
VERSION = 1
# A digest has 64 characters, and more plans than these are not looked at side by side.
MOST_PLANS = 16
_MOST_BYTES = 4096


def note_plan(folder: Path, digest: str, *, at_ms: int) -> None:
    """Note that the plan of these settings was shown, durably.

    The earlier ones stay noted: a plan that is looked at beside a live maker must not keep that one from its restart.
    Errors: OSError.
    """
    earlier = [known for known in _read_plans(folder) if known != digest]
    _write(folder / PLAN_NAME, {"digests": [*earlier, digest][-MOST_PLANS:], "at_ms": at_ms})


def is_plan_seen(folder: Path, digest: str) -> bool:
    """Check if the plan of these settings is one of the last that were shown."""
    return digest in _read_plans(folder)


def _read_plans(folder: Path) -> list[str]:
    """Read the digests of the plans that were shown, the newest last."""
    raw = _read(folder / PLAN_NAME)
    # An earlier version noted one.
    digests = raw.get("digests", [raw.get("digest")])
    return [digest for digest in digests if isinstance(digest, str)] if isinstance(digests, list) else []


def note_first_run(folder: Path, *, at_ms: int) -> None:
    """Note that the operator has looked at the first run, durably. Errors: OSError."""
    _write(folder / FIRST_RUN_NAME, {"seen": True, "at_ms": at_ms})


def is_first_run_seen(folder: Path) -> bool:
    """Check if the operator has looked at the first run."""
    return _read(folder / FIRST_RUN_NAME).get("seen") is True


def _write(path: Path, values: Mapping[str, object]) -> None:
    data = f"{json.dumps({'version': VERSION, **values})}\n".encode()
    replace_file(path, data, beside=path.with_name(f"{path.name}.new"))


def _read(path: Path) -> Mapping[str, object]:
    """Read a mark; nothing where it is missing, or is not a whole one."""
    try:
        with path.open("rb") as file:
            raw = json.loads(file.read(_MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return raw if isinstance(raw, Mapping) and raw.get("version") == VERSION else {}
