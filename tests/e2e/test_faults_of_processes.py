"""Faults that need processes of their own, and files: D5, E5 and E6 of the fault table."""

from __future__ import annotations

import re
import resource
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from process_kit import Program, Sandbox, open_sandbox, run, running

from mm_trio.journal.sqlite_journal import JOURNAL_NAME
from mm_trio.model.cloid import decode_cloid

pytestmark = pytest.mark.e2e

QUOTES = r"tick=1 .* placed=20 errors=0"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """One exchange, where nobody trades, for the tests that leave nothing behind."""
    with open_sandbox(tmp_path_factory.mktemp("sandbox"), "--no-takers", "--limits", "off") as opened:
        yield opened


class Host:
    """One machine: its state folder, and the arguments of `run` on it."""

    def __init__(self, sandbox: Sandbox, folder: Path, **replace: str) -> None:
        folder.mkdir()
        self.folder = folder
        self.state = folder / "state"
        self.environ = sandbox.key | {"XDG_STATE_HOME": str(self.state)}
        self.arguments = ("run", "--config", str(sandbox.save_config(folder, **replace)), "--json")

    def start(self, *more: str) -> Any:
        return running(self.folder, *self.arguments, *more, environ=self.environ)

    def run(self) -> tuple[int, str, str]:
        """Of a maker that will not begin: with no duration, for nobody knows how long it takes to say so."""
        return run(self.folder, *self.arguments, environ=self.environ)

    def resume(self) -> int:
        """Let a halted maker go on."""
        code, _, _ = run(self.folder, "resume", *self.arguments[1:], environ=self.environ)
        return code

    @property
    def journal(self) -> Path:
        return next(self.state.rglob(JOURNAL_NAME))


def check_refusal(code: int, err: str, *, expected: int, told: str) -> None:
    """It ended with that code, and one line of its own said why."""
    lines = [line for line in err.splitlines() if line.startswith("mm-trio: ")]
    assert code == expected, err
    assert "Traceback" not in err
    assert len(lines) == 1, err
    assert re.search(told, lines[0]), lines[0]
    rest = [line for line in err.splitlines() if line and not re.match(r"\d{4}-\d\d-\d\d ", line)]
    assert rest == lines, rest


def n_ours(sandbox: Sandbox) -> int:
    return sum(decode_cloid(row.get("cloid")) is not None for row in sandbox.ask("openOrders"))


def test_d5_the_second_of_two_on_one_machine_refuses_and_the_first_goes_on(sandbox: Sandbox, tmp_path: Path) -> None:
    """The same account and coin; and the same key for another coin, whose nonces would collide."""
    host = Host(sandbox, tmp_path / "a")
    other_coin = Host(sandbox, tmp_path / "b", coin='"@1"')
    other_coin.environ = host.environ
    with host.start() as first:
        first.wait_for(QUOTES)
        before = sandbox.ask("openOrders")
        same = host.run()
        other = other_coin.run()
        untouched = sandbox.ask("openOrders") == before
        first.wait_for("tick=2 ")

        assert first.end(signal.SIGTERM) == 0, first.err
    check_refusal(same[0], same[2], expected=2, told="another mm_trio is already making the market in @107")
    check_refusal(other[0], other[2], expected=2, told="another mm_trio is already signing with this key")
    assert untouched
    assert sandbox.ask("openOrders") == []


@pytest.mark.parametrize("first_is", ["alive", "killed"])
def test_d5_on_another_machine_it_refuses_while_orders_of_the_first_rest_and_takes_over_when_told(
    sandbox: Sandbox, tmp_path: Path, first_is: str
) -> None:
    here, there = Host(sandbox, tmp_path / "here"), Host(sandbox, tmp_path / "there")
    with here.start() as first:
        first.wait_for(QUOTES)
        if first_is == "killed":
            first.end(signal.SIGKILL)
        before = sandbox.ask("openOrders")
        code, _, err = there.run()
        untouched = sandbox.ask("openOrders") == before
        if first_is == "alive":
            assert first.end(signal.SIGTERM) == 0, first.err

    check_refusal(code, err, expected=2, told="--take-over")
    assert len(before) == 20
    assert untouched
    with there.start("--take-over") as second:
        second.wait_for("tick=2 ")
        resting = sandbox.ask("openOrders")

        assert second.end(signal.SIGTERM) == 0, second.err
    assert second.last_object()["orders_may_rest"] == []
    assert len(resting) == 20
    assert first_is == "alive" or resting == before
    assert sandbox.ask("openOrders") == []


@pytest.mark.skipif(sys.platform != "linux", reason="limits another process's files")
def test_e5_a_disk_that_fills_up_ends_it_with_exit_code_5_and_nothing_resting(tmp_path: Path) -> None:
    """The kernel lets no file of it grow beyond what its ledger has now, and a little for its log."""
    with open_sandbox(tmp_path, "--seed", "181") as sandbox:
        host = Host(sandbox, tmp_path / "host")
        with host.start() as maker:
            maker.wait_for(QUOTES)
            log = host.journal.with_name(f"{JOURNAL_NAME}-wal")
            limit = max(log.stat().st_size, host.journal.stat().st_size) + 4096
            resource.prlimit(maker.process.pid, resource.RLIMIT_FSIZE, (limit, limit))
            code = maker.end()

        assert code == 5, maker.err
        assert sandbox.ask("openOrders") == []
        assert maker.last_object()["orders_may_rest"] == []
        assert "ledger" in maker.last_object()["halted_because"][0]
        check_halted(maker)
        refused, _, why = host.run()
        resumed = host.resume()
        with host.start() as again:
            again.wait_for("tick=2 ")
            assert again.end(signal.SIGTERM) == 0, again.err

    assert (refused, resumed) == (5, 0)
    assert "halted since" in why


def check_halted(maker: Program) -> None:
    lines = [line for line in maker.err.splitlines() if line.startswith("mm-trio: ")]
    assert len(lines) == 2, lines
    assert lines[0].startswith("mm-trio: halted: ")
    assert "mm-trio resume" in lines[1]
    assert "Traceback" not in maker.err


def test_e5_a_state_folder_that_cannot_be_made_is_refused_before_anything_is_sent(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    host = Host(sandbox, tmp_path / "host")
    host.state.write_text("a file, where a folder is needed")
    code, _, err = host.run()

    check_refusal(code, err, expected=5, told="state")
    assert n_ours(sandbox) == 0


@pytest.mark.parametrize("damage", ["head", "page", "row", "cut", "text"])
def test_e6_a_damaged_ledger_is_refused_with_exit_code_5_and_one_clear_line(
    sandbox: Sandbox, tmp_path: Path, damage: str
) -> None:
    """After a clean end, so that all of it is in the one file."""
    host = Host(sandbox, tmp_path / "host")
    with host.start() as maker:
        maker.wait_for("tick=2 ")
        assert maker.end(signal.SIGTERM) == 0, maker.err
    path = host.journal
    data = bytearray(path.read_bytes())
    if damage == "head":
        data[:16] = b"no ledger at all"
    elif damage == "page":
        data[2 * 4096 : 2 * 4096 + 64] = bytes(64)
    elif damage == "row":  # one digit of one entry: only the chain can tell
        at = data.index(b'["0x6d6d7472') + 40
        data[at] ^= 1
    elif damage == "cut":
        del data[len(data) // 2 :]
    else:
        data[:] = b"once upon a time\n" * 100
    path.write_bytes(bytes(data))

    code, _, err = host.run()

    check_refusal(code, err, expected=5, told=re.escape(str(path)))
    assert n_ours(sandbox) == 0
    assert path.read_bytes() == bytes(data)  # nothing was changed in the evidence
