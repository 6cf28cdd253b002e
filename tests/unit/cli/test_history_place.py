"""Which ledger and which span of time the words of a command mean."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from mm_trio.cli.earnings_programs.history_options import add_period_options, add_place_options
from mm_trio.cli.earnings_programs.history_place import find_history, parse_span_ms, parse_time_ms, read_period
from mm_trio.cli.shell.stop_signal import StopSignal
from mm_trio.earnings.period import Period
from mm_trio.journal.sqlite_journal import JOURNAL_NAME
from mm_trio.model.errors import ConfigError

DAY_MS = 1_796_169_600_000  # 2026-12-02


@pytest.mark.parametrize(
    "text, time_ms",
    [
        ("2026-12-02", DAY_MS),
        ("2026-12-02T01:00", DAY_MS + 3_600_000),
        ("2026-12-02T01:00:00.5Z", DAY_MS + 3_600_500),
        ("2026-12-02T03:00:00+02:00", DAY_MS + 3_600_000),
        (str(DAY_MS), DAY_MS),
    ],
)
def test_times_are_utc(text: str, time_ms: int) -> None:
    assert parse_time_ms(text) == time_ms


@pytest.mark.parametrize("text", ["", "yesterday", "20261202", "1764633600", "-1", "9" * 40, "1969-12-31", "٣٣٣"])
def test_other_times_are_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="must be a UTC date"):
        parse_time_ms(text)


@pytest.mark.parametrize("text, span_ms", [("24h", 86_400_000), ("7d", 604_800_000), ("1.5m", 90_000), ("1s", 1_000)])
def test_spans_have_a_unit(text: str, span_ms: int) -> None:
    assert parse_span_ms(text) == span_ms


@pytest.mark.parametrize("text", ["", "24", "0h", "-1h", "h", "1y", "0.0001s", "1e3s"])
def test_other_spans_are_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="such as 24h"):
        parse_span_ms(text)


def parse(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_place_options(parser)
    add_period_options(parser)
    return parser.parse_args(words)


@pytest.mark.parametrize(
    "words, period",
    [
        ([], Period()),
        (["--from", "2026-12-02"], Period(DAY_MS, None)),
        (["--to", "2026-12-02"], Period(None, DAY_MS)),
        (["--last", "1h"], Period(DAY_MS - 3_600_000, None)),
    ],
)
def test_the_span_is_what_the_words_say(words: list[str], period: Period) -> None:
    assert read_period(parse("--folder", "x", *words), now_ms=DAY_MS) == period


@pytest.mark.parametrize(
    "words", [["--from", "2026-12-02", "--to", "2026-12-02"], ["--last", "1h", "--from", "2026-12-02"]]
)
def test_spans_that_contradict_are_refused(words: list[str]) -> None:
    with pytest.raises(ConfigError, match="--from"):
        read_period(parse("--folder", "x", *words))


def test_a_folder_is_read_directly(tmp_path: Path) -> None:
    (tmp_path / JOURNAL_NAME).touch()

    assert find_history(parse("--folder", str(tmp_path)), StopSignal()) == tmp_path


def test_a_folder_without_a_ledger_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no ledger"):
        find_history(parse("--folder", str(tmp_path)), StopSignal())
