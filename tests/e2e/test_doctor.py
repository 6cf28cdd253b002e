"""The doctor as a process: its exit codes, what it prints, and that it disturbs nobody."""

from __future__ import annotations

import json
import signal
import socket
import sys
from contextlib import closing
from pathlib import Path

import pytest
from process_kit import DEADLINE_S, clean_environ, open_sandbox, run, running, wait_until
from terminal_kit import on_terminal

from mm_trio.cli.check_programs.examination import ALL_CHECKS

pytestmark = pytest.mark.e2e

CONFIG = """
[market]
network = "sandbox"
api_url = "http://127.0.0.1:{port}"
account = "0x1111111111111111111111111111111111111111"
coin = "@107"

[strategy]
start_px = "20"
n_orders = 40
order_sz = "1"
"""
KEY = {"MM_TRIO_PRIVATE_KEY": "0x" + "11" * 32}


def write_config(folder: Path, port: int) -> tuple[str, str]:
    path = folder / "maker.toml"
    path.write_text(CONFIG.format(port=port))
    return "--config", str(path)


def read_verdicts(out: str) -> dict[str, str]:
    return {row["name"]: row["verdict"] for row in json.loads(out.splitlines()[-1])["findings"]}


def read_folder(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.rglob("*"))


def test_a_sound_maker_ends_with_0_and_a_line_for_each_check(tmp_path: Path) -> None:
    with open_sandbox(tmp_path, "--maker", "--no-takers", "--limits", "venue") as sandbox:
        config = ("--config", str(sandbox.save_config(tmp_path)))
        code, out, _ = run(tmp_path, "doctor", *config, "--json", environ=sandbox.key)
        plain, text, _ = run(tmp_path, "doctor", *config, environ=sandbox.key)

    assert code == plain == 0, text
    found = json.loads(out.splitlines()[-1])
    assert (found["ok"], found["fail"], len(found["findings"])) == (True, 0, len(ALL_CHECKS))
    assert found["weight"] <= 300
    assert len(text.splitlines()) == len(ALL_CHECKS) + 1
    assert not (tmp_path / "state").exists()


def test_a_maker_that_cannot_start_ends_with_1_and_names_why(tmp_path: Path) -> None:
    with open_sandbox(tmp_path, "--no-takers") as sandbox:
        config = ("--config", str(sandbox.save_config(tmp_path, order_sz='"0.1"')))
        code, out, _ = run(tmp_path, "doctor", *config, "--json", environ=KEY)

    assert code == 1
    assert {name for name, verdict in read_verdicts(out).items() if verdict == "fail"} == {"key_role", "min_notional"}


def test_a_configuration_that_cannot_be_read_is_the_one_line_and_ends_with_2(tmp_path: Path) -> None:
    path = tmp_path / "maker.toml"
    path.write_text("[market]\ncoin = 7\n")

    code, out, _ = run(tmp_path, "doctor", "--config", str(path), "--json")
    plain, text, _ = run(tmp_path, "doctor", "--config", str(path))

    assert code == plain == 2
    assert read_verdicts(out) == {"config": "fail"}
    assert text.startswith("FAIL  config")


def test_a_venue_that_is_away_ends_with_3_and_this_machine_is_shown(tmp_path: Path) -> None:
    with closing(socket.socket()) as bound:
        bound.bind(("127.0.0.1", 0))
        config = write_config(tmp_path, bound.getsockname()[1])
        code, out, _ = run(tmp_path, "doctor", *config, "--json", environ=KEY)

    found = read_verdicts(out)
    assert code == 3
    assert len(found) == len(ALL_CHECKS)
    assert (found["venue"], found["key"], found["state_folder"], found["budget"]) == ("fail", "pass", "pass", "skip")


def test_a_terminal_is_told_what_is_looked_at(tmp_path: Path) -> None:
    with open_sandbox(tmp_path, "--no-takers") as sandbox:
        config = str(sandbox.save_config(tmp_path))
        command = [sys.executable, "-m", "mm_trio", "doctor", "--config", config]
        environ = clean_environ(XDG_STATE_HOME=str(tmp_path / "state"), **sandbox.key)
        with on_terminal(command, environ, columns=200, rows=60) as terminal:
            seen = terminal.wait_for_end()

    steps = [line for line in seen.splitlines() if line.startswith("doctor: looks at ")]
    assert steps[0] == "doctor: looks at pairs"
    assert steps[-1] == "doctor: looks at state folder and ledger"
    assert len(steps) > 10


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_examination_cut_short_gives_no_verdict(tmp_path: Path, number: signal.Signals) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        silent.settimeout(DEADLINE_S)
        config = write_config(tmp_path, silent.getsockname()[1])
        with running(tmp_path, "doctor", *config, "--json", environ=KEY) as doctor:
            with closing(silent.accept()[0]) as asked:
                assert asked.recv(1)
                code = doctor.end(number)
            last = doctor.last_object()

    assert code == 1
    assert (last["interrupted"], last["signal"]) == (True, number.name)
    assert last["not_checked"] == ["questions to the venue", "state folder and ledger"]


def test_a_maker_that_runs_is_told_and_not_disturbed(tmp_path: Path) -> None:
    with open_sandbox(tmp_path) as sandbox:
        config = ("--config", str(sandbox.save_config(tmp_path)))
        with running(tmp_path, "run", *config, "--json", environ=sandbox.key) as maker:
            maker.wait_for("fill side=")
            wait_until(lambda: list(tmp_path.rglob("record.sqlite3-shm")))
            before = read_folder(tmp_path / "state")
            code, out, _ = run(tmp_path, "doctor", *config, "--json", environ=sandbox.key)
            after = read_folder(tmp_path / "state")
            ended = maker.end(signal.SIGINT)

    found = read_verdicts(out)
    assert (code, ended) == (0, 0), out
    assert (found["maker_lock"], found["key_lock"], found["rivals"], found["ledger"]) == (
        "warn",
        "pass",
        "pass",
        "pass",
    )
    assert before == after


def test_a_halted_maker_is_found(tmp_path: Path) -> None:
    with open_sandbox(tmp_path, "--seed", "181") as sandbox:
        config = ("--config", str(sandbox.save_config(tmp_path)))
        limits = {"MM_TRIO__LIMITS__MAX_FILLS_PER_MINUTE": "1"}
        with running(tmp_path, "run", *config, environ=sandbox.key | limits) as maker:
            assert maker.process.wait(DEADLINE_S) == 5
        code, out, _ = run(tmp_path, "doctor", *config, "--json", environ=sandbox.key)

    assert (code, read_verdicts(out)["standing"]) == (1, "fail")


def test_a_start_on_testnet_is_refused_before_anybody_is_asked(tmp_path: Path) -> None:
    path, state = tmp_path / "maker.toml", tmp_path / "open-state"
    text = CONFIG.format(port=1).replace('"sandbox"', '"testnet"').replace("order_sz", 'target_px = "21"\norder_sz')
    path.write_text("".join(line for line in text.splitlines(keepends=True) if not line.startswith("api_url")))
    state.mkdir()
    state.chmod(0o777)
    # Nobody listens there, so that no test reaches a venue.
    environ = KEY | {"XDG_STATE_HOME": str(state), "HTTPS_PROXY": "http://127.0.0.1:9"}

    code, _, err = run(tmp_path, "run", "--config", str(path), "--json", environ=environ)

    assert code == 2
    assert "state_folder: the state folder" in err
    assert (
        "check warns: name=proxies reason=everything for https://api.hyperliquid-testnet.xyz goes through a proxy"
        in err
    )
    assert "spotMeta" not in err
