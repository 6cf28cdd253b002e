"""What a guard takes for signed cancels, and what it does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from guard_kit import GuardedVenue, Orders, make_cover, read_cancels

from mm_trio.guard.private_file import FileUnread
from mm_trio.guard.signed_file import CANCELS_NAME, FIRED_NAME, parse_cancels, read_fired, write_fired


def write(folder: Path) -> dict[str, Any]:
    venue = GuardedVenue()
    make_cover(venue, folder, Orders(in_flight=[venue.make_intent()])).make_cover()()
    values: dict[str, Any] = json.loads((folder / CANCELS_NAME).read_text())
    return values


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    write(tmp_path)
    found = read_cancels(tmp_path)

    assert parse_cancels(found.to_bytes()) == found
    assert found.to_bytes() == (tmp_path / CANCELS_NAME).read_bytes()


@pytest.mark.parametrize(
    "action", [{"type": "order", "orders": []}, {"type": "noop"}, {"type": "usdSend", "amount": "1"}, {}]
)
def test_a_body_that_is_not_a_cancel_is_refused(tmp_path: Path, action: dict[str, Any]) -> None:
    """A guard posts what it finds, so whoever may write to the folder must not make it post anything else."""
    values = write(tmp_path)
    body = json.loads(values["bodies"][0][0]) | {"action": action}
    values["bodies"][0][0] = json.dumps(body)

    with pytest.raises(FileUnread):
        parse_cancels(json.dumps(values).encode())


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"account": None},
        {"first_nonce": "7"},
        {"nonces": [[1]]},
        {"bodies": []},
        {"bodies": [["{"]] * 3},
        {"spent": 7},
    ],
)
def test_a_file_that_is_not_whole_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    values = write(tmp_path)

    with pytest.raises(FileUnread):
        parse_cancels(json.dumps(values | change).encode())


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff", b"[" * 100_000])
def test_what_is_no_object_is_refused(data: bytes) -> None:
    with pytest.raises(FileUnread):
        parse_cancels(data)


def test_posted_nonces_are_read_back(tmp_path: Path) -> None:
    write_fired(tmp_path, {9, 7}, at_ms=5)

    assert read_fired(tmp_path) == {7, 9}


def test_without_a_mark_nothing_was_posted(tmp_path: Path) -> None:
    assert read_fired(tmp_path) == frozenset()


def test_a_mark_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    (tmp_path / FIRED_NAME).write_text('{"version": 1, "nonces": ["7"]}')

    with pytest.raises(FileUnread):
        read_fired(tmp_path)
