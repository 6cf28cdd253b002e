"""The page on the transports says what the code does."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from mm_trio.config.settings import Tuning
from mm_trio.transport import socket_line, stream_feed, wire
from mm_trio.venue.bounded_response import MOST_BYTES, MOST_CHUNKS, MOST_HEADER_BYTES
from mm_trio.venue.http_session import ANSWER_WITHIN_S, IDLE_AT_MOST_S

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "transport.md").read_text()


def read_row(name: str) -> str:
    """What a row of a table says behind its first cell."""
    (row,) = re.findall(rf"^\| {re.escape(name)}[^|]*\| (.*) \|$", PAGE, re.MULTILINE)
    return str(row)


def test_the_setting_is_read_as_it_is_shown() -> None:
    (text,) = re.findall(r"^```toml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)

    assert Tuning(**tomllib.loads(text)["tuning"]).transport == "trio"
    assert f'"{Tuning().transport}" is the default' in text


def test_the_bounds_are_those_of_the_code() -> None:
    mib, kib = MOST_BYTES // 2**20, MOST_HEADER_BYTES // 2**10
    silence_s = socket_line.SILENCE_S

    assert read_row("connecting") == f"{stream_feed.CONNECT_WITHIN_S:g} s"
    assert read_row("an answer") == (f"{ANSWER_WITHIN_S:g} s, {mib} MiB, {MOST_CHUNKS:,} chunks, {kib} KiB of headers")
    assert read_row("a message of a feed") == f"{mib} MiB, in {socket_line.MOST_PIECES:,} pieces"
    assert read_row("a frame of ours") == f"{socket_line.SENT_WITHIN_S:g} s"
    assert read_row("silence before a ping") == f"{silence_s:g} s, {2 * silence_s:g} s"
    assert read_row("an idle connection").startswith(f"{IDLE_AT_MOST_S:g} s;")
    assert f"{wire.MOST_READ // 2**10} KiB at a time" in PAGE


def test_the_variables_for_certificates_are_those_of_the_code() -> None:
    assert ", ".join(f"`{name}`" for name in wire.BUNDLE_VARIABLES) in PAGE
