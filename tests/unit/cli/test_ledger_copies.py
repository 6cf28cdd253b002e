"""Folders of copies: named by age, found by maker, removed whole."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from copy_kit import ENTRIES, LABEL, booked, copy, write
from file_killer_kit import FileKiller, Killed

from mm_trio.cli import ledger
from mm_trio.cli.copy_programs import backup_ledger
from mm_trio.cli.copy_programs.ledger_copies import (
    Label,
    discard_unfinished,
    find_copy,
    list_copies,
    name_copy,
    read_copy,
    remove_old_copies,
)
from mm_trio.model.errors import ConfigError

NOW_MS = 1_790_000_000_123
OTHER = Label(network="mainnet", account="0xab", coin="@107")


@pytest.fixture
def into(tmp_path: Path) -> Path:
    """The folder of all copies, with three copies of one ledger."""
    into = tmp_path / "copies"
    for n in range(3):
        write(tmp_path / "state", ENTRIES if n == 0 else [booked(6 + n)])
        copy(tmp_path / "state", into / LABEL.path)
    return into


def test_a_copy_is_named_by_its_time_and_its_entries(tmp_path: Path) -> None:
    assert name_copy(tmp_path, n_entries=12, now_ms=NOW_MS) == ("20260921T141320123Z-12", NOW_MS)


def test_a_clock_set_back_makes_no_copy_the_oldest(tmp_path: Path) -> None:
    name, _ = name_copy(tmp_path, n_entries=12, now_ms=NOW_MS)
    (tmp_path / name).mkdir()

    later, at_ms = name_copy(tmp_path, n_entries=13, now_ms=NOW_MS - 5_000)

    assert at_ms == NOW_MS + 1
    assert later > name


def test_each_maker_has_a_folder_of_its_own() -> None:
    label = Label(network="sandbox/here", account="0xAB", coin="HYPE/USDC")

    assert label.path == Path("sandbox/here/0xab/HYPE-USDC")


def test_the_newest_copy_of_the_maker_is_found(into: Path) -> None:
    assert find_copy(into, LABEL).n_entries == 13


def test_one_copy_can_be_named(into: Path) -> None:
    oldest = list_copies(into / LABEL.path)[0]

    assert find_copy(oldest, LABEL).n_entries == 11


def test_a_copy_of_another_maker_is_refused(into: Path) -> None:
    oldest = list_copies(into / LABEL.path)[0]

    with pytest.raises(ConfigError, match="is a copy of another ledger, of @107 for 0xAB on sandbox/here"):
        find_copy(oldest, OTHER)


def test_where_there_is_no_copy_the_place_is_named(into: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no copy of the ledger of @107 .*mainnet/0xab/@107"):
        find_copy(into, OTHER)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"version": 2}', "[" * 2000])
def test_a_description_that_cannot_be_read_is_told(into: Path, text: str) -> None:
    oldest = list_copies(into / LABEL.path)[0]
    (oldest / "copy.json").write_text(text)

    with pytest.raises(ConfigError, match="is not a valid description of a copy"):
        read_copy(oldest)


def test_a_description_reads_as_it_was_written(tmp_path: Path) -> None:
    write(tmp_path / "state")
    made = copy(tmp_path / "state", tmp_path / "copies")

    assert read_copy(made.folder) == made
    assert json.loads((made.folder / "copy.json").read_text())["entries"] == 11


def test_the_newest_copies_are_kept(into: Path) -> None:
    root = into / LABEL.path
    newest = list_copies(root)[-1:]

    assert remove_old_copies(root, keep=1) == 1

    assert list_copies(root) == newest
    assert sorted(path.name for path in root.iterdir()) == [newest[0].name]


def test_nothing_of_a_copy_is_open_to_others(into: Path) -> None:
    modes = {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in into.rglob("*")}

    assert modes == {0}


@pytest.mark.parametrize("step", range(1, 6))
def test_a_removal_that_is_cut_short_leaves_whole_copies_alone(into: Path, step: int) -> None:
    root = into / LABEL.path
    with pytest.MonkeyPatch.context() as patch:
        FileKiller(patch, ("rename", "unlink", "rmdir"), step)
        with pytest.raises(Killed):
            remove_old_copies(root, keep=1)

    names = {tuple(sorted(os.listdir(folder))) for folder in list_copies(root)}
    discard_unfinished(root)

    assert names == {("copy.json", "journal.end", "journal.sqlite3")}
    assert set(root.iterdir()) == set(list_copies(root))


def test_the_numbers_of_the_help_are_those_of_the_program() -> None:
    assert (ledger.DEFAULT_KEEP, ledger.MOST_KEPT) == (backup_ledger.DEFAULT_KEEP, backup_ledger.MOST_KEPT)
