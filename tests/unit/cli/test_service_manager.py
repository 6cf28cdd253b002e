"""What reaches a service manager, and that one that does not listen costs nothing."""

from __future__ import annotations

import os
import socket
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from manager_kit import open_notify_socket

from mm_trio.cli.run_programs.service_manager import MOST_CHARS, SPEAK_EVERY_S, ServiceManager

# A hundred words to a socket that takes none: each that waited would take longer.
AT_ONCE_S = 2.0
needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="abstract sockets are Linux's")


def manager_of(name: str, **more: str) -> ServiceManager:
    return ServiceManager.of_environ({"NOTIFY_SOCKET": name} | more)


@pytest.mark.parametrize("is_abstract", [False, pytest.param(True, marks=needs_linux)])
def test_words_reach_the_socket(tmp_path: Path, is_abstract: bool) -> None:
    with open_notify_socket(tmp_path, is_abstract=is_abstract) as listening:
        manager_of(listening.name).tell("READY=1", "STATUS=quoting")

        assert listening.take() == [["READY=1", "STATUS=quoting"]]


def test_a_status_is_one_line_of_bounded_length(tmp_path: Path) -> None:
    """Else a reason with a line break could say READY=1."""
    with open_notify_socket(tmp_path) as listening:
        manager_of(listening.name).tell(f"STATUS=halted: no\nREADY=1 {'x' * 9_000}")

        ((status,),) = listening.take()
    assert status.startswith("STATUS=halted: no READY=1 xxx")
    assert len(status) == MOST_CHARS


@pytest.mark.parametrize(
    "name", ["", "/", "@", "vsock:2:1", "notify", "/none/there", f"/{'x' * 200}", "/a\0b", "@a\udce9"]
)
def test_a_socket_that_is_not_there_costs_nothing(name: str) -> None:
    manager_of(name).tell("READY=1")


def test_a_full_socket_holds_nobody_up(tmp_path: Path) -> None:
    """Nobody takes anything from it; the words that it has no room for are lost."""
    with open_notify_socket(tmp_path) as listening:
        manager, began_s = manager_of(listening.name), time.monotonic()
        for _ in range(1_000):
            manager.tell("WATCHDOG=1")

        assert time.monotonic() - began_s < AT_ONCE_S
        assert 0 < len(listening.take()) < 1_000


def test_a_socket_of_another_kind_costs_nothing(tmp_path: Path) -> None:
    name = str(tmp_path / "stream")
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as bound:
        bound.bind(name)
        bound.listen()
        manager_of(name).tell("READY=1")


@pytest.mark.parametrize(
    ("more", "watchdog_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "60000000"}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "-5"}, None),
    ],
)
def test_a_watchdog_counts_for_the_process_that_it_names(more: dict[str, str], watchdog_s: float | None) -> None:
    assert manager_of("/run/notify", **more).watchdog_s == watchdog_s


def test_the_watchdog_is_told_twice_within_its_patience() -> None:
    assert manager_of("/run/notify", WATCHDOG_USEC="3000000").speak_every_s == 1.5
    assert manager_of("/run/notify", WATCHDOG_USEC="600000000").speak_every_s == SPEAK_EVERY_S
    assert manager_of("/run/notify").speak_every_s == SPEAK_EVERY_S


def test_nobody_listens_without_the_variable() -> None:
    assert ServiceManager.of_environ({}) == ServiceManager(None, None)


def test_a_system_without_such_sockets_has_no_manager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "AF_UNIX")

    assert manager_of("/run/notify").address is None
