"""R12 with real processes: a second connection holds a lock on the maker's ledger, as a backup does."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from process_kit import Program, Sandbox, open_sandbox, run, running

from mm_trio.journal.sqlite_journal import JOURNAL_NAME

pytestmark = pytest.mark.e2e

QUOTES = r"tick=1 .* placed=20 errors=0"
BACKUP_S = 8.0


class Host:
    """One machine on a sandbox of its own."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self.sandbox, self.folder = sandbox, folder
        self.state = folder / "state"
        self.environ = sandbox.key | {"XDG_STATE_HOME": str(self.state)}
        self.config = str(sandbox.save_config(folder))

    @contextlib.contextmanager
    def running(self, *more: str) -> Iterator[Program]:
        with running(self.folder, "run", "--config", self.config, "--json", *more, environ=self.environ) as program:
            yield program

    def ledger(self, verb: str) -> tuple[int, str, str]:
        return run(self.folder, "ledger", verb, "--config", self.config, environ=self.environ)

    @contextlib.contextmanager
    def locked(self, *statements: str) -> Iterator[None]:
        """Hold a lock on the ledger, from this process."""
        path = next(self.state.rglob(JOURNAL_NAME))
        with contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=10)) as connection:
            for statement in statements or ("BEGIN IMMEDIATE",):
                connection.execute(statement)
            yield
            connection.execute("ROLLBACK")


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with open_sandbox(tmp_path, "--seed", "181") as sandbox:
        yield Host(sandbox, tmp_path)


def count_resting(host: Host) -> int:
    return len(host.sandbox.ask("openOrders"))


def test_r12_a_backup_of_eight_seconds_only_pauses_the_maker(host: Host) -> None:
    """Takers trade all the time. Afterwards every difference of the ledger is explained."""
    with host.running() as maker:
        maker.wait_for(QUOTES)
        with host.locked():
            end_s = time.monotonic() + BACKUP_S
            maker.wait_for("journal locked: ")
            # The lock outlasts the cancels, and nothing new follows them.
            while (left_s := end_s - time.monotonic()) > 0 and count_resting(host):
                time.sleep(0.05)
            n_resting = count_resting(host)
            time.sleep(max(left_s, 0))
            n_resting_at_end = count_resting(host)
        maker.wait_for("journal free: ")
        maker.wait_for(r"journal free: [\s\S]* tick=\d+ .* placed=[1-9]")

        assert maker.end(signal.SIGTERM) == 0, maker.err
    audit = host.ledger("audit")

    assert (n_resting, n_resting_at_end) == (0, 0)
    assert maker.last_object()["orders_may_rest"] == []
    assert count_resting(host) == 0
    assert "hangs" not in maker.err
    assert maker.err.count("journal locked: ") == 1
    assert audit[0] == 0, audit


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists the locks of other processes")
def test_r12_who_locks_the_ledger_is_named(host: Host) -> None:
    import os

    with host.running() as maker:
        maker.wait_for(QUOTES)
        with host.locked():
            line = maker.wait_for("journal locked: .*")
        assert maker.end(signal.SIGTERM) == 0, maker.err

    assert f"PID {os.getpid()}, " in line


def test_r12_a_stop_during_a_lock_ends_clean_and_the_next_start_knows_the_rest(host: Host) -> None:
    with host.running() as maker:
        maker.wait_for(QUOTES)
        with host.locked():
            maker.wait_for("journal locked: ")
            code = maker.end(signal.SIGTERM)
            n_resting = count_resting(host)
    with host.running() as again:
        again.wait_for("tick=2 ")
        code_again = again.end(signal.SIGTERM)
    audit = host.ledger("audit")

    assert (code, n_resting, code_again) == (0, 0, 0), maker.err
    assert "entries not written: " in maker.err
    assert "Traceback" not in maker.err
    assert audit[0] == 0, audit


def test_r12_a_start_waits_for_a_lock_and_says_so(host: Host) -> None:
    with host.running() as first:
        first.wait_for(QUOTES)
        assert first.end(signal.SIGTERM) == 0, first.err
    with host.running() as maker:
        with host.locked():
            maker.wait_for("start delayed: reason=the ledger .* is locked by another process")
        maker.wait_for("tick=1 ")

        assert maker.end(signal.SIGTERM) == 0, maker.err


@pytest.mark.parametrize("verb", ["audit", "rebuild"])
def test_r12_a_check_of_a_locked_ledger_is_one_clear_line(host: Host, verb: str) -> None:
    """Locked against readers too, which few tools do."""
    with host.running() as first:
        first.wait_for(QUOTES)
        assert first.end(signal.SIGTERM) == 0, first.err
    before = sorted(path.name for path in host.state.rglob("*") if not path.name.endswith(("-shm", "-wal")))
    with host.locked("PRAGMA locking_mode = EXCLUSIVE", "BEGIN EXCLUSIVE"):
        code, _, err = host.ledger(verb)
    after = sorted(path.name for path in host.state.rglob("*") if not path.name.endswith(("-shm", "-wal")))

    lines = [line for line in err.splitlines() if line.startswith("mm-trio: ")]
    assert code == 5, err
    assert len(lines) == 1, err
    assert "is locked by another process" in lines[0]
    assert "let it finish or end it" in lines[0]
    assert after == before
