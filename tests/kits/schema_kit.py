"""Schemas of what commands print with `--json`, and the check of a result against its own.

The kit that starts programs checks every result that it sees, so each test of a command is a test of its schema too.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import mm_trio

FOLDER = Path(mm_trio.__file__).parent / "schemas"
# What a maker says of itself is described there, once; schemas refer to it by this path, seen from their folder.
CONTROL_API = "../control/openapi.json"
# What no command prints as its result.
SHARED = {"common", "log-line"}
MOST_SHOWN = 300
BASE = "mm_trio/schemas/"


def find_schema_name(words: Sequence[str]) -> str | None:
    """Find the schema of a command line by its first words, as `ledger-audit`; None where there is none."""
    names = ("-".join(words[:2]), words[0] if words else "demo")
    return next((name for name in names if (FOLDER / f"{name}.json").is_file()), None)


@cache
def read_schemas() -> dict[str, Any]:
    """All schemas, by the name of their file."""
    return {path.name: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}


@cache
def read_referred() -> dict[str, Any]:
    """All that a schema may refer to, by the path seen from its folder."""
    return {**read_schemas(), CONTROL_API: json.loads((FOLDER / CONTROL_API).read_text())}


@cache
def make_validator(name: str) -> Any:
    """The validator of a schema, which finds what it refers to where that is in the package."""
    from jsonschema import Draft202012Validator
    from referencing import Registry
    from referencing.jsonschema import DRAFT202012

    found = [(urljoin(BASE, path), DRAFT202012.create_resource(each)) for path, each in read_referred().items()]
    registry: Any = Registry().with_resources(found)
    return Draft202012Validator({"$ref": f"{BASE}{name}.json"}, registry=registry)


def find_fault(name: str, values: Any) -> str | None:
    """Say what in a result is not as its schema has it, None where all of it is."""
    from jsonschema.exceptions import best_match

    fault = best_match(make_validator(name).iter_errors(values))
    if fault is None:
        return None
    return f"{name}.json, at {'/'.join(map(str, fault.absolute_path)) or 'the top'}: {fault.message[:MOST_SHOWN]}"


def check_printed(words: Sequence[str], code: int, out: str) -> None:
    """Check the last line of a command that was started with `--json`, if it printed one and was not killed."""
    lines = out.splitlines()
    name = find_schema_name(words)
    if "--json" not in words or code < 0 or not lines or name is None or not lines[-1].startswith("{"):
        return
    try:
        import jsonschema  # noqa: F401 - not everybody who starts a program has it
    except ImportError:
        return
    fault = find_fault(name, json.loads(lines[-1]))
    assert fault is None, f"{' '.join(words)}: {fault}"
