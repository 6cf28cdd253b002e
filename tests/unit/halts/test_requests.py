"""Requests of the operator: a file's presence is the request, whatever it holds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mm_trio.halts.requests import (
    MOST_CHARS,
    MOST_TOLD,
    Asked,
    Request,
    Requests,
    find_strictest,
    read_requests,
    remove_request,
    write_request,
)
from mm_trio.halts.standing import State
from mm_trio.journal.data_dir import hold_state_folder

WHO = {"network": "sandbox", "account": "0x1", "coin": "@107", "signer": None}


def read_reason(folder: Path) -> str:
    (asked,) = read_requests(folder)
    return asked.reason


@pytest.mark.parametrize("request_", list(Request))
def test_an_empty_file_is_a_request(tmp_path: Path, request_: Request) -> None:
    (tmp_path / request_).touch()

    assert read_requests(tmp_path) == (Asked(request_, f"the file {request_}"),)


def test_a_folder_without_requests_has_none(tmp_path: Path) -> None:
    (tmp_path / "halt").touch()

    assert read_requests(tmp_path) == ()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"the venue is odd\nsecond line\n", "the venue is odd"),
        (b"  blanks around \r\n", "blanks around"),
        (b"\n\nlater", ""),
        (b"\x1b[31mred\x07", "[31mred"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"x" * 10_000_000, "x" * MOST_CHARS),
    ],
)
def test_the_first_line_is_the_reason_bounded_and_without_control_characters(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    (tmp_path / "PAUSE").write_bytes(content)

    assert read_reason(tmp_path) == reason


def test_a_pipe_a_folder_and_a_link_ask_without_a_reason(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("not a reason")
    (tmp_path / "HALT").symlink_to(tmp_path / "secret")
    (tmp_path / "PAUSE").mkdir()
    os.mkfifo(tmp_path / "CANCEL_ONLY")

    assert [(asked.request, asked.reason) for asked in read_requests(tmp_path)] == [
        (Request.HALT, ""),
        (Request.CANCEL_ONLY, ""),
        (Request.PAUSE, ""),
    ]


def test_the_strictest_of_several_is_followed() -> None:
    asked = [Asked(request, "") for request in reversed(Request)]

    assert find_strictest(asked) == Asked(Request.HALT, "")
    assert find_strictest(asked[:2]) == Asked(Request.PAUSE, "")
    assert find_strictest([]) is None


@pytest.mark.parametrize(
    ("request_", "state"),
    [
        (Request.HALT, State.HALTED),
        (Request.CANCEL_ONLY, State.CANCEL_ONLY),
        (Request.PAUSE, State.PAUSED),
        (Request.RESUME, State.ACTIVE),
    ],
)
def test_a_request_names_its_state_and_who_asked(request_: Request, state: State) -> None:
    standing = Asked(request_, "SIGUSR1", "a test").to_standing(since_ms=5)

    assert (standing.state, standing.since_ms) == (state, 5)
    assert standing.why == f"the operator asked for {request_} by SIGUSR1: a test"


def test_what_is_written_is_read_and_removed(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "there"
    write_request(folder, Request.PAUSE, "a test")

    assert read_reason(folder) == "a test"
    assert (folder / "PAUSE").stat().st_mode & 0o777 == 0o600
    remove_request(folder, Request.PAUSE)
    remove_request(folder, Request.PAUSE)
    assert read_requests(folder) == ()


def test_signals_are_taken_beside_the_files(tmp_path: Path) -> None:
    came = [Asked(Request.HALT, "SIGUSR2")]
    requests = Requests(tmp_path, lambda: [came.pop()] if came else [])

    assert requests.take_signalled() == (Asked(Request.HALT, "SIGUSR2"),)
    assert requests.take_signalled() == ()
    assert requests.read_files() == ()


@pytest.mark.parametrize("mode", [0o664, 0o666])
def test_a_request_of_any_mode_keeps_no_maker_from_starting(tmp_path: Path, mode: int) -> None:
    """A umask of 002 is usual, and an operator's `touch` must not become a refusal."""
    environ = {"XDG_STATE_HOME": str(tmp_path)}
    with hold_state_folder(environ, **WHO) as folder:  # type: ignore[arg-type]
        (folder / "HALT").touch()
        (folder / "HALT").chmod(mode)

    with hold_state_folder(environ, **WHO) as folder:  # type: ignore[arg-type]
        assert [asked.request for asked in read_requests(folder)] == [Request.HALT]


def test_what_is_told_is_taken_once_and_before_signals(tmp_path: Path) -> None:
    signalled = Asked(Request.HALT, "SIGUSR2")
    requests = Requests(tmp_path, lambda: (signalled,))
    told = Asked(Request.PAUSE, "the control socket", "lunch")

    assert requests.tell(told)
    assert requests.take_signalled() == (told, signalled)
    assert requests.take_signalled() == (signalled,)


def test_what_was_told_can_be_taken_back_until_it_is_taken(tmp_path: Path) -> None:
    requests = Requests(tmp_path)
    first, second = Asked(Request.RESUME, "a key"), Asked(Request.RESUME, "a key")
    requests.tell(first)
    requests.tell(second)

    assert requests.withdraw(first)
    # They look alike, and each is taken back for itself.
    assert requests.take_signalled() == (second,)
    assert not requests.withdraw(second)


def test_a_maker_that_follows_nothing_keeps_a_bounded_number(tmp_path: Path) -> None:
    requests = Requests(tmp_path)

    taken = [requests.tell(Asked(Request.PAUSE, "a key")) for _ in range(2 * MOST_TOLD)]

    assert taken.count(True) == MOST_TOLD == len(requests.take_signalled())
