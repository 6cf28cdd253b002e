"""What is printed of a page, and to whom."""

from __future__ import annotations

import io
import logging
import os
from pathlib import Path

import pytest

from mm_trio.cli.run_programs.serve_page import _tell_if_remote, may_show_secrets


def test_a_pipe_may_have_the_link_and_a_file_may_not(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading), os.fdopen(writing, "w") as pipe, (tmp_path / "log").open("w") as file:
        assert (may_show_secrets(pipe), may_show_secrets(file)) == (True, False)


def test_the_journal_of_systemd_is_a_log(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading), os.fdopen(writing, "w") as pipe:
        status = os.fstat(pipe.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
        to_journal = may_show_secrets(pipe)
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino + 1}")

        assert (to_journal, may_show_secrets(pipe)) == (False, True)


def test_a_stream_that_is_none_gets_nothing_secret() -> None:
    assert (may_show_secrets(None), may_show_secrets(io.StringIO())) == (False, False)


@pytest.mark.parametrize("host, n", [("127.0.0.1", 0), ("127.0.0.2", 0), ("::1", 0), ("0.0.0.0", 1), ("192.0.2.5", 1)])
def test_a_page_that_others_reach_is_told_loudly(host: str, n: int, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        _tell_if_remote(host, 8090)

    assert [line.partition(":")[0] for line in caplog.messages] == ["page is open to other machines"] * n
