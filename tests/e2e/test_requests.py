"""A running maker is stopped by a file or a signal: in time, and for as long as nobody resumes it."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from process_kit import DEADLINE_S, LOOK_EVERY_S, Program, open_sandbox, run, running

pytestmark = pytest.mark.e2e

QUIET = "--no-takers"
# The limit is a second and ten; the rest is for a machine that is busy with others.
HEARD_WITHIN_S, HALTED_WITHIN_S = 3.0, 15.0


def find_folder(tmp_path: Path) -> Path:
    (lock,) = (tmp_path / "state").rglob("@*/lock")
    return lock.parent


def read_state(folder: Path) -> str:
    try:
        return str(json.loads((folder / "standing.json").read_text())["state"])
    except FileNotFoundError:
        return "active"


def wait_until(condition: Callable[[], bool], *, within_s: float = DEADLINE_S) -> float:
    """Wait for a condition and return how long it took."""
    began_s = time.monotonic()
    while not condition():
        assert time.monotonic() < began_s + within_s, "it never came to that"
        time.sleep(LOOK_EVERY_S)
    return time.monotonic() - began_s


def touch(name: str) -> Callable[[Program, Path], None]:
    return lambda _maker, folder: (folder / name).touch()


def send(number: signal.Signals) -> Callable[[Program, Path], None]:
    return lambda maker, _folder: maker.process.send_signal(number)


Ask = Callable[[Program, Path], None]


@pytest.mark.parametrize(
    "ask", [pytest.param(touch("HALT"), id="file"), pytest.param(send(signal.SIGUSR2), id="signal")]
)
def test_a_halt_ends_with_5_and_nothing_rests(tmp_path: Path, ask: Ask) -> None:
    with open_sandbox(tmp_path, QUIET) as sandbox:
        config = ("--config", str(sandbox.save_config(tmp_path)))
        with running(tmp_path, "run", *config, "--json", environ=sandbox.key) as maker:
            maker.wait_for("tick=1 ")
            folder, n_resting = find_folder(tmp_path), len(sandbox.ask("openOrders"))
            ask(maker, folder)
            code = maker.process.wait(HALTED_WITHIN_S)
        left = sandbox.ask("openOrders")
        again, _, refused = run(tmp_path, "run", *config, environ=sandbox.key)

    assert n_resting > 0
    assert (code, left, read_state(folder)) == (5, [], "halted")
    assert again == 5
    assert "the operator asked for HALT by" in refused


@pytest.mark.parametrize(
    "ask", [pytest.param(touch("CANCEL_ONLY"), id="file"), pytest.param(send(signal.SIGUSR1), id="signal")]
)
def test_cancel_only_empties_the_book_and_lasts(tmp_path: Path, ask: Ask) -> None:
    with open_sandbox(tmp_path, QUIET) as sandbox:
        config = ("--config", str(sandbox.save_config(tmp_path)))
        with running(tmp_path, "run", *config, "--json", environ=sandbox.key) as maker:
            maker.wait_for("tick=1 ")
            folder = find_folder(tmp_path)
            ask(maker, folder)
            took_s = wait_until(lambda: read_state(folder) == "cancel_only")
            wait_until(lambda: not sandbox.ask("openOrders"))
            assert maker.end(signal.SIGTERM) == 0
        code, out, told = run(tmp_path, "run", *config, "--json", "--duration", "3", environ=sandbox.key)
        n_sent = json.loads(out.splitlines()[-1])["requests"]

    assert took_s < HEARD_WITHIN_S
    assert (code, n_sent) == (0, 0)
    assert "nothing is placed: cancel_only since " in told
