"""Last lines of the log, as the page gets them."""

from __future__ import annotations

import logging

from mm_trio.web.page.log_lines import MOST_CHARS, MOST_LINES, LogLines

KEY = "0x" + "5e" * 32


def test_lines_are_numbered_and_told_once() -> None:
    lines, log = LogLines(), logging.getLogger("mm_trio.grids.events")
    log.setLevel(logging.INFO)
    with lines.heard():
        log.info("tick=%d", 1)
        log.warning("paused: reason=%s", "feed")
    log.warning("not heard any more")

    first = lines.read_after(0)
    assert [(line["n"], line["level"], line["source"], line["text"]) for line in first] == [
        (1, "INFO", "grids.events", "tick=1"),
        (2, "WARNING", "grids.events", "paused: reason=feed"),
    ]
    assert lines.read_after(1) == first[1:]
    assert lines.read_after(2) == []


def test_only_the_last_are_kept_and_long_ones_are_cut() -> None:
    lines, log = LogLines(), logging.getLogger("mm_trio.test")
    with lines.heard():
        for number in range(MOST_LINES + 50):
            log.warning("line %d %s", number, "-" * 2 * MOST_CHARS)

    found = lines.read_after(0)
    assert [line["n"] for line in found] == list(range(51, MOST_LINES + 51))
    assert {len(str(line["text"])) for line in found} == {MOST_CHARS}


def test_keys_are_hidden_and_others_are_not_heard() -> None:
    lines = LogLines()
    with lines.heard():
        logging.getLogger("mm_trio.test").warning("key %s", KEY)
        logging.getLogger("hyperliquid").warning("signed payload")
        logging.getLogger("mm_trio.test").debug("details")
    # Other handlers, such as that of pytest, would raise.
    lines.handle(logging.LogRecord("mm_trio.test", logging.WARNING, "", 1, "wrong %d", ("x",), None))

    texts = [line["text"] for line in lines.read_after(0)]
    assert texts == ["key 0x<hidden>", "wrong %d"]
