"""Schemas of the results: each command with `--json` has one, they are closed, and the page lists them."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("jsonschema", reason="jsonschema is not installed")

from jsonschema import Draft202012Validator
from schema_kit import FOLDER, SHARED, check_printed, find_fault, find_schema_name, read_referred, read_schemas

from mm_trio.cli.main import _COMMANDS, main
from mm_trio.cli.shell.exit_codes import ExitCode
from mm_trio.cli.shell.parser import Command

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "json.md").read_text()
# Objects whose names are the venue's, the operator's, or those of a table for people.
OPEN = {"certificate_header/ladder"}
COUNTS: dict[str, Any] = {
    **dict.fromkeys(("ticks", "fills", "requests", "items", "reconnects", "reconciliations", "errors"), 0),
    **dict.fromkeys(("refusals_paused", "levels_left_out"), 0),
    **dict.fromkeys(("items_per_1000_filled", "budget_left", "budget_hours"), None),
    "fill_volume": 0.0,
    "nothing_to_offer": [],
}
RUN: dict[str, Any] = {**COUNTS, "orders_may_rest": [], "orders_left": [], "halted_because": []}
INTERRUPTED = {"interrupted": True, "signal": "SIGINT", "checked": [], "not_checked": ["everything"]}


def find_commands(commands: Sequence[Command] = _COMMANDS, before: str = "") -> Iterator[str]:
    """Find the names of all commands that have `--json`."""
    for command in commands:
        name = f"{before} {command.name}".strip()
        if command.verbs:
            yield from find_commands(command.verbs, name)
            continue
        parser = argparse.ArgumentParser()
        command.add_arguments(parser)
        if any("--json" in action.option_strings for action in parser._actions):
            yield name


NAMES = sorted(find_commands())


@pytest.mark.parametrize("command", NAMES)
def test_every_command_with_json_has_a_schema(command: str) -> None:
    """A new command needs `mm_trio/schemas/NAME.json`, a row in docs/json.md, and a call in the session of all."""
    name = command.replace(" ", "-")

    assert (FOLDER / f"{name}.json").is_file(), f"mm_trio/schemas/{name}.json is missing: describe what it prints"
    assert find_schema_name([*command.split(), "--json"]) == name
    assert read_schemas()[f"{name}.json"]["title"] == f"mm-trio {command} --json"
    assert f"| `{command}` | [`{name}.json`]" in PAGE


def test_every_schema_is_of_a_command() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == {name.replace(" ", "-") for name in NAMES} | SHARED


@pytest.mark.parametrize("file", sorted(read_schemas()))
def test_a_schema_is_a_valid_one(file: str) -> None:
    schema = read_schemas()[file]

    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(schema)


def find_open_objects(schema: Any, path: str = "") -> Iterator[str]:
    """Find objects that allow keys which are not listed. Parts that others build on are closed there."""
    if isinstance(schema, dict):
        is_closed = "additionalProperties" in schema or "unevaluatedProperties" in schema
        if schema.get("type") == "object" and not is_closed:
            yield path
        for key, value in schema.items():
            shown = key not in ("$defs", "properties", "items", "anyOf", "allOf")
            yield from find_open_objects(value, f"{path}/{key}" if shown else path)
    elif isinstance(schema, list):
        for value in schema:
            yield from find_open_objects(value, path)


@pytest.mark.parametrize("file", sorted(read_schemas()))
def test_every_object_is_closed(file: str) -> None:
    """A key that a schema does not know is a mistake of one of them."""
    parts = {"/may_fail", "/interruption", "/run_counts", "/earnings", "/certificate_header"}
    allowed = {f"/{each}" for each in OPEN} | (parts if file == "common.json" else set())

    assert set(find_open_objects(read_schemas()[file])) <= allowed


def test_every_reference_leads_to_a_definition() -> None:
    referred = read_referred()
    for file, schema in read_schemas().items():
        for target in re.findall(r'"\$ref": "([^"]+)"', json.dumps(schema)):
            name, _, pointer = target.partition("#")
            found: Any = referred[name or file]
            for part in pointer.strip("/").split("/"):
                found = found[part]


def test_a_result_that_fits_is_accepted() -> None:
    assert find_fault("run", RUN) is None
    assert find_fault("run", RUN | {"error": "halted: spent", "exit_code": 5}) is None


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"ticks": "3"}, "is not of type 'integer'"),
        ({"ticks": -1}, "is less than the minimum"),
        ({"surprise": 1}, "surprise"),
        ({"error": "halted: spent"}, "'exit_code' is a dependency of 'error'"),
        ({"error": "halted: spent", "exit_code": 0}, "is not one of"),
        ({"orders_left": [{"name": "x", "px": "2e1"}]}, "does not match"),
        ({"orders_left": [{"name": "x", "px": 20.5}]}, "is not of type 'string'"),
        ({"fills": None}, "is not of type 'integer'"),
    ],
)
def test_a_result_that_does_not_fit_is_found(change: dict[str, Any], what: str) -> None:
    assert what in str([str(fault) for fault in _find_all("run", RUN | change)])


def _find_all(name: str, values: Any) -> list[str]:
    from schema_kit import make_validator

    def tell(fault: Any) -> Iterator[str]:
        yield str(fault.message)
        for each in fault.context:
            yield from tell(each)

    return [message for fault in make_validator(name).iter_errors(values) for message in tell(fault)]


@pytest.mark.parametrize("command", NAMES)
def test_an_error_has_the_same_shape_everywhere(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = [*command.split(), "--json", "--no-such-word"]

    code = main(words)

    out = capsys.readouterr().out
    assert json.loads(out.splitlines()[-1])["exit_code"] == code == ExitCode.CONFIG
    check_printed(words, code, out)


def test_an_interruption_has_the_same_shape_in_every_verdict() -> None:
    """Of all but the commands that end with what they have done until then, and those that wait for nothing."""
    others = {"demo", "run", "sandbox", "migrate", "record", "watch", "alerts list"}
    accepted = {name for name in NAMES if find_fault(name.replace(" ", "-"), INTERRUPTED) is None}

    assert accepted == set(NAMES) - others


@pytest.mark.parametrize(
    ("name", "summary"),
    [
        ("ledger-audit", {"ok": False, "coin": "@107"}),
        ("ledger-rebuild", {"rebuilt": False, "coin": "@107"}),
        ("ledger-restore", {"restored": False, "coin": "@107"}),
        ("keys-new", {"listed": False, "file": None}),
        ("keys-rotate", {"listed": False, "file": "agent.key"}),
        ("cancel-all", {"ok": False, "cancelled": 3}),
        ("doctor", {"ok": False}),
    ],
)
def test_an_interruption_says_what_was_not_done(name: str, summary: dict[str, Any]) -> None:
    assert find_fault(name, summary | INTERRUPTED) is None
    assert find_fault(name, summary | INTERRUPTED | {"surprise": 1}) is not None


@pytest.mark.parametrize(
    ("words", "code", "out"),
    [
        (["run"], 0, "no JSON was asked for"),
        (["run", "--json"], -9, '{"ticks": 3'),
        (["run", "--json"], 0, ""),
        (["run", "--json"], 0, "a page of help"),
        (["no-such-command", "--json"], 2, '{"error": "x"}'),
    ],
)
def test_what_is_no_result_is_not_checked(words: list[str], code: int, out: str) -> None:
    check_printed(words, code, out)


def test_a_printed_result_that_does_not_fit_fails_the_test_that_saw_it() -> None:
    with pytest.raises(AssertionError, match=r"guard --once --json: guard\.json, at state: 3 is not"):
        check_printed(["guard", "--once", "--json"], 0, 'log\n{"coin": "@107", "state": 3}')
