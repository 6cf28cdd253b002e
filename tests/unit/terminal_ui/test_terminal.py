"""Log and signals while a screen is open."""

from __future__ import annotations

import io
import logging
import signal
from collections.abc import Iterator

import pytest

from mm_trio.terminal_ui.terminal import RECORDS_KEPT, RecentRecords, divert_logging, is_terminal, keep_terminal


class Screen(io.StringIO):
    """Stream that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    """A logger whose records reach the root."""
    logger = logging.getLogger("mm_trio.test_screen")
    logger.setLevel(logging.INFO)
    yield logger
    logger.setLevel(logging.NOTSET)


def make_record(text: str, *, level: int = logging.INFO, at_s: float = 0.0) -> logging.LogRecord:
    record = logging.LogRecord("test", level, __file__, 1, text, (), None)
    record.created = at_s
    return record


def test_records_bypass_the_terminal_while_a_screen_is_open(log: logging.Logger) -> None:
    screen, file, records = Screen(), io.StringIO(), RecentRecords()
    handlers: list[logging.Handler] = [logging.StreamHandler(screen), logging.StreamHandler(file)]
    for handler in handlers:
        logging.getLogger().addHandler(handler)

    with divert_logging(records):
        log.info("fill sz=%s", 5)
    log.info("afterwards")

    for handler in handlers:
        logging.getLogger().removeHandler(handler)
    assert [line.text for line in records.latest(5)] == ["fill sz=5"]
    assert screen.getvalue() == "afterwards\n"
    assert file.getvalue() == "fill sz=5\nafterwards\n"


def test_handlers_are_restored_in_order_after_a_failure(log: logging.Logger) -> None:
    root, screens = logging.getLogger(), [logging.StreamHandler(Screen()), logging.StreamHandler(Screen())]
    for screen in screens:
        root.addHandler(screen)
    before = list(root.handlers)

    with pytest.raises(ZeroDivisionError), divert_logging(RecentRecords()):
        _ = 1 // 0

    after = list(root.handlers)
    for screen in screens:
        root.removeHandler(screen)
    assert after == before


def test_only_the_last_records_are_kept() -> None:
    records = RecentRecords()
    for i in range(RECORDS_KEPT + 10):
        records.emit(make_record(f"line {i}"))

    kept = records.latest(10 * RECORDS_KEPT)

    assert [kept[0].text, kept[-1].text, len(kept)] == ["line 10", f"line {RECORDS_KEPT + 9}", RECORDS_KEPT]
    assert records.latest(0) == ()


def test_a_warning_stays_for_a_minute() -> None:
    records = RecentRecords()
    records.emit(make_record("feed lost", level=logging.WARNING, at_s=0.0))
    for second in (1.0, 2.0, 59.0):
        records.emit(make_record(f"tick at {second}", at_s=second))
    assert [line.text for line in records.latest(2)] == ["feed lost", "tick at 59.0"]

    records.emit(make_record("tick at 60.0", at_s=60.0))

    assert [line.text for line in records.latest(2)] == ["tick at 59.0", "tick at 60.0"]


def test_a_record_is_one_line_even_from_a_wrong_log_call() -> None:
    records = RecentRecords()
    records.emit(make_record("two\nlines"))
    broken = make_record("n=%d")
    broken.args = ("x",)
    records.emit(broken)

    assert [line.text for line in records.latest(2)] == ["two lines", "n=%d"]


def test_signal_handlers_of_a_screen_are_restored() -> None:
    before = signal.getsignal(signal.SIGTSTP)

    with keep_terminal():
        signal.signal(signal.SIGTSTP, signal.SIG_IGN)

    assert signal.getsignal(signal.SIGTSTP) is before


def test_a_captured_test_run_is_not_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.__stdout__", io.StringIO())
    monkeypatch.setenv("TERM", "xterm-256color")

    assert not is_terminal()


def test_a_dumb_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")

    assert not is_terminal()
