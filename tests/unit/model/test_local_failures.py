"""Words for what fails on this machine, and what is left to the venue."""

from __future__ import annotations

import errno
import os
import socket
from concurrent.futures.process import BrokenProcessPool

import pytest
import requests
import urllib3

from mm_trio.model.errors import LocalError
from mm_trio.model.local_failures import describe_local_failure, find_local_cause


def system_error(number: int, *, path: str | None = None) -> OSError:
    return OSError(number, os.strerror(number), *([] if path is None else [path]))


def connection_error(number: int) -> requests.ConnectionError:
    """What the HTTP library makes of an error of the system."""
    try:
        try:
            raise system_error(number)
        except OSError as cause:
            raise urllib3.exceptions.NewConnectionError(None, "failed") from cause  # type: ignore[arg-type]
    except urllib3.exceptions.HTTPError as failed:
        outer = requests.ConnectionError(failed)
        outer.__cause__ = failed
        return outer


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (system_error(errno.ENOSPC), "No space left on device; free some space"),
        (system_error(errno.EMFILE), "ulimit -n"),
        (system_error(errno.EAGAIN), "ulimit -u"),
        (system_error(errno.EACCES, path="/etc/x"), "/etc/x: Permission denied; change its owner or mode"),
        (system_error(errno.EISDIR, path="/etc"), "/etc: Is a directory; name a file"),
        (system_error(errno.EIO), "Input/output error"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), "Broken pipe"),
        (RuntimeError("can't start new thread"), "ulimit -u"),
        (ImportError("libx.so: cannot open shared object file: Too many open files"), "ulimit -n"),
        (BrokenProcessPool("A process in the process pool was terminated abruptly while it ran"), "--jobs"),
        (MemoryError(), "out of memory; free some memory"),
        (LocalError("the port is taken"), "the port is taken"),
    ],
)
def test_r12_each_failure_of_this_machine_has_words_of_its_own(error: Exception, told: str) -> None:
    assert told in (describe_local_failure(error) or "")


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"),
        ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"),
        TimeoutError("timed out"),
        socket.gaierror(-2, "Name or service not known"),
        requests.ConnectionError("broken"),
        RuntimeError("a bug of ours"),
        ImportError("cannot import name 'x'"),
        ValueError("a bug of ours"),
    ],
)
def test_r12_a_connection_and_a_bug_are_not_of_this_machine(error: Exception) -> None:
    assert describe_local_failure(error) is None


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOMEM, errno.EPERM, errno.EADDRNOTAVAIL])
def test_r12_a_connection_never_begun_is_traced_to_this_machine(number: int) -> None:
    assert os.strerror(number) in (find_local_cause(connection_error(number)) or "")


def test_r12_missing_certificates_are_of_this_machine() -> None:
    told = "Could not find a suitable TLS CA certificate bundle, invalid path: /nowhere"

    assert find_local_cause(OSError(told)) == told


@pytest.mark.parametrize("number", [errno.ECONNREFUSED, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ETIMEDOUT])
def test_r12_a_venue_that_cannot_be_reached_stays_the_venues(number: int) -> None:
    assert find_local_cause(connection_error(number)) is None
