"""Commands whose exit code is a verdict, stopped by a signal: they do not end as if all were well."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from copy_kit import copy, write
from core_kit import dec
from kill_kit import COIN, open_exchange
from process_kit import DEADLINE_S, Program, clean_environ, running, wait_until

from mm_trio.cli.copy_programs.ledger_copies import Label
from mm_trio.model.journal_entries import Adjusted, Allocated, Began

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="looks into /proc for processes and their files"),
]

STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
PROMPT_S = 20.0  # A seed here takes hours, and a held request 10 s and more to be given up.
CONFIG = """
[market]
network = "sandbox"
api_url = "{url}"
account = "0x1111111111111111111111111111111111111111"
coin = "@107"

[strategy]
start_px = "20"
n_orders = 40
order_sz = "1"

[allocation]
token = "10"
usdc = "200"
"""


# --- the ledger -----------------------------------------------------------------------------------


class SilentVenue:
    """A server that takes requests and answers none."""

    def __init__(self, held: ExitStack) -> None:
        self._held = held
        self._listener = held.enter_context(socket.create_server(("127.0.0.1", 0)))
        self._listener.settimeout(DEADLINE_S)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def hold_request(self) -> None:
        """Wait until a request is there, and leave it without an answer."""
        connection = self._held.enter_context(self._listener.accept()[0])
        connection.settimeout(DEADLINE_S)
        assert connection.recv(1)


@pytest.fixture
def venue() -> Iterator[SilentVenue]:
    with ExitStack() as held:
        yield SilentVenue(held)


# What a verb of the ledger needs beside the configuration.
MORE = {"restore": ("--from", "copies")}


def write_config(folder: Path, venue: SilentVenue) -> str:
    path = folder / "maker.toml"
    path.write_text(CONFIG.format(url=venue.url))
    return str(path)


@pytest.mark.parametrize("number", STOPS)
@pytest.mark.parametrize(("verb", "clean"), [("audit", "ok"), ("rebuild", "rebuilt"), ("restore", "restored")])
def test_a_ledger_verb_that_is_cut_short_ends_with_1_and_says_so(
    verb: str, clean: str, number: signal.Signals, venue: SilentVenue, tmp_path: Path
) -> None:
    words = ("ledger", verb, "--config", write_config(tmp_path, venue), *MORE.get(verb, ()))
    with running(tmp_path, *words, "--json") as program:
        venue.hold_request()
        code = program.end(number)

        told = program.last_object()
        assert code == 1, program.err
        assert (told["interrupted"], told["signal"], told[clean]) == (True, number.name, False)
        assert (told["checked"], "pair at the venue" in told["not_checked"]) == ([], True)
        assert "Traceback" not in program.err


@pytest.mark.parametrize("verb", ["audit", "rebuild"])
def test_without_json_one_line_says_what_a_ledger_verb_did_not_check(
    verb: str, venue: SilentVenue, tmp_path: Path
) -> None:
    with running(tmp_path, "ledger", verb, "--config", write_config(tmp_path, venue)) as program:
        venue.hold_request()
        code = program.end(signal.SIGTERM)

        assert (code, program.out) == (1, "")
        line = program.err.splitlines()[-1]
        assert f"mm-trio ledger {verb} was interrupted by SIGTERM and gives no verdict; checked: nothing" in line
        assert "not checked: pair at the venue, " in line


LATE_STOP = """
import os, signal, sys
from mm_trio.cli.main import main
rename = os.rename
def rename_and_stop(*names, **options):
    os.kill(os.getpid(), signal.SIGTERM)
    return rename(*names, **options)
os.rename = rename_and_stop
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("words", [("rebuild", "--even-if-sound"), ("restore", "--even-if-older", "--from", "copies")])
def test_a_stop_while_the_ledger_is_replaced_is_not_told_as_no_change(tmp_path: Path, words: tuple[str, ...]) -> None:
    """The replacement is not cut short, so the verb has a verdict, and it is that of an undisturbed one."""
    with open_exchange(7) as exchange:
        exchange.write_config(tmp_path / "maker.toml")
        folder = exchange.find_journal(tmp_path / "state").parent
        label = Label(
            network=str(folder.parents[1].relative_to(tmp_path / "state" / "mm_trio")),
            account=exchange.account,
            coin=COIN,
        )
        write(folder, [Began(7, {}), Allocated(None, None), Adjusted(dec(9), dec(9), "balance")])
        copy(folder, tmp_path / "copies" / label.path, label)
        ended = subprocess.run(
            [sys.executable, "-c", LATE_STOP, "ledger", *words, "--config", "maker.toml", "--json"],
            cwd=tmp_path,
            env=clean_environ(XDG_STATE_HOME=str(tmp_path / "state")),
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
        )

    told = json.loads(ended.stdout.splitlines()[-1])
    assert (ended.returncode, told.get("set_aside")) == (0, str(folder / "set-aside-1")), ended.stderr


# --- the stop ------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["pause", "resume", "cancel-all"])
def test_a_stop_that_is_cut_short_ends_with_1_and_says_so(command: str, venue: SilentVenue, tmp_path: Path) -> None:
    config = write_config(tmp_path, venue)
    environ = {"MM_TRIO_PRIVATE_KEY": "0x" + "5e" * 32}
    with running(tmp_path, command, "--config", config, "--json", environ=environ) as program:
        venue.hold_request()
        code = program.end(signal.SIGINT)

        told = program.last_object()
        assert code == 1, program.err
        assert (told["interrupted"], told["signal"]) == (True, "SIGINT")
        assert told.get("ok", False) is False
        assert "Traceback" not in program.err


# --- the simulation -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Campaign:
    """A campaign whose seeds last for days, every one of its processes in the middle of one."""

    program: Program
    pids: list[int]  # of who runs seeds
    family: list[int]  # and whoever else it started
    folders: list[Path]


def find_children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    children = [int(child) for task in tasks for child in task.read_text().split()]
    return [*children, *(grandchild for child in children for grandchild in find_children(child))]


def find_seed_folders(pid: int) -> set[Path]:
    """The folders of seeds in which this process has files open."""
    found = set()
    for entry in Path(f"/proc/{pid}/fd").glob("*"):
        try:
            target = os.readlink(entry)
        except OSError:
            continue
        if match := re.match(r"(/.*/mm-trio-sim-[^/]+)/", target):
            found.add(Path(match[1]))
    return found


def is_gone(pid: int) -> bool:
    """Whether a process ended, also if nobody has asked after it yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


@contextmanager
def simulating(folder: Path, *words: str, jobs: int) -> Iterator[Campaign]:
    arguments = ("--seed", "1..20", "--hours", "1000", "--faults", "none", "--jobs", str(jobs))
    with running(folder, "sim", *arguments, *words) as program:
        family: list[int] = []

        def find_busy() -> list[int]:
            return [pid for pid in (program.process.pid, *find_children(program.process.pid)) if find_seed_folders(pid)]

        try:
            wait_until(lambda: len(find_busy()) == jobs)
            pids = find_busy()
            family += find_children(program.process.pid)
            yield Campaign(program, pids, family, sorted(set().union(*map(find_seed_folders, pids))))
        finally:
            for pid in family:
                if not is_gone(pid):
                    os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize(
    ("number", "jobs"),
    [(signal.SIGTERM, 1), (signal.SIGTERM, 2), (signal.SIGINT, 1), (signal.SIGINT, 2), (signal.SIGHUP, 2)],
)
def test_a_simulation_that_is_cut_short_ends_with_1_and_says_so(
    number: signal.Signals, jobs: int, tmp_path: Path
) -> None:
    with simulating(tmp_path, "--json", jobs=jobs) as campaign:
        code = campaign.program.end(number)

        told = campaign.program.last_object()
        assert code == 1, campaign.program.err
        assert (told["interrupted"], told["signal"], told["seeds"]) == (True, number.name, 0)
        assert (told["checked"], told["not_checked"]) == ([], ["seeds 1..20"])
        assert "Traceback" not in campaign.program.err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_the_processes_of_a_simulation_end_with_it_in_the_middle_of_a_seed(
    number: signal.Signals, tmp_path: Path
) -> None:
    with simulating(tmp_path, jobs=2) as campaign:
        campaign.program.end(number)

        assert len(campaign.family) >= 2
        wait_until(lambda: all(map(is_gone, campaign.family)), within_s=PROMPT_S)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_simulation_that_is_cut_short_leaves_no_files_behind(jobs: int, tmp_path: Path) -> None:
    with simulating(tmp_path, jobs=jobs) as campaign:
        assert len(campaign.folders) == jobs
        campaign.program.end(signal.SIGTERM)

        wait_until(lambda: not any(folder.exists() for folder in campaign.folders), within_s=PROMPT_S)


def test_without_json_one_line_says_which_seeds_were_not_run(tmp_path: Path) -> None:
    with simulating(tmp_path, jobs=2) as campaign:
        code = campaign.program.end(signal.SIGTERM)

        assert code == 1
        line = campaign.program.err.splitlines()[-1]
        assert "mm-trio sim was interrupted by SIGTERM and gives no verdict; checked: nothing" in line
        assert "not checked: seeds 1..20" in line


def test_a_second_signal_does_not_cost_the_verdict(tmp_path: Path) -> None:
    with simulating(tmp_path, "--json", jobs=2) as campaign:
        campaign.program.process.send_signal(signal.SIGINT)
        code = campaign.program.end(signal.SIGINT)

        assert code == 1, campaign.program.err
        assert campaign.program.last_object()["interrupted"] is True
