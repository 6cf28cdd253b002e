"""The command `report`: what it writes, and what it refuses to."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path

import pytest
from report_kit import make_history

from mm_trio.cli.earnings_programs.report_program import make_progress
from mm_trio.cli.main import main

PAGE = "<!DOCTYPE html>"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a ledger with half an hour in it."""
    return make_history(tmp_path_factory.mktemp("report") / "ledger", hours=0.5).folder


@pytest.fixture
def no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without matplotlib."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(["report", *words])
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def test_it_writes_page_and_tables(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib", reason="pictures are drawn by matplotlib")
    page, tables = tmp_path / "report.html", tmp_path / "tables"
    words = ("--folder", str(folder), "--html", str(page), "--csv", str(tables), "--json")

    code, out, _ = run(capsys, *words)
    code_again, _, _ = run(capsys, *words)

    values = json.loads(out.splitlines()[-1])
    assert (code, code_again) == (0, 0)
    assert page.read_text(encoding="utf-8").startswith(PAGE)
    assert values["files"] == [str(page), *(str(tables / f"{name}.csv") for name in values["tables"])]
    assert {path.stem for path in tables.iterdir()} == set(values["tables"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "tables"]


def test_the_summary_has_signs_that_any_stream_knows(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Figures of this history are below zero."""
    code, out, _ = run(capsys, "--folder", str(folder))

    assert code == 0
    assert out.isascii()
    assert re.search(r" -\d", out)


@pytest.mark.usefixtures("no_library")
def test_figures_need_no_library(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--folder", str(folder), "--csv", str(tmp_path))

    assert code == 0
    assert "Against holding" in out
    assert (tmp_path / "result.csv").is_file()


@pytest.mark.usefixtures("no_library")
def test_without_the_library_a_page_is_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(capsys, "--folder", str(folder), "--html", str(tmp_path / "report.html"))

    assert code == 2
    assert "pip install mm-trio[report]" in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("place", ["maker.toml", "none/report.html", "."])
def test_no_other_file_is_overwritten(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    pytest.importorskip("matplotlib", reason="pictures are drawn by matplotlib")
    (tmp_path / "maker.toml").write_text("[market]\n")

    code, _, err = run(capsys, "--folder", str(folder), "--html", str(tmp_path / place))

    assert code == 2
    assert "--html" in err
    assert len(err.splitlines()) == 1
    assert (tmp_path / "maker.toml").read_text() == "[market]\n"


def test_a_folder_of_tables_that_is_a_file_is_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tables").write_text("")

    code, _, err = run(capsys, "--folder", str(folder), "--csv", str(tmp_path / "tables"))

    assert (code, "--csv" in err) == (2, True)


def test_a_folder_without_a_ledger_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "--folder", str(tmp_path), "--json")

    assert code == 2
    assert "there is no ledger" in err
    assert json.loads(out)["exit_code"] == 2


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("stream, is_shown", [(Terminal(), True), (io.StringIO(), False)])
def test_progress_is_drawn_on_a_terminal_alone(
    monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, is_shown: bool
) -> None:
    now_s = iter([0.0, 0.5, 2.0, 2.01, 3.0])
    monkeypatch.setattr("time.monotonic", lambda: next(now_s))
    show = make_progress(stream)
    for part in (0.1, 0.5, 0.6, 1.0):
        show(part, "fills")

    assert [f"{part} %" in stream.getvalue() for part in (10, 50, 60, 100)] == [False, is_shown, False, is_shown]
