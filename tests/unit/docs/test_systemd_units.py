"""The units in `deploy/systemd`: systemd reads them, they are hardened, and each end of a maker has what follows it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from deploy_kit import DEPLOY, KEY_VARIABLES, ROOT, SHUTDOWN_S, parse_command

from mm_trio.cli.guard_programs.told_guard import LOOK_WITHIN_S
from mm_trio.cli.run_programs.service_manager import SPEAK_EVERY_S, STARTING_WORDS
from mm_trio.cli.run_programs.told_service import TICK_WITHIN_S
from mm_trio.cli.shell.exit_codes import ExitCode
from mm_trio.engine.session import GRACE_S

UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
DROP_INS = sorted((DEPLOY / "systemd" / "drop-ins").iterdir())
MAKER, GUARD, CANCEL, ALERT = (
    DEPLOY / "systemd" / f"mm-trio{name}@.service" for name in ("", "-guard", "-cancel", "-alert")
)
PROGRAM = "/opt/mm-trio/bin/mm-trio"
# Of 10, by the tool: what a service that only needs a network and a folder can be held to.
MOST_EXPOSED = 1.1
PAGE = (ROOT / "docs" / "services.md").read_text()

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not on this machine"
)


def read_unit(path: Path) -> dict[str, list[str]]:
    """Each name of a unit with all its values."""
    found: dict[str, list[str]] = {}
    for line in path.read_text().replace("\\\n", " ").splitlines():
        if line and line[0] not in "#[":
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def make_instance(path: Path, folder: Path) -> Path:
    """An instance of a template, with a program that is there."""
    instance = folder / path.name.replace("@", "@demo")
    instance.write_text(path.read_text().replace(PROGRAM, shutil.which("true") or "/bin/true"))
    return instance


@pytest.fixture(params=UNITS, ids=lambda path: path.name)
def unit(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return make_instance(request.param, tmp_path)


def analyze(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, timeout=60)


@needs_systemd
def test_a_unit_is_one_that_systemd_reads(unit: Path) -> None:
    ended = analyze("verify", str(unit))

    assert (ended.returncode, ended.stderr) == (0, "")


@needs_systemd
@pytest.mark.parametrize("drop_in", DROP_INS, ids=lambda path: path.name)
def test_a_unit_with_a_drop_in_is_one_that_systemd_reads(drop_in: Path, tmp_path: Path) -> None:
    instance = make_instance(MAKER, tmp_path)
    folder = tmp_path / f"{instance.name}.d"
    folder.mkdir()
    (folder / drop_in.name).write_text(drop_in.read_text().replace(PROGRAM, "/bin/true"))
    ended = analyze("verify", str(instance))

    assert (ended.returncode, ended.stderr) == (0, "")


@needs_systemd
def test_a_mistake_in_a_unit_is_found(tmp_path: Path) -> None:
    """Else the test above says nothing."""
    instance = make_instance(MAKER, tmp_path)
    instance.write_text(instance.read_text().replace("WatchdogSec=60", "WatchdogSec=soon"))

    assert "Failed to parse sec value, ignoring: soon" in analyze("verify", str(instance)).stderr


@needs_systemd
def test_a_unit_is_hardened(unit: Path) -> None:
    ended = analyze("security", "--offline=yes", f"--threshold={MOST_EXPOSED * 10:g}", str(unit))

    assert ended.returncode == 0, ended.stdout[-500:]
    assert f"gives each of them {MOST_EXPOSED:g} of 10" in " ".join(PAGE.split())


def test_all_units_are_hardened_alike() -> None:
    """By the same block; only the folder of the copies is one unit's own."""
    blocks = {path.read_text().partition("\nNoNewPrivileges=")[2].partition("\n[Install]")[0].strip() for path in UNITS}

    assert len(blocks) == 1


def read_program_words(path: Path) -> list[str]:
    """The words of the command that a unit starts, also where a shell starts it."""
    (command,) = read_unit(path)["ExecStart"]
    words = shlex.split(command)
    if words[:2] == ["/bin/sh", "-c"]:
        words = shlex.split(words[2].removeprefix("exec "))
    assert words.pop(0) == PROGRAM
    return words


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_the_command_of_a_unit_is_one_of_ours(path: Path) -> None:
    parse_command(read_program_words(path))


@pytest.mark.parametrize(
    ("name", "less", "more"), [("without-live.conf", ["--live"], []), ("json-log.conf", [], ["--log-format", "json"])]
)
def test_a_command_of_a_drop_in_is_the_units_own_but_for_that(name: str, less: list[str], more: list[str]) -> None:
    reset, command = read_unit(DEPLOY / "systemd" / "drop-ins" / name)["ExecStart"]
    wanted = [word for word in read_program_words(MAKER) if word not in less] + more

    assert (reset, shlex.split(command)[1:]) == ("", wanted)
    parse_command(wanted)


def test_only_what_signs_has_the_key() -> None:
    named = {path.name for path in UNITS if KEY_VARIABLES & set(re.findall(r"\w+", path.read_text()))}

    assert named == {MAKER.name, CANCEL.name}
    assert {path.name for path in UNITS if "LoadCredential" in read_unit(path)} == named
    for name in named:
        unit = read_unit(DEPLOY / "systemd" / name)
        assert unit["LoadCredential"] == ["key:/etc/mm-trio/%i.key"]
        assert "MM_TRIO_KEY_FILE=%d/key" in unit["Environment"][0].split()


def test_a_stop_lasts_longer_than_a_shutdown() -> None:
    for path in (MAKER, GUARD):
        unit = read_unit(path)
        assert int(unit["TimeoutStopSec"][0]) >= 2 * SHUTDOWN_S
        assert int(unit["TimeoutAbortSec"][0]) >= 2 * SHUTDOWN_S


def test_all_units_have_one_state_folder() -> None:
    assert {tuple(read_unit(path)["StateDirectory"]) for path in UNITS} == {("mm-trio",)}
    assert all("XDG_STATE_HOME=%S/mm-trio" in read_unit(path)["Environment"][0] for path in UNITS)


# --- Readiness and watchdog -----------------------------------------------------------------------


def test_the_watchdogs_are_longer_than_the_pauses_of_those_who_feed_them() -> None:
    for path in (MAKER, GUARD):
        unit = read_unit(path)
        assert unit["Type"] == ["notify"]
        # A loop that is late by a whole pause is no hung one.
        assert int(unit["WatchdogSec"][0]) > 2 * SPEAK_EVERY_S
    assert int(read_unit(GUARD)["WatchdogSec"][0]) > LOOK_WITHIN_S


def test_a_hung_service_is_asked_to_end_before_it_is_killed() -> None:
    """Its loop may turn, and then it cancels what rests."""
    assert {tuple(read_unit(path)["WatchdogSignal"]) for path in (MAKER, GUARD)} == {("SIGTERM",)}


def test_a_start_has_as_long_as_it_asks_for() -> None:
    (extended,) = (int(word.partition("=")[2]) / 1e6 for word in STARTING_WORDS)

    assert extended > 2 * SPEAK_EVERY_S
    assert int(read_unit(MAKER)["TimeoutStartSec"][0]) >= 300
    assert int(read_unit(GUARD)["TimeoutStartSec"][0]) >= 60


# --- What follows an end --------------------------------------------------------------------------


def test_a_halted_maker_and_a_wrong_configuration_are_not_tried_again() -> None:
    assert read_unit(MAKER)["RestartPreventExitStatus"] == ["2 5"]
    assert read_unit(MAKER)["Restart"] == ["on-failure"]
    assert read_unit(GUARD)["RestartPreventExitStatus"] == ["2"]


def test_a_maker_that_stays_down_is_told_of_and_what_it_left_is_cancelled() -> None:
    (names,) = read_unit(MAKER)["OnFailure"]

    assert names.split() == ["mm-trio-cancel@%i.service", "mm-trio-alert@%i.service"]
    assert all((DEPLOY / "systemd" / name.replace("%i", "")).exists() for name in names.split())


@pytest.fixture
def fake_bin(tmp_path: Path) -> Path:
    """A folder with a `systemctl` and a `sleep` that write down how they are called; guards are as `GUARD` says."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, ends in (("systemctl", 'test active = "$GUARD"'), ("sleep", "true")):
        path = folder / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >> "{tmp_path}/called"\n{ends}\n')
        path.chmod(0o755)
    return folder


def run_shell(command: str, fake_bin: Path, **environ: str) -> tuple[int, list[str]]:
    """Run a command of a unit for the maker `hype`; return its exit code and what it called."""
    called = fake_bin.parent / "called"
    called.unlink(missing_ok=True)
    words = shlex.split(command.lstrip("-+").replace("%i", "hype"))
    path = f"{fake_bin}:{os.environ['PATH']}"
    code = subprocess.run(words, env={"PATH": path, **environ}, timeout=30).returncode
    return code, called.read_text().splitlines() if called.exists() else []


@pytest.mark.parametrize(
    ("result", "status", "is_told", "slept"),
    [
        ("success", "0", False, []),
        ("exit-code", str(int(ExitCode.CONFIG)), True, []),
        ("exit-code", str(int(ExitCode.VENUE)), True, ["sleep 25", "sleep 25"]),
        ("exit-code", str(int(ExitCode.ORDERS_MAY_BE_OPEN)), True, []),
        ("exit-code", str(int(ExitCode.HALTED)), True, []),
        ("exit-code", str(int(ExitCode.BUG)), True, []),
        ("signal", "KILL", True, []),
        ("watchdog", "TERM", True, []),
        ("oom-kill", "KILL", True, []),
    ],
)
def test_every_end_that_nobody_asked_for_is_told(
    fake_bin: Path, result: str, status: str, is_told: bool, slept: list[str]
) -> None:
    called: list[str] = []
    for command in read_unit(MAKER)["ExecStopPost"]:
        assert command.startswith("-"), "what fails here must not change how the maker ended"
        called += run_shell(command, fake_bin, SERVICE_RESULT=result, EXIT_STATUS=status, GUARD="active")[1]

    told = ["systemctl --no-block start mm-trio-alert@hype.service"] if is_told else []
    assert called == [*told, *slept]


def test_an_outage_of_the_venue_never_looks_like_a_maker_that_ends_again_and_again() -> None:
    maker = read_unit(MAKER)
    pauses = [int(found) for command in maker["ExecStopPost"] for found in re.findall(r"sleep (\d+)", command)]
    between_s = sum(pauses) + int(maker["RestartSec"][0])

    assert max(pauses) < int(maker["TimeoutStopSec"][0])
    assert between_s * int(maker["StartLimitBurst"][0]) >= int(maker["StartLimitIntervalSec"][0])
    assert 10 * int(maker["RestartSec"][0]) < int(maker["StartLimitIntervalSec"][0])


@pytest.mark.parametrize(
    ("guard", "status", "cancels"),
    [("active", "70", False), ("inactive", "70", True), ("inactive", "KILL", True), ("inactive", "5", False)],
)
def test_orders_are_cancelled_where_no_guard_does_it(fake_bin: Path, guard: str, status: str, cancels: bool) -> None:
    (condition,) = read_unit(CANCEL)["ExecCondition"]
    code, called = run_shell(condition, fake_bin, GUARD=guard, MONITOR_EXIT_STATUS=status)

    assert called == ["systemctl is-active --quiet mm-trio-guard@hype.service"]
    assert (code == 0) is cancels


def test_alerts_are_so_many_in_an_hour() -> None:
    alert = read_unit(ALERT)

    assert (alert["StartLimitIntervalSec"], alert["StartLimitBurst"]) == (["3600"], ["6"])


def test_the_page_says_what_follows_each_exit_code() -> None:
    rows = re.findall(r"^\| (\d+|signal|watchdog)[^|]*\| (yes|no)\b", PAGE, re.MULTILINE)
    prevented = set(read_unit(MAKER)["RestartPreventExitStatus"][0].split())

    assert {code for code, _ in rows} == {"0", "2", "3", "4", "5", "70", "signal", "watchdog"}
    assert {code for code, again in rows if again == "no"} == prevented | {"0"}


def test_the_files_of_the_deployment_are_there() -> None:
    named = set(re.findall(r"`(deploy/[\w./@-]+)`", PAGE))

    assert len(named) == 5
    assert [name for name in named if not (ROOT / name).exists()] == []
    units = set(re.findall(r"^\| `(mm-trio[\w@.-]*\.service)`", PAGE, re.MULTILINE))
    assert units == {path.name for path in UNITS}
    assert [path.name for path in DROP_INS if f"`{path.name}`" not in PAGE] == []


def test_the_page_has_the_bounds_of_the_code() -> None:
    text = " ".join(PAGE.split())

    assert GRACE_S < 10
    assert "10 s are what a shutdown may take, 30 s what systemd gives it" in text
    assert "has not ticked for two minutes" in text
    assert TICK_WITHIN_S == 120
    maker, guard = read_unit(MAKER), read_unit(GUARD)
    assert f"({maker['WatchdogSec'][0]} s; the guard's {guard['WatchdogSec'][0]} s)" in text
