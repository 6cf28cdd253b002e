"""The record as processes make it: of a maker, whatever befalls its file, and of the command alone."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hyperliquid.info import Info
from process_kit import CHECKOUT, Program, Sandbox, open_sandbox, run, running, wait_until

from mm_trio.journal.sqlite_journal import JOURNAL_NAME
from mm_trio.model.errors import RecordError
from mm_trio.recorder.record_file import RECORD_NAME, RecordFile

ALWAYS_MS = (0, 2**42)
LAST_SECOND_MS = 1_000

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with open_sandbox(tmp_path_factory.mktemp("sandbox")) as opened:
        yield opened


def find_record(folder: Path) -> Path:
    (found,) = folder.rglob(RECORD_NAME)
    return found.parent


def count_trades(folder: Path) -> int:
    try:
        return len(list(RecordFile.open_to_read(find_record(folder)).read_trades(*ALWAYS_MS)))
    except (RecordError, ValueError):
        return 0


def count_watched(folder: Path) -> int:
    """Count the trades of the time that somebody watched: a subscription begins with older ones."""
    try:
        record = RecordFile.open_to_read(find_record(folder))
        (*_, watched) = record.read_coverage("market", *ALWAYS_MS)
        return len(list(record.read_trades(watched.from_ms, watched.until_ms - LAST_SECOND_MS)))
    except (RecordError, ValueError):
        return 0


@contextmanager
def maker_of(folder: Path, sandbox: Sandbox, **environ: str) -> Iterator[Program]:
    config = str(sandbox.save_config(folder))
    # Each test has a state folder of its own, and the exchange knows the fills of the earlier ones.
    with running(folder, "run", "--config", config, "--take-over", environ=sandbox.key | environ) as maker:
        yield maker


# --- Of a maker -----------------------------------------------------------------------------------


def test_a_killed_maker_leaves_its_record_beside_its_ledger(tmp_path: Path, sandbox: Sandbox) -> None:
    with maker_of(tmp_path, sandbox) as maker:
        wait_until(lambda: count_trades(tmp_path) > 1)
        wait_until(lambda: list(RecordFile.open_to_read(find_record(tmp_path)).read_marks(*ALWAYS_MS)))
        maker.process.kill()
        maker.process.wait()

    folder = find_record(tmp_path)
    record = RecordFile.open_to_read(folder)
    assert (folder / JOURNAL_NAME).exists()
    assert count_trades(tmp_path) > 1
    assert any(book.orders and book.state == "quoting" for book in record.read_own_books(*ALWAYS_MS))
    assert list(record.read_coverage("market", *ALWAYS_MS))
    assert list(record.read_coverage("own", *ALWAYS_MS))
    assert (folder / RECORD_NAME).stat().st_mode & 0o777 == 0o600


def test_a_kill_loses_the_last_second_of_a_record_at_most(tmp_path: Path, sandbox: Sandbox) -> None:
    with maker_of(tmp_path, sandbox) as maker:
        wait_until(lambda: count_watched(tmp_path) > 5)
        maker.process.kill()
        maker.process.wait()

    record = RecordFile.open_to_read(find_record(tmp_path))
    fills = Info(sandbox.url, skip_ws=True).user_fills(find_record(tmp_path).parent.name)
    (*_, watched) = record.read_coverage("market", *ALWAYS_MS)
    due = {fill["tid"] for fill in fills if watched.from_ms <= fill["time"] <= watched.until_ms - LAST_SECOND_MS}
    assert len(due) > 2
    assert due <= {trade.tid for trade in record.read_trades(*ALWAYS_MS)}


def test_a_maker_without_a_record_has_no_file(tmp_path: Path, sandbox: Sandbox) -> None:
    with maker_of(tmp_path, sandbox, MM_TRIO__RECORD__ENABLED="false") as maker:
        maker.wait_for("tick=2 ")
        assert maker.end(signal.SIGTERM) == 0

    assert list(tmp_path.rglob(f"{RECORD_NAME}*")) == []


def test_a_maker_trades_on_while_its_record_cannot_be_kept(tmp_path: Path, sandbox: Sandbox) -> None:
    """The file is deleted, then a folder stands in its place."""
    with maker_of(tmp_path, sandbox) as maker:
        wait_until(lambda: count_trades(tmp_path) > 0)
        file = find_record(tmp_path) / RECORD_NAME
        file.unlink()
        file.mkdir()
        maker.wait_for("record stopped: reason=")
        n_ticks = maker.out.count(" tick=")
        wait_until(lambda: maker.out.count(" tick=") > n_ticks + 1)
        assert maker.end(signal.SIGTERM) == 0

    assert maker.out.count("record stopped") == 1


# --- The command ----------------------------------------------------------------------------------


@contextmanager
def recorded(folder: Path, sandbox: Sandbox, *words: str) -> Iterator[Program]:
    with running(folder, "record", "--coin", sandbox.coin, "--api-url", sandbox.url, "--json", *words) as program:
        yield program


def test_a_market_is_recorded_by_one_process_without_a_maker(tmp_path: Path, sandbox: Sandbox) -> None:
    with recorded(tmp_path, sandbox) as program:
        wait_until(lambda: count_trades(tmp_path) > 0)
        code, _, err = run(tmp_path, "record", "--coin", sandbox.coin, "--api-url", sandbox.url)
        assert program.end(signal.SIGINT) == 0

    assert code == 2
    assert "another mm_trio already records into" in err
    summary = program.last_object()
    assert summary["coin"] == sandbox.coin
    assert Path(summary["file"]) == find_record(tmp_path) / RECORD_NAME
    assert summary["trades"] > 0
    assert "markets" in Path(summary["file"]).parts


def test_the_command_of_the_page_ends_by_itself(tmp_path: Path, sandbox: Sandbox) -> None:
    page = (CHECKOUT / "docs" / "record.md").read_text()
    (line,) = re.findall(r"^\$ mm-trio (record .*)$", page, re.MULTILINE)
    words = (*line.split(), "--api-url", sandbox.url, "--folder", str(tmp_path / "here"))
    code, out, _ = run(tmp_path, *words)

    assert code == 0
    assert out.startswith(f"recorded {sandbox.coin} for 3 s:")
    assert (tmp_path / "here" / RECORD_NAME).exists()


def test_a_lost_connection_is_opened_again(tmp_path: Path, sandbox: Sandbox) -> None:
    with recorded(tmp_path, sandbox) as program:
        program.wait_for("connected: connection=1")
        wait_until(lambda: count_trades(tmp_path) > 0)
        sandbox.control("faults", {"strike": "socket_dropped"})
        program.wait_for("connection lost: reason=socket closed")
        program.wait_for("connected: connection=2")
        record_file = RecordFile.open_to_read(find_record(tmp_path))
        wait_until(lambda: len(list(record_file.read_coverage("market", *ALWAYS_MS))) == 2)
        assert program.end(signal.SIGINT) == 0

    assert program.last_object()["connections_lost"] == 1


def test_an_unknown_coin_is_refused(tmp_path: Path, sandbox: Sandbox) -> None:
    code, _, err = run(tmp_path, "record", "--coin", "NOPE/USDC", "--api-url", sandbox.url)

    assert code == 2
    assert "NOPE/USDC" in err


def test_a_venue_that_does_not_answer_ends_a_start(tmp_path: Path) -> None:
    code, _, _ = run(tmp_path, "record", "--coin", "@107", "--api-url", "http://127.0.0.1:9")

    assert code == 3


def test_an_address_of_another_machine_is_refused(tmp_path: Path) -> None:
    code, _, err = run(tmp_path, "record", "--coin", "@107", "--api-url", "http://192.0.2.1:80")

    assert code == 2
    assert "192.0.2.1" in err
