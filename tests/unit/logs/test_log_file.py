"""Log in files: what is in them, who may read them, and how large they grow."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from mm_trio.logs import log_file
from mm_trio.logs.log_file import keep_log


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    logger = logging.getLogger("mm_trio.test_log_file")
    logger.setLevel(logging.INFO)
    yield logger
    logger.setLevel(logging.NOTSET)


def test_records_are_in_the_file_in_the_form_of_the_streams(tmp_path: Path, log: logging.Logger) -> None:
    with keep_log(tmp_path / "maker.log"):
        log.info("fill sz=%s", 5)
    log.info("afterwards")

    (line,) = (tmp_path / "maker.log").read_text().splitlines()
    assert line.endswith(" INFO    mm_trio.test_log_file fill sz=5")


def test_a_second_start_goes_on_in_the_same_file(tmp_path: Path, log: logging.Logger) -> None:
    for start in (1, 2):
        with keep_log(tmp_path / "maker.log"):
            log.info("start %d", start)

    lines = (tmp_path / "maker.log").read_text().splitlines()
    assert [line.rpartition(" start ")[2] for line in lines] == ["1", "2"]


def test_files_are_bounded_and_for_our_eyes_alone(
    tmp_path: Path, log: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_file, "MOST_BYTES", 1000)
    with keep_log(tmp_path / "maker.log"):
        for number in range(200):
            log.info("line %d", number)

    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["maker.log", *(f"maker.log.{n}" for n in (1, 2, 3, 4))]
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert max(file.stat().st_size for file in files) <= 1000
    assert "line 199" in files[0].read_text()


def test_a_device_is_never_moved_away(log: logging.Logger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_file, "MOST_BYTES", 1)
    with keep_log(Path("/dev/null")):
        log.info("nowhere")

    assert Path("/dev/null").is_char_device()


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), keep_log(tmp_path / "none" / "maker.log"):
        pass
