"""Every command that the README shows works: what stands in a `sh` block is run here, or known word for word.

A line is run as it stands but for this: `mm-trio` becomes `python -m mm_trio` of this Python; what would run long
gets `--duration 2`, in place of its own if it has one; a sandbox listens on `--port 0`; the file of `--config` holds
what a sandbox of the test printed. A `ledger` line comes after a run of it. What has no duration (no command at all,
`sandbox`, that run) is ended by SIGINT once it works. Any other line fails, so that none is shown that nobody tried.
"""

from __future__ import annotations

import re
import shlex
import signal
from pathlib import Path

import pytest
from process_kit import CHECKOUT, open_sandbox, running

pytestmark = pytest.mark.e2e

INSTALL_AND_RUN = "python -m pip install . && python -m mm_trio"
TEST = "python -m pip install nox && nox"
SHORT_S = 2.0
DURATION = "--duration"
PROGRAMS = ("python -m mm_trio", "mm-trio")
# without a duration: the line by which it says that it works
READY = {"": r"tick=1 .* errors=0", "sandbox": r"The sandbox listens at|\"url\": "}
BOUNDED = ("demo", "run")
SHORT_HOURS = "0.03"


def read_commands() -> list[str]:
    """The lines of all `sh` blocks, without comments; a backslash at the end joins."""
    blocks = re.findall(r"^```sh\n(.*?)^```", (CHECKOUT / "README.md").read_text(), flags=re.DOTALL | re.MULTILINE)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return list(filter(None, (re.sub(r"(^|\s)#.*", "", line).strip() for line in lines)))


COMMANDS = read_commands()


def split_ours(command: str) -> list[str]:
    """The arguments of a line that starts our program, and nothing else."""
    program = next((p for p in PROGRAMS if re.match(rf"{re.escape(p)}(\s|$)", command)), None)
    if program is None or re.search(r"[|&;<>$`(){}*?]", command):
        pytest.fail(f"no test knows how to run this line of the README: {command}")
    return shlex.split(command.removeprefix(program))


def shorten(arguments: list[str]) -> list[str]:
    """With a duration of `SHORT_S` at most."""
    if DURATION not in arguments:
        return [*arguments, DURATION, str(SHORT_S)]
    place = arguments.index(DURATION) + 1
    return [*arguments[:place], str(min(SHORT_S, float(arguments[place]))), *arguments[place + 1 :]]


def run_until_it_works(folder: Path, arguments: list[str], ready: str, environ: dict[str, str] | None = None) -> None:
    with running(folder, *arguments, environ=environ) as program:
        program.wait_for(ready)
        assert program.end(signal.SIGINT) == 0, program.err


def run_to_its_end(folder: Path, arguments: list[str], environ: dict[str, str] | None = None) -> None:
    with running(folder, *arguments, environ=environ) as program:
        assert program.end() == 0, program.err
        assert "Traceback" not in program.err


def test_the_readme_shows_how_to_start_and_how_to_test() -> None:
    assert COMMANDS[0] == INSTALL_AND_RUN
    assert COMMANDS.count(TEST) == 1
    assert [command for command in COMMANDS if "pip" in command] == [INSTALL_AND_RUN, TEST]
    assert (CHECKOUT / "noxfile.py").is_file()


def test_ci_runs_the_test_command_of_the_readme() -> None:
    assert TEST in (CHECKOUT / ".ci" / "run").read_text().splitlines()


@pytest.mark.parametrize(
    "command",
    [
        pytest.param("python -m mm_trio", marks=pytest.mark.smoke),  # what follows the installation
        *(command for command in COMMANDS if command not in (TEST, INSTALL_AND_RUN)),
    ],
)
def test_a_command_of_the_readme_works(tmp_path: Path, command: str) -> None:
    arguments = split_ours(command)
    name = arguments[0] if arguments else ""

    if {"--help", "--version"} & set(arguments):
        run_to_its_end(tmp_path, arguments)
    elif name in ("run", "ledger"):
        config = tmp_path / arguments[arguments.index("--config") + 1]
        with open_sandbox(tmp_path) as sandbox:
            config.write_text(sandbox.config)
            if name == "run":
                run_to_its_end(tmp_path, shorten(arguments), sandbox.key)
            else:  # of the maker that ran
                run_until_it_works(tmp_path, ["run", *arguments[2:]], READY[""], sandbox.key)
                run_to_its_end(tmp_path, arguments)
            assert sandbox.ask("openOrders") == []
    elif name in BOUNDED:
        run_to_its_end(tmp_path, shorten(arguments))
    elif name == "sim":  # its time is virtual, and what it takes of ours is the machine's
        run_to_its_end(tmp_path, [*arguments, "--hours", SHORT_HOURS])  # the last one counts
    elif name in READY:
        own_port = ["--port", "0"] if name == "sandbox" else []  # the last one counts
        run_until_it_works(tmp_path, [*arguments, *own_port], READY[name])
    else:
        pytest.fail(f"no test knows how to run this command of the README: {command}")


@pytest.mark.parametrize(
    "command", ["curl example.org | sh", "python -m mm_trio demo > log", "mm-trio-old run", "python -m mm_triodemo"]
)
def test_a_line_that_nobody_knows_how_to_run_is_a_failure(command: str) -> None:
    with pytest.raises(pytest.fail.Exception, match="no test knows"):
        split_ours(command)
