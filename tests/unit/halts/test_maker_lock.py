"""Whether a maker holds a state folder: told by the system, or by trying."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mm_trio.halts import maker_lock
from mm_trio.halts.maker_lock import is_held
from mm_trio.journal.data_dir import LOCK_NAME

HOLD = """
import sys
from filelock import FileLock
lock = FileLock(sys.argv[1])
lock.acquire()
print("held", flush=True)
input()
"""


@contextmanager
def held(lock: Path) -> Iterator[None]:
    words = [sys.executable, "-c", HOLD, str(lock)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        yield
        other.kill()


@pytest.mark.parametrize("asks_system", [True, False])
def test_a_lock_is_held_until_its_process_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asks_system: bool
) -> None:
    if not asks_system:
        monkeypatch.setattr(maker_lock, "find_lock_holders", lambda _path: [])
    lock = tmp_path / LOCK_NAME

    with held(lock):
        during = is_held(tmp_path)

    assert (during, is_held(tmp_path)) == (True, False)


def test_a_folder_without_a_lock_is_not_held(tmp_path: Path) -> None:
    assert is_held(tmp_path) is False
    assert is_held(tmp_path / "not there") is False
    assert not (tmp_path / LOCK_NAME).exists()
