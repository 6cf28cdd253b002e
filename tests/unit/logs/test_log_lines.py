"""A log line as text and as JSON: its event, its fields, and what is in neither."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from mm_trio.concurrency.log_subject import name_coins_in_log, speaking_of
from mm_trio.logs import log_lines
from mm_trio.logs.log_file import keep_log
from mm_trio.logs.log_lines import JsonLines, TextLines, choose_format, make_formatter, read_format
from mm_trio.venue.sdk import quiet_sdk_logging

KEY = "ab12" * 16


def make_record(text: str, *args: object, name: str = "mm_trio.test", **more: Any) -> logging.LogRecord:
    return logging.LogRecord(name, logging.WARNING, __file__, 1, text, args, more.get("exc_info"))


def write(text: str, *args: object, **more: Any) -> dict[str, Any]:
    line = JsonLines().format(make_record(text, *args, **more))
    assert "\n" not in line
    values: dict[str, Any] = json.loads(line)
    return values


@pytest.fixture
def as_json() -> Iterator[None]:
    choose_format("json")
    yield
    choose_format("text")


@pytest.mark.parametrize(
    ("text", "event", "keys"),
    [
        ("tick=%d boundary=%d%s desired=%d", "tick", ("tick", "boundary", None, "desired")),
        ("fill side=%s level=%d", "fill", ("side", "level")),
        ("dead man's switch armed: wait_s=%g", "dead man's switch armed", ("wait_s",)),
        ("stop requested: %d orders within %g s", "stop requested", (None, None)),
        ("exchange cuts every socket", "exchange cuts every socket", ()),
        ("signs of HIP-2 not read: error=%s; 100 %% sure", "signs of HIP-2 not read", ("error",)),
        ("took: s=%.3f off=%+f name=%-7s %r", "took", ("s", "off", "name", None)),
        ("%s", "", (None,)),
    ],
)
def test_a_format_tells_event_and_keys(text: str, event: str, keys: tuple[str | None, ...]) -> None:
    assert read_format(text) == (event, keys)


def test_a_line_has_its_arguments_as_fields() -> None:
    values = write(
        "fill side=%s level=%d px=%s took_s=%.1f full=%s tid=%d note=%s",
        *("sell", 3, Decimal("20.60"), 0.125, True, 2**60, None),
    )

    assert values["event"] == "fill"
    assert values["text"] == f"fill side=sell level=3 px=20.60 took_s=0.1 full=True tid={2**60} note=None"
    assert values["fields"] == {
        "side": "sell",
        "level": 3,
        "px": "20.60",
        "took_s": 0.125,
        "full": True,
        "tid": str(2**60),
        "note": None,
    }
    assert (values["level"], values["logger"]) == ("WARNING", "mm_trio.test")


def test_a_value_that_json_lacks_is_a_text() -> None:
    """Not-a-number is no JSON, and an error has words only."""
    values = write("x: a=%s b=%s c=%s", float("nan"), ValueError("no"), (1, 2))

    assert values["fields"] == {"a": "nan", "b": "no", "c": "(1, 2)"}


def test_the_time_is_utc_in_milliseconds() -> None:
    record = make_record("connected")
    record.created = 1_700_000_000.0

    assert json.loads(JsonLines().format(record))["time"] == "2023-11-14T22:13:20.000Z"


def test_the_coin_is_known_where_a_task_said_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The prefix that a text has in a process of several markets is neither in the event nor in the text."""
    factory = logging.getLogRecordFactory()
    monkeypatch.setattr(logging, "_logRecordFactory", factory)
    name_coins_in_log()
    make = logging.getLogRecordFactory()
    with speaking_of("PURR/USDC"):
        record = make("mm_trio.test", logging.INFO, __file__, 1, "tick=%d", (3,), None)
        values = json.loads(JsonLines().format(record))

    assert (values["coin"], values["event"], values["text"]) == ("PURR/USDC", "tick", "tick=3")
    assert write("grid ended: coin=%s reason=%s", "@7", "x")["coin"] == "@7"
    assert "coin" not in write("connected")


def test_an_exception_has_no_variables() -> None:
    def fail() -> None:
        hidden = "do not show this"
        raise ValueError(len(hidden))

    try:
        fail()
    except ValueError:
        values = write("service ended: name=%s", "page", exc_info=sys.exc_info())

    assert values["exception"].endswith("ValueError: 16")
    assert "do not show" not in json.dumps(values)


@pytest.mark.parametrize("formatter", [JsonLines(), TextLines()])
@pytest.mark.parametrize("digits", [KEY, f"0x{KEY}", KEY.upper(), int("9" * 70)])
def test_what_may_be_a_key_is_hidden(formatter: logging.Formatter, digits: str | int) -> None:
    """Wherever it is: in a field, in an error, in a traceback."""
    try:
        raise ValueError(digits)
    except ValueError as error:
        line = formatter.format(make_record("x: key=%s error=%s", digits, error, exc_info=sys.exc_info()))

    assert str(digits).removeprefix("0x") not in line
    assert "<hidden>" in line


def test_a_line_whose_arguments_do_not_fit_is_written() -> None:
    values = write("tick=%d boundary=%d", 3)

    assert (values["text"], values["fields"]) == ("tick=%d boundary=%d", {"tick": 3})


def test_a_line_of_a_library_has_no_event_of_ours() -> None:
    values = write("Connection pool is full: size=%d", 3, name="urllib3.connectionpool")

    assert (values["event"], values["fields"]) == ("library", {})
    assert values["text"] == "Connection pool is full: size=3"


def test_only_known_formats_are_chosen(as_json: None) -> None:
    assert isinstance(make_formatter(), JsonLines)
    with pytest.raises(AssertionError):
        choose_format("xml")


def test_a_file_has_the_chosen_format(tmp_path: Path, as_json: None) -> None:
    """Also of a line whose coin is known to the task alone that logs it, and not to the file's thread."""
    logger = logging.getLogger("mm_trio.test_log_lines")
    logger.setLevel(logging.INFO)
    with keep_log(tmp_path / "maker.log"), speaking_of("@107"):
        logger.info("fill side=%s", "buy")
    logger.setLevel(logging.NOTSET)

    (line,) = (tmp_path / "maker.log").read_text().splitlines()
    values = json.loads(line)
    assert (values["event"], values["fields"], values["coin"]) == ("fill", {"side": "buy"}, "@107")


def test_the_formatter_is_short() -> None:
    """It is read at night."""
    source = Path(log_lines.__file__).read_text()
    lines = source.partition("class JsonLines")[2].partition("\ndef ")[0].splitlines()

    assert len(lines) <= 40


def test_the_payloads_of_the_sdk_are_in_no_log() -> None:
    """It logs signed actions on the root logger at DEBUG; even there they are dropped."""
    quiet_sdk_logging()
    root = logging.getLogger()
    record = logging.LogRecord("root", logging.DEBUG, "/x/hyperliquid/api.py", 1, "signed", (), None)

    assert not root.filter(record)
