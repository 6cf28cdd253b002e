"""Every command on the page about the control socket works, as it stands."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from control_kit import check_values
from process_kit import CHECKOUT, clean_environ, open_sandbox, running, wait_until

from mm_trio.control.routes import read_api

pytestmark = pytest.mark.e2e

PAGE = (CHECKOUT / "docs" / "control.md").read_text()
LINES = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
CURLS = [line for line in LINES if line.startswith("curl ")]
OURS = [line for line in LINES if line.startswith("mm-trio ")]


def test_the_page_shows_nothing_else_than_what_is_run() -> None:
    assert sorted(CURLS + OURS) == sorted(LINES)
    assert {re.search(r"/v1/[\w.-]+", line)[0] for line in CURLS} == set(read_api()["paths"])  # type: ignore[index]


def test_every_path_of_the_page_is_one_of_the_api() -> None:
    shown = re.findall(r"^\| `(GET|POST) (/v1/[\w.-]+)` \|", PAGE, re.MULTILINE)

    assert {(path, method.lower()) for method, path in shown} == {
        (path, method) for path, methods in read_api()["paths"].items() for method in methods
    }


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_examples_with_curl_answer_what_is_described(tmp_path: Path) -> None:
    with open_sandbox(tmp_path) as sandbox:
        config = sandbox.save_config(tmp_path)
        with running(tmp_path, "run", "--config", str(config), environ=sandbox.key) as maker:
            maker.wait_for("control socket open")
            maker.wait_for("tick=1 ")
            wait_until(lambda: sandbox.ask("userFills"))
            (folder,) = (path.parent for path in (tmp_path / "state").rglob("control.sock"))
            answers = [run_curl(line, folder) for line in CURLS]
            wait_until(lambda: not sandbox.ask("openOrders"))
            assert maker.end(signal.SIGTERM) == 0

    for line, answer in zip(CURLS, answers, strict=True):
        check_answer(line, answer)
    orders = [json.loads(answer) for line, answer in zip(CURLS, answers, strict=True) if " -d " in line]
    assert [each["standing"]["state"] for each in orders] == ["paused", "paused", "active", "cancel_only"]


def run_curl(line: str, folder: Path) -> str:
    """What curl prints; a stream is left after three seconds."""
    words = [*shlex.split(line), "--silent", "--fail", *(["--max-time", "3"] if "/watch" in line else [])]
    ended = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    # 28: the time was over, as it has to be for a stream.
    assert ended.returncode == (28 if "/watch" in line else 0), ended.stderr
    return ended.stdout


def check_answer(line: str, answer: str) -> None:
    match = re.search(r"/v1/[\w.-]+", line)
    assert match is not None
    methods: dict[str, Any] = read_api()["paths"][match[0]]
    (described,) = methods.values()
    (content,) = described["responses"]["200"]["content"].values()
    for each in answer.splitlines():
        check_values(json.loads(each), content["schema"])
    assert answer.splitlines()


def test_the_commands_of_the_page_work(tmp_path: Path) -> None:
    with open_sandbox(tmp_path) as sandbox:
        (tmp_path / "maker.toml").write_text(sandbox.save_config(tmp_path).read_text())
        with running(tmp_path, "run", "--config", "maker.toml", environ=sandbox.key) as maker:
            maker.wait_for("control socket open")
            maker.wait_for("tick=1 ")
            ended = [
                subprocess.run(
                    [sys.executable, "-m", "mm_trio", *shlex.split(line)[1:]],
                    cwd=tmp_path,
                    env=clean_environ(XDG_STATE_HOME=str(tmp_path / "state")),
                    capture_output=True,
                    text=True,
                    timeout=60,
                    check=False,
                )
                for line in OURS
            ]
            assert maker.end(signal.SIGTERM) == 0

    assert [each.returncode for each in ended] == [0] * len(OURS), [each.stderr for each in ended]
    assert all(each.stdout for each in ended)
