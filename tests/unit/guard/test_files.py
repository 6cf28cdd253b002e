"""What a guard keeps in memory of files that are replaced, broken or gone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from guard_kit import ACCOUNT, COIN, GuardedVenue, Orders, make_cover

from mm_trio.guard.files import MakerFiles
from mm_trio.guard.heartbeat import HEARTBEAT_NAME, Heartbeat, write_heartbeat
from mm_trio.guard.private_file import read_private, write_private
from mm_trio.guard.signed_file import CANCELS_NAME, MOST_BYTES, read_fired
from mm_trio.model.errors import ConfigError

OWNER = ("sandbox", ACCOUNT, COIN)
BEAT = Heartbeat(5, 7, 0.5)


def make_folder(path: Path, n_orders: int = 1) -> Path:
    path.mkdir(mode=0o700)
    venue = GuardedVenue()
    make_cover(venue, path, Orders(in_flight=[venue.make_intent() for _ in range(n_orders)])).make_cover()()
    write_heartbeat(path, BEAT)
    return path


def test_a_folder_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    files = MakerFiles(tmp_path / "later", owner=OWNER)

    assert files.read() is None
    files.write_alive(armed=False)
    assert not (tmp_path / "later").exists()


def test_files_are_read_when_they_are_there(tmp_path: Path) -> None:
    files = MakerFiles(make_folder(tmp_path / "state", 3), owner=OWNER)

    assert files.read() == BEAT
    assert files.cancels is not None
    assert len(files.cancels.names) == 3


@pytest.mark.parametrize("spoil", [shutil.rmtree, lambda folder: (folder / CANCELS_NAME).write_text("{")])
def test_the_last_whole_cancels_stay_in_memory(tmp_path: Path, spoil: object) -> None:
    files = MakerFiles(folder := make_folder(tmp_path / "state"), owner=OWNER)
    files.read()
    before = files.cancels
    assert callable(spoil)

    spoil(folder)
    files.read()

    assert before is not None
    assert files.cancels is before


def test_cancels_of_another_account_are_not_taken(tmp_path: Path) -> None:
    files = MakerFiles(make_folder(tmp_path / "state"), owner=("mainnet", ACCOUNT, COIN))

    files.read()

    assert files.cancels is None


@pytest.mark.parametrize("text", ["{", '{"version": 2}', "x" * (MOST_BYTES + 1)], ids=["broken", "later", "large"])
def test_cancels_that_cannot_be_read_do_not_hide_the_heartbeat(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    """Else a maker that lives would look silent."""
    files = MakerFiles(folder := make_folder(tmp_path / "state"), owner=OWNER)
    files.read()
    (folder / CANCELS_NAME).write_text(text)
    later = Heartbeat(6, 7, 0.5)
    write_heartbeat(folder, later)

    found = [files.read() for _ in range(3)]

    assert found == [later] * 3
    assert caplog.text.count(f"{CANCELS_NAME} ") == 1


def test_cancels_of_another_account_do_not_hide_the_heartbeat(tmp_path: Path) -> None:
    files = MakerFiles(make_folder(tmp_path / "state"), owner=("mainnet", ACCOUNT, COIN))

    assert files.read() == BEAT


def test_a_heartbeat_that_cannot_be_read_does_not_hide_the_cancels(tmp_path: Path) -> None:
    files = MakerFiles(folder := make_folder(tmp_path / "state"), owner=OWNER)
    (folder / HEARTBEAT_NAME).write_text("{")

    assert files.read() is None
    assert files.cancels is not None


def test_a_folder_that_others_may_change_is_refused(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "state")
    folder.chmod(0o777)

    with pytest.raises(ConfigError, match="0777"):
        MakerFiles(folder, owner=OWNER).read()


def test_a_folder_that_is_opened_to_others_later_leaves_what_was_read_before(tmp_path: Path) -> None:
    files = MakerFiles(folder := make_folder(tmp_path / "state"), owner=OWNER)
    files.read()
    folder.chmod(0o777)

    assert files.read() is None
    assert files.cancels is not None


def test_posted_nonces_of_an_earlier_guard_stay_noted(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "state")
    MakerFiles(folder, owner=OWNER).note_fired({7})

    MakerFiles(folder, owner=OWNER).note_fired({9})

    assert read_fired(folder) == {7, 9}


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "target")

    with pytest.raises(OSError, match="symbolic"):
        read_private(tmp_path / "link", most=10)


def test_a_file_is_replaced_whole_and_private(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_private(path, b"one")
    write_private(path, b"two")

    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["file"]
