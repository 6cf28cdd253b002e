"""The log of running programs as JSON: each line of stream and files is an object, and no secret is in any of them."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from process_kit import Program, Sandbox, open_sandbox, run, running

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

AS_JSON = ("--log-format", "json")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
# A part of each signed action and of nothing else.
SIGNED = re.compile(r"'r': '0x|\"r\": \"0x|signature", re.IGNORECASE)


def read_lines(text: str) -> list[dict[str, Any]]:
    """Read the log lines of a stream; what is told beside them, and a result, begins otherwise."""
    return [json.loads(line) for line in text.splitlines() if line.startswith('{"time"')]


@dataclass(frozen=True)
class Scene:
    """Programs that ran together, each with its log as JSON, and the sandbox's key."""

    folder: Path
    sandbox: Sandbox
    programs: dict[str, Program]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A maker that traded beside its guard and a recorder; all have ended."""
    folder = tmp_path_factory.mktemp("logs")
    with open_sandbox(folder, "--seed", "181", "--log-file", str(folder / "sandbox.log"), *AS_JSON) as sandbox:
        config = str(sandbox.save_config(folder))
        words = {
            "run": ("run", "--config", config, "-v", "--json"),
            "guard": ("guard", "--config", config, "--json"),
            "record": ("record", "--coin", sandbox.coin, "--api-url", sandbox.url, "--json"),
        }
        with ExitStack() as opened:
            programs = {"sandbox": sandbox.program}
            for name, each in words.items():
                options = ("--log-file", str(folder / f"{name}.log"), *AS_JSON)
                environ = sandbox.key if name == "run" else {}
                programs[name] = opened.enter_context(running(folder, *each, *options, environ=environ))
            programs["run"].wait_for('"event": "fill"')
            programs["run"].wait_for('"event": "reconciled"')
            programs["guard"].wait_for('"event": "guard armed"')
            programs["record"].wait_for('"event": "recording"')
            assert [programs[name].end(signal.SIGINT) for name in ("run", "record", "guard", "sandbox")] == [0] * 4
        yield Scene(folder, sandbox, programs)


@pytest.mark.parametrize("name", ["run", "guard", "record", "sandbox"])
def test_every_line_is_an_object_with_these_keys(scene: Scene, name: str) -> None:
    lines = read_lines(scene.programs[name].err)

    assert lines
    for line in lines:
        assert {"time", "level", "event", "logger", "text", "fields"} <= line.keys()
        assert TIME.fullmatch(line["time"])
        assert line["text"].startswith(line["event"])
        assert line["logger"].startswith("mm_trio.")


@pytest.mark.parametrize("name", ["run", "guard", "record", "sandbox"])
def test_a_file_has_the_lines_of_the_stream_and_nothing_else(scene: Scene, name: str) -> None:
    of_file = [json.loads(line) for line in (scene.folder / f"{name}.log").read_text().splitlines()]

    assert of_file == read_lines(scene.programs[name].err)


def test_the_log_beside_the_ledger_has_the_same_form(scene: Scene) -> None:
    (kept,) = (scene.folder / "state").rglob("maker.log")

    events = [json.loads(line)["event"] for line in kept.read_text().splitlines()]
    assert {"pair", "start", "fill"} <= set(events)


def test_a_fill_has_its_values_and_its_coin(scene: Scene) -> None:
    fill = next(line for line in read_lines(scene.programs["run"].err) if line["event"] == "fill")

    assert fill["coin"] == scene.sandbox.coin
    assert fill["fields"]["side"] in ("buy", "sell")
    assert isinstance(fill["fields"]["level"], int)
    assert re.fullmatch(r"[\d.]+", fill["fields"]["px"])


def test_details_are_ours_alone(scene: Scene) -> None:
    """Those of the SDK would show each signed action."""
    details = [line for line in read_lines(scene.programs["run"].err) if line["level"] == "DEBUG"]
    events = {line["event"] for line in details}

    assert {"venue answered", "action answered", "reconciled"} <= events
    assert {line["logger"].partition(".")[0] for line in details} == {"mm_trio"}
    assert "DEBUG" not in {line["level"] for line in read_lines(scene.programs["guard"].err)}


def test_no_secret_is_in_any_log(scene: Scene) -> None:
    for path in (*scene.folder.glob("*.log"), *(scene.folder / "state").rglob("maker.log")):
        text = path.read_text()
        assert scene.sandbox.private_key.removeprefix("0x") not in text
        assert SIGNED.search(text) is None


def test_results_stay_the_last_line_of_stdout(scene: Scene) -> None:
    assert scene.programs["run"].last_object()["fills"] > 0
    assert len(scene.programs["run"].out.splitlines()) == 1


def test_a_demo_writes_its_lines_to_stdout(tmp_path: Path) -> None:
    code, out, _ = run(tmp_path, "demo", "--plain", "--duration", "4", *AS_JSON)

    assert code == 0
    assert {"start", "tick"} <= {line["event"] for line in read_lines(out)}


def test_an_unknown_form_is_refused(tmp_path: Path) -> None:
    code, _, err = run(tmp_path, "demo", "--log-format", "xml")

    assert code == 2
    assert "--log-format: invalid choice: 'xml' (choose from" in err
