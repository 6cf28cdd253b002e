"""Log lines begin with the coin that they are about."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from mm_trio.concurrency.late_lines import LateLines
from mm_trio.concurrency.log_subject import name_coins_in_log, speaking_of

_log = logging.getLogger("mm_trio.test")


@pytest.fixture(autouse=True)
def named() -> Iterator[None]:
    factory = logging.getLogRecordFactory()
    name_coins_in_log()
    yield
    logging.setLogRecordFactory(factory)


def test_a_line_inside_begins_with_the_coin(caplog: pytest.LogCaptureFixture) -> None:
    with speaking_of("PURR/USDC"):
        _log.warning("tick=%d", 3)

    assert caplog.messages == ["PURR/USDC: tick=3"]


def test_a_line_of_the_account_has_no_coin(caplog: pytest.LogCaptureFixture) -> None:
    with speaking_of("@107"):
        pass
    _log.warning("connected")

    assert caplog.messages == ["connected"]


def test_a_line_that_waits_keeps_its_coin(caplog: pytest.LogCaptureFixture) -> None:
    lines = LateLines()
    with lines.waiting(), speaking_of("@107"):
        lines.put(lambda: _log.warning("fill"))

    assert caplog.messages == ["@107: fill"]
