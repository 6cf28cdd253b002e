"""Every command prints a result that fits its schema: one session on a sandbox runs through all of them."""

from __future__ import annotations

import pytest
from json_session_kit import JsonSession
from schema_kit import FOLDER, SHARED, find_fault

pytest.importorskip("jsonschema", reason="jsonschema is not installed")
pytest.importorskip("starlette", reason="the extra `page` is not installed")
pytest.importorskip("hypercorn", reason="the extra `page` is not installed")
pytest.importorskip("apprise", reason="the extra `alerts` is not installed")

# Some eighty programs one after another, and all of them may be slow on a busy machine.
pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> JsonSession:
    session = JsonSession(tmp_path_factory.mktemp("json"))
    session.play()
    return session


def test_every_command_printed_what_its_schema_has(session: JsonSession) -> None:
    faults = [
        fault
        for command, results in session.printed.items()
        for values in results
        if (fault := find_fault(command.replace(" ", "-"), values)) is not None
    ]

    assert faults == []


def test_every_schema_was_tried(session: JsonSession) -> None:
    """A new command needs a call in `JsonSession.play`."""
    wanted = {path.stem for path in FOLDER.iterdir()} - SHARED

    assert wanted - {command.replace(" ", "-") for command in session.printed} == set()


def test_no_result_shows_the_key_that_signed(session: JsonSession) -> None:
    """But for the sandbox, whose keys are public and are its result."""
    key = session.printed["sandbox"][0]["private_key"].removeprefix("0x")

    assert [command for command, results in session.printed.items() if key in str(results)] == ["sandbox"]
