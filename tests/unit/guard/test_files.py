"""What a guard keeps in memory of files that are replaced, broken or gone."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from guard_kit import ACCOUNT, COIN, COINS, GuardedVenue, Orders, make_account_cover, make_cover

from mm_trio.guard import files as files_module
from mm_trio.guard.files import MakerFiles
from mm_trio.guard.heartbeat import HEARTBEAT_NAME, Heartbeat, write_heartbeat
from mm_trio.guard.private_file import read_private, write_private
from mm_trio.guard.signed_file import CANCELS_NAME, MOST_BYTES, NEW_CANCELS_NAME, read_fired
from mm_trio.model.errors import ConfigError
from mm_trio.state.order_state import OrderState

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


# --- The files of a maker of several markets ----------------------------------------------------------


@dataclass
class Several:
    """A maker of several markets whose file is whole, and one order that it has sent since."""

    folder: Path
    venue: GuardedVenue = field(default_factory=GuardedVenue)
    states: dict[str, OrderState] = field(default_factory=lambda: {coin: OrderState() for coin in COINS})

    def __post_init__(self) -> None:
        self.folder.mkdir(mode=0o700)
        self.cover = make_account_cover(self.venue, self.folder, self.states)
        self.files = MakerFiles(self.folder, owner=("sandbox", ACCOUNT, "account"))
        self.old = [self.send(coin) for coin in COINS]
        self.cover.refresh()()
        self.files.read()
        self.new = self.send(COINS[1])

    def send(self, coin: str) -> str:
        intent = self.venue.make_intent()
        self.states[coin].on_sent(intent)
        self.cover.make_cover()()
        return intent.cloid

    @property
    def names(self) -> set[str | int]:
        return set() if self.files.cancels is None else set(self.files.cancels.names)


@pytest.fixture
def several(tmp_path: Path) -> Several:
    return Several(tmp_path / "account")


def test_what_changed_since_the_whole_file_counts(several: Several) -> None:
    several.files.read()

    assert several.names == {*several.old, several.new}
    assert several.files.cancels is not None
    assert several.files.cancels.coins == tuple(sorted(COINS))


def test_changes_that_are_older_than_the_whole_file_are_left_out(several: Several) -> None:
    several.files.read()
    several.states[COINS[1]].on_never_placed(several.new)
    several.cover.refresh()()

    several.files.read()

    assert several.names == set(several.old)


def test_a_whole_file_that_is_written_between_two_reads_has_the_changes(
    several: Several, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The changes are read first; then the maker writes both, before the guard reads the whole file."""
    read, later = read_private, list[str]()

    def read_then_write(path: Path, *, most: int) -> bytes | None:
        data = read(path, most=most)
        if path.name == NEW_CANCELS_NAME and not later:
            later.append(several.send(COINS[2]))
            several.cover.refresh()()
            later.append(several.send(COINS[0]))
        return data

    monkeypatch.setattr(files_module, "read_private", read_then_write)
    several.files.read()
    between = several.names
    several.files.read()

    assert between == {*several.old, several.new, later[0]}
    assert several.names == between | {later[1]}


def test_changes_that_cannot_be_read_are_told_and_hide_nothing(
    several: Several, caplog: pytest.LogCaptureFixture
) -> None:
    (several.folder / NEW_CANCELS_NAME).write_text("{")

    several.files.read()

    assert several.names == set(several.old)
    assert caplog.text.count(f"{NEW_CANCELS_NAME} is not whole") == 1


def test_a_whole_file_that_cannot_be_read_leaves_what_was_read_before_and_the_changes(several: Several) -> None:
    (several.folder / CANCELS_NAME).write_text("{")

    several.files.read()

    assert several.names == {*several.old, several.new}


def test_changes_of_another_account_are_not_taken(several: Several) -> None:
    path = several.folder / NEW_CANCELS_NAME
    path.write_text(path.read_text().replace('"network": "sandbox"', '"network": "mainnet"'))

    several.files.read()

    assert several.names == set(several.old)


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
