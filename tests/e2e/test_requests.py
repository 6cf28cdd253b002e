"""A running maker is stopped by a file or a signal: in time, and for as long as nobody resumes it."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from process_kit import Program, open_sandbox, run, running, wait_until
from spoiling_proxy import drip, open_proxy

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


@pytest.mark.usefixtures("each_transport")
def test_a_halt_while_every_answer_drips_leaves_nothing_in_time(tmp_path: Path) -> None:
    with open_sandbox(tmp_path, QUIET) as sandbox, open_proxy(sandbox.url) as proxy:
        config = ("--config", str(sandbox.save_config(tmp_path, api_url=json.dumps(proxy.url))))
        often = {"MM_TRIO__TUNING__RECONCILE_EVERY": "1"}
        with running(tmp_path, "run", *config, "--json", environ=sandbox.key | often) as maker:
            maker.wait_for("tick=1 ")
            folder = find_folder(tmp_path)
            proxy.spoil = drip
            wait_until(lambda: proxy.n_spoilt > 0)
            (folder / "HALT").touch()
            took_s = wait_until(lambda: not sandbox.ask("openOrders"), within_s=HALTED_WITHIN_S)
            code = maker.process.wait(HALTED_WITHIN_S)

    print(f"nothing rests after {took_s:.1f} s")
    # No answer proved it.
    assert (code, read_state(folder)) == (4, "halted")


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


def test_pause_and_resume_of_a_running_maker(tmp_path: Path) -> None:
    with open_sandbox(tmp_path, QUIET) as sandbox:
        config = ("--config", str(sandbox.save_config(tmp_path)))
        with running(tmp_path, "run", *config, "--json", environ=sandbox.key) as maker:
            maker.wait_for("tick=1 ")
            paused, out, _ = run(tmp_path, "pause", *config, "--json", "--reason", "news at noon")
            n_resting = len(sandbox.ask("openOrders"))
            shown, _, _ = run(tmp_path, "resume", *config, "--show")
            still = read_state(find_folder(tmp_path))
            resumed, told, plan = run(tmp_path, "resume", *config)
            state = read_state(find_folder(tmp_path))
            assert maker.end(signal.SIGTERM) == 0

    told_of_pause = json.loads(out.splitlines()[-1])
    assert (paused, shown, resumed) == (0, 0, 0)
    assert (told_of_pause["running"], told_of_pause["paused"]) == (True, True)
    assert told_of_pause["standing"]["why"].endswith("news at noon")
    assert n_resting > 0
    assert (still, state) == ("paused", "active")
    assert "resumed: the maker places orders again" in told
    assert "It will not change [limits]" in plan


def test_a_hung_maker_is_neither_paused_nor_resumed_by_surprise(tmp_path: Path) -> None:
    with open_sandbox(tmp_path, QUIET) as sandbox:
        config = ("--config", str(sandbox.save_config(tmp_path)))
        with running(tmp_path, "run", *config, environ=sandbox.key) as maker:
            maker.wait_for("tick=1 ")
            folder = find_folder(tmp_path)
            maker.process.send_signal(signal.SIGSTOP)
            paused, out, _ = run(tmp_path, "pause", *config)
            is_left = (folder / "PAUSE").exists()
            maker.process.send_signal(signal.SIGCONT)
            wait_until(lambda: read_state(folder) == "paused")
            maker.process.send_signal(signal.SIGSTOP)
            resumed, told, _ = run(tmp_path, "resume", *config)
            left = sorted(path.name for path in folder.glob("[A-Z]*"))
            maker.process.send_signal(signal.SIGCONT)

    assert (paused, is_left) == (1, True)
    assert "cancel-all" in out
    assert (resumed, left) == (1, [])
    assert "NOT resumed: the maker did not follow" in told
    assert read_state(folder) == "paused"


def test_a_hung_maker_is_not_said_to_be_resumed_and_nothing_is_left_for_it(tmp_path: Path) -> None:
    """It never took the pause, so what is on disk says active; a resumption that is cut short leaves no request."""
    with open_sandbox(tmp_path, QUIET) as sandbox:
        config = ("--config", str(sandbox.save_config(tmp_path)))
        with running(tmp_path, "run", *config, environ=sandbox.key) as maker:
            maker.wait_for("tick=1 ")
            folder = find_folder(tmp_path)
            maker.process.send_signal(signal.SIGSTOP)
            run(tmp_path, "pause", *config)
            resumed, told, _ = run(tmp_path, "resume", *config)
            left = sorted(path.name for path in folder.glob("[A-Z]*"))
            run(tmp_path, "pause", *config)
            with running(tmp_path, "resume", *config) as cut_short:
                cut_short.wait_for("lets it place orders at once")
                code = cut_short.end(signal.SIGINT)
            left_then = sorted(path.name for path in folder.glob("RESUME*"))
            maker.process.send_signal(signal.SIGCONT)

    assert (resumed, left) == (1, [])
    assert "NOT resumed: the maker did not follow" in told
    assert (code, left_then) == (1, [])


def test_a_pause_without_a_maker_is_followed_by_the_next_start(tmp_path: Path) -> None:
    with open_sandbox(tmp_path, QUIET) as sandbox:
        config = ("--config", str(sandbox.save_config(tmp_path)))
        code, out, _ = run(tmp_path, "pause", *config, "--json")
        ran, summary, _ = run(tmp_path, "run", *config, "--json", "--duration", "3", environ=sandbox.key)
        state = read_state(find_folder(tmp_path))
        (find_folder(tmp_path) / "HALT").touch()
        resumed, _, _ = run(tmp_path, "resume", *config)
        with running(tmp_path, "run", *config, environ=sandbox.key) as maker:
            maker.wait_for("tick=1 ")

    assert code == 0
    assert json.loads(out.splitlines()[-1])["running"] is False
    assert (ran, state, json.loads(summary.splitlines()[-1])["requests"]) == (0, "paused", 0)
    assert resumed == 0


def test_a_pause_needs_no_venue(tmp_path: Path) -> None:
    with open_sandbox(tmp_path, QUIET) as sandbox:
        config = ("--config", str(sandbox.save_config(tmp_path)))
        with running(tmp_path, "run", *config, environ=sandbox.key) as maker:
            maker.wait_for("tick=1 ")
            sandbox.program.process.kill()
            code, out, _ = run(tmp_path, "pause", *config, "--json")

    assert code == 0
    assert json.loads(out.splitlines()[-1])["paused"] is True
