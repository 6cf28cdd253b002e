"""What others may change of a path, and folders that only their owner may use."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mm_trio.config.private_paths import find_open_folder, find_open_place, make_private_folders

pytestmark = pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def make(path: Path, mode: int = 0o700) -> Path:
    path.mkdir()
    path.chmod(mode)
    return path


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("mask", [0, 0o002, 0o022, 0o077])
def test_r10_every_folder_that_is_made_is_private(tmp_path: Path, mask: int) -> None:
    with umask(mask):
        make_private_folders(tmp_path / "a" / "b" / "c")

    assert [mode_of(tmp_path / name) for name in ("a", "a/b", "a/b/c")] == [0o700] * 3


def test_a_folder_that_exists_keeps_its_mode(tmp_path: Path) -> None:
    make_private_folders(make(tmp_path / "a", 0o755) / "b")
    make_private_folders(tmp_path / "a" / "b")

    assert mode_of(tmp_path / "a") == 0o755


@pytest.mark.parametrize("mode", [0o700, 0o755, 0o500])
def test_a_folder_that_others_only_read_is_well(tmp_path: Path, mode: int) -> None:
    assert find_open_place(make(tmp_path / "a", mode)) is None


@pytest.mark.parametrize("mode", [0o770, 0o775, 0o777, 0o707, 0o1777, 0o1770])
def test_r10_a_folder_that_others_write_to_is_found(tmp_path: Path, mode: int) -> None:
    folder = make(tmp_path / "a", mode)

    assert find_open_place(folder) == (
        f"{folder} has mode {mode:04o}, so other users may change what is in it; run: chmod go-w '{folder}'"
    )


@pytest.mark.parametrize("mode", [0o775, 0o777])
def test_r10_a_folder_above_counts_as_much(tmp_path: Path, mode: int) -> None:
    above = make(tmp_path / "a", mode)
    make(above / "b")

    assert str(find_open_place(make(above / "b" / "c"))).startswith(f"{above} has mode {mode:04o}")
    assert find_open_place(above / "b" / "to be made") is not None


def test_in_a_sticky_folder_above_others_cannot_replace_ours(tmp_path: Path) -> None:
    assert find_open_place(make(make(tmp_path / "a", 0o1777) / "b")) is None


def test_a_sticky_folder_may_hold_a_file_that_is_only_read(tmp_path: Path) -> None:
    folder = make(tmp_path / "a", 0o1777)

    assert find_open_folder(folder, may_be_sticky=True) is None
    assert find_open_folder(folder) is not None


def test_r10_a_link_on_the_way_is_followed_to_the_folders_above_its_target(tmp_path: Path) -> None:
    open_one = make(tmp_path / "open", 0o777)
    target = make(open_one / "target")
    (tmp_path / "link").symlink_to(target)

    assert str(find_open_place(tmp_path / "link")).startswith(f"{open_one} has mode 0777")


def test_r10_a_folder_above_a_link_counts_too(tmp_path: Path) -> None:
    open_one, target = make(tmp_path / "open", 0o777), make(tmp_path / "target")
    (open_one / "link").symlink_to(target)

    assert str(find_open_place(open_one / "link")).startswith(f"{open_one} has mode 0777")


def test_a_path_is_judged_from_where_the_process_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(make(tmp_path / "a", 0o777))

    assert find_open_place(Path("state")) is not None


@pytest.mark.parametrize("mode", [0o660, 0o666, 0o602])
def test_r10_a_file_that_others_write_to_is_found(tmp_path: Path, mode: int) -> None:
    folder = make(tmp_path / "a")
    file = folder / "journal.sqlite3-wal"
    file.touch()
    file.chmod(mode)

    assert str(find_open_place(folder)).startswith(f"{file} has mode {mode:04o}")
    file.chmod(0o644)
    assert find_open_place(folder) is None


def test_r10_a_link_in_the_folder_is_refused(tmp_path: Path) -> None:
    folder = make(tmp_path / "a")
    (folder / "journal.sqlite3").symlink_to(tmp_path / "nowhere")

    assert "is a symbolic link, which is not followed" in str(find_open_place(folder))


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root gives files away")
def test_r10_what_belongs_to_another_user_is_found(tmp_path: Path) -> None:
    folder = make(tmp_path / "a")
    os.chown(make(folder / "b"), 4711, -1)

    assert find_open_place(folder / "b") == (
        f"{folder / 'b'} belongs to user 4711, and this process runs as 0; run: chown 0 '{folder / 'b'}'"
    )
    assert find_open_place(folder) == find_open_place(folder / "b")


def test_what_belongs_to_root_is_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, owner = make(tmp_path / "a"), tmp_path.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: 4711)

    assert (find_open_place(folder) is None) == (owner == 0)


def test_elsewhere_than_on_posix_nothing_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make(tmp_path / "a", 0o777)
    monkeypatch.setattr("mm_trio.config.private_paths.POSIX", False)

    assert find_open_place(folder) is None
