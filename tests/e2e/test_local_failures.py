"""Failures of this machine: none is told as the venue's, and none costs the cancels or the names of orders."""

from __future__ import annotations

import fcntl
import json
import os
import resource
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import trio
from process_kit import DEADLINE_S, LOOK_EVERY_S, Sandbox, clean_environ, open_sandbox, run, wait_until

from mm_trio.cli.run_programs.maker_run import OpenMaker
from mm_trio.cli.run_programs.run_maker import run_settings
from mm_trio.config.keys import Secret, load_key
from mm_trio.config.loading import load_settings
from mm_trio.model.errors import OrdersMayRest, find_leaves

pytestmark = pytest.mark.e2e

FULL = Path("/dev/full")
needs_a_full_disk = pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
NOT_WRITTEN = "mm-trio: the result could not be written to stdout: "
FULL_DISK = f"{NOT_WRITTEN}No space left on device; free some space, or name another place\n"
# A pipe holds so much at least, before a writer has to wait: some twenty log lines.
SMALLEST_PIPE = 4096


def run_in_shell(
    folder: Path, words: str, redirected: str, *options: str, environ: dict[str, str] | None = None
) -> tuple[int, str, str]:
    """Run a command with its streams as a shell redirects them; gives its own code, stdout and stderr."""
    program = shlex.join([sys.executable, *options, "-m", "mm_trio", *shlex.split(words)])
    # The shell tells the command's code in a file, because a pipe has that of its last command.
    script = f"({program}; echo $? >code) {redirected}"
    ended = subprocess.run(
        ["sh", "-c", script],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        cwd=folder,
        env=clean_environ(XDG_STATE_HOME=str(folder / "state"), **(environ or {})),
        check=False,
    )
    return int((folder / "code").read_text()), ended.stdout, ended.stderr


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """One exchange, where nobody trades, for the tests that leave nothing behind."""
    with open_sandbox(tmp_path_factory.mktemp("sandbox"), "--no-takers", "--limits", "off") as opened:
        yield opened


# --- results ----------------------------------------------------------------------------------


@pytest.mark.smoke
@pytest.mark.parametrize("form", ["--json", "--plain"])
def test_r12_a_demo_whose_reader_left_ends_with_its_own_code(tmp_path: Path, form: str) -> None:
    code, _, err = run_in_shell(tmp_path, f"demo --duration 2 {form}", "| true")

    assert code == 0, err
    assert "Traceback" not in err


@needs_a_full_disk
@pytest.mark.parametrize("words", ["demo --duration 2 --json", "--help"])
def test_r12_a_result_that_was_not_written_is_no_success(tmp_path: Path, words: str) -> None:
    code, _, err = run_in_shell(tmp_path, words, ">/dev/full")

    assert code == 2, err
    assert err.endswith(FULL_DISK)
    assert "Traceback" not in err


@needs_a_full_disk
@pytest.mark.parametrize("redirected", ["<&- >&- 2>&-", ">/dev/full 2>/dev/full"])
def test_r12_a_demo_without_any_stream_ends_all_the_same(tmp_path: Path, redirected: str) -> None:
    assert run_in_shell(tmp_path, "demo --duration 2 --json", redirected) == (2, "", "")


@pytest.mark.parametrize("words", ["run --config nowhere.toml", "ledger audit --config nowhere.toml", "dmo"])
@pytest.mark.parametrize("redirected", ["<&- >&- 2>&-", "2>&1 | true", "<&-"])
def test_r12_a_mistake_is_2_whatever_the_streams_are(tmp_path: Path, words: str, redirected: str) -> None:
    code, out, err = run_in_shell(tmp_path, words, redirected)

    assert code == 2
    assert "Traceback" not in out + err


def test_r12_an_optimised_demo_in_ascii_prints_its_summary(tmp_path: Path) -> None:
    environ = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUNBUFFERED": "1"}
    code, out, err = run_in_shell(tmp_path, "demo --duration 2 --plain", "", "-OO", environ=environ)

    assert code == 0, err
    assert "\nledger_exact             True\n" in out
    assert err == ""


# --- a maker that runs ------------------------------------------------------------------------


@contextmanager
def running_maker(
    sandbox: Sandbox, folder: Path, *arguments: str, stdout: int, stderr: int, n_orders: int = 20
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a maker with these streams until it has its orders in the book."""
    command = [sys.executable, "-m", "mm_trio", "run", "--config", str(sandbox.save_config(folder)), *arguments]
    environ = clean_environ(XDG_STATE_HOME=str(folder / "state"), **sandbox.key)
    with subprocess.Popen(command, stdout=stdout, stderr=stderr, cwd=folder, env=environ) as maker:
        try:
            wait_until(lambda: len(sandbox.ask("openOrders")) == n_orders)
            yield maker
        finally:
            maker.kill()


def open_broken_pipe() -> int:
    """Return the writing end of a pipe that nobody reads any more."""
    reading, writing = os.pipe()
    os.close(reading)
    return writing


def test_r12_a_maker_whose_readers_left_goes_on_and_cancels_at_its_end(tmp_path: Path, sandbox: Sandbox) -> None:
    broken = open_broken_pipe()
    with running_maker(sandbox, tmp_path, "--plain", stdout=broken, stderr=broken) as maker:
        os.close(broken)
        n_resting = len(sandbox.ask("openOrders"))
        maker.send_signal(signal.SIGTERM)
        code = maker.wait(DEADLINE_S)

    assert (n_resting, code) == (20, 0)
    assert sandbox.ask("openOrders") == []


def test_r12_a_maker_whose_log_nobody_reads_goes_on_and_cancels_at_its_end(tmp_path: Path, sandbox: Sandbox) -> None:
    """Its lines fill the pipe long before its orders rest."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, SMALLEST_PIPE)
    os.write(writing, b"x" * SMALLEST_PIPE)
    with running_maker(sandbox, tmp_path, "--json", stdout=subprocess.DEVNULL, stderr=writing) as maker:
        maker.send_signal(signal.SIGTERM)
        code = maker.wait(DEADLINE_S)
    os.close(reading)
    os.close(writing)

    assert code == 0
    assert sandbox.ask("openOrders") == []


@needs_a_full_disk
def test_r12_orders_that_may_rest_are_named_where_stdout_is_full(tmp_path: Path) -> None:
    """And the exit code is theirs. The exchange dies, so that nothing can be proven."""
    err = tmp_path / "err"
    with (
        open_sandbox(tmp_path, "--no-takers") as sandbox,
        FULL.open("wb") as full,
        err.open("wb") as stderr,
        running_maker(sandbox, tmp_path, "--json", stdout=full.fileno(), stderr=stderr.fileno()) as maker,
    ):
        oids = {f"oid {row['oid']}" for row in sandbox.ask("openOrders")}
        sandbox.program.end(signal.SIGKILL)
        maker.send_signal(signal.SIGTERM)
        code = maker.wait(DEADLINE_S)

    lines = err.read_text().splitlines()
    named = {line.rpartition("order may still be open: ")[2].partition(": ")[0] for line in lines}
    assert code == 4
    assert len(oids) == 20
    assert oids <= named
    assert lines[-1].startswith(NOT_WRITTEN)


def test_r12_orders_are_named_and_decide_the_code_where_an_error_ended_the_maker(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The screen runs out of memory while orders rest, and the maker was told to keep them."""

    async def fail_with_orders(opened: OpenMaker, _stop_scope: trio.CancelScope) -> None:
        (face,) = opened.maker.faces.values()
        while not face.order_state.get_current_orders():  # noqa: ASYNC110 - the maker has no event for it
            await trio.sleep(LOOK_EVERY_S)
        raise MemoryError

    with open_sandbox(tmp_path, "--no-takers") as sandbox:
        environ = {"MM_TRIO__TUNING__CANCEL_ON_SHUTDOWN": "false", "XDG_STATE_HOME": str(tmp_path / "state")}
        settings = load_settings(sandbox.save_config(tmp_path), environ=environ)
        work = partial(
            run_settings,
            settings,
            load_key({name: Secret(text) for name, text in sandbox.key.items()}),
            environ=environ,
            duration_s=DEADLINE_S,
            stop_scope=trio.CancelScope(),
            beside=[fail_with_orders],
        )
        with pytest.raises(OrdersMayRest) as caught:
            trio.run(work)
        oids = {f"oid {row['oid']}" for row in sandbox.ask("openOrders")}

    named = {
        line.rpartition("order may still be open: ")[2].partition(": ")[0]
        for line in capsys.readouterr().err.splitlines()
    }
    assert [type(leaf) for leaf in find_leaves(caught.value.__cause__ or caught.value)] == [MemoryError]
    assert oids
    assert oids <= named


# --- files, ports and limits ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--save-history nowhere/x", "nowhere/x: the history cannot be written: No such file or directory"),
        ("--replay .", ".: cannot be read: Is a directory"),
        ("--fault-plan .", "Is a directory"),
        ("--tape .", ".: cannot be read: Is a directory"),
        ("--host ::2", "loopback only"),
    ],
)
def test_r12_a_sandbox_names_the_file_that_it_cannot_use(tmp_path: Path, words: str, told: str) -> None:
    code, out, err = run(tmp_path, "sandbox", "--port", "0", *shlex.split(words))

    assert (code, out) == (2, ""), err
    assert told in err
    assert len(err.splitlines()) == 1


def test_r12_a_history_that_does_not_fit_is_told_with_its_file(tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

    command = [sys.executable, "-m", "mm_trio", "sandbox", "--port", "0", "--json", "--save-history", "history"]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=clean_environ(),
        preexec_fn=limit,
    ) as sandbox:
        assert sandbox.stdout is not None
        assert sandbox.stdout.readline().startswith('{"url": ')
        sandbox.send_signal(signal.SIGTERM)
        _, err = sandbox.communicate(timeout=DEADLINE_S)

    last = err.splitlines()[-1]
    assert sandbox.returncode == 2
    assert last.startswith("mm-trio: history: the history cannot be written: File too large; raise the limit")
    assert "Traceback" not in err


def test_r12_a_seed_whose_files_cannot_be_written_broke_no_rule(tmp_path: Path) -> None:
    words = ("sim", "--seed", "1", "--faults", "none", "--json")
    ended = subprocess.run(
        ["sh", "-c", 'ulimit -f 0; exec "$0" "$@"', sys.executable, "-m", "mm_trio", *words],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        cwd=tmp_path,
        env=clean_environ(),
        check=False,
    )

    assert (ended.returncode, json.loads(ended.stdout)["exit_code"]) == (2, 2), ended.stderr
    assert "the seed was not judged, because its files cannot be written: " in ended.stderr
    assert "File too large; free some space in " in ended.stderr
    assert "Traceback" not in ended.stderr


def test_r12_too_few_file_handles_are_told_as_such(tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (6, 6))

    ended = subprocess.run(
        [sys.executable, "-m", "mm_trio", "sandbox", "--port", "0"],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        cwd=tmp_path,
        env=clean_environ(),
        preexec_fn=limit,
        check=False,
    )

    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.endswith("oo many open files; raise the limit of open files (ulimit -n)\n")
    assert len(ended.stderr.splitlines()) == 1
