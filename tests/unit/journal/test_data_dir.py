"""State folder and locks: one maker for a folder, one maker for a key."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from file_killer_kit import FileKiller, Killed

from mm_trio.journal.data_dir import (
    describe_lost,
    find_last_written,
    find_state_folder,
    finish_setting_aside,
    hold_state_folder,
    is_blank,
    open_ledger,
    replace_ledger,
    set_aside,
)
from mm_trio.journal.sqlite_journal import Journal
from mm_trio.model.errors import ConfigError, JournalError
from mm_trio.model.journal_entries import Began, Entry

ACCOUNT, OTHER_ACCOUNT = "0x" + "A1" * 20, "0x" + "b2" * 20
SIGNER, OTHER_SIGNER = "0x" + "C3" * 20, "0x" + "d4" * 20
WHO = {"network": "testnet", "account": ACCOUNT, "coin": "@107", "signer": SIGNER}


def state_home(path: Path) -> dict[str, str]:
    return {"XDG_STATE_HOME": str(path)}


@pytest.mark.parametrize(
    "changed",
    [{"network": "mainnet"}, {"account": OTHER_ACCOUNT}, {"coin": "PURR/USDC"}],
)
def test_each_network_account_and_coin_has_a_folder_of_its_own(tmp_path: Path, changed: dict[str, str]) -> None:
    who = {"network": "testnet", "account": ACCOUNT, "coin": "@107"}

    folders = [find_state_folder(state_home(tmp_path), **some) for some in (who, who | changed)]

    assert folders[0] != folders[1]
    assert all(folder.is_relative_to(tmp_path) for folder in folders)
    assert list(tmp_path.iterdir()) == []


def test_an_account_is_the_same_however_it_is_spelt(tmp_path: Path) -> None:
    spelt = {
        find_state_folder(state_home(tmp_path), network="testnet", account=account, coin="@107")
        for account in (ACCOUNT, ACCOUNT.lower())
    }

    assert len(spelt) == 1


def test_a_pair_with_a_slash_is_one_folder(tmp_path: Path) -> None:
    folder = find_state_folder(state_home(tmp_path), network="testnet", account=ACCOUNT, coin="PURR/USDC")

    assert folder.name == "PURR-USDC"


@pytest.mark.parametrize("environ", [{}, {"XDG_STATE_HOME": ""}], ids=["unset", "empty"])
def test_without_a_variable_it_is_below_the_home_folder(environ: dict[str, str]) -> None:
    folder = find_state_folder(environ, network="testnet", account=ACCOUNT, coin="@107")

    assert folder.is_relative_to(Path.home() / ".local" / "state" / "mm_trio" / "testnet")


def test_the_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    with hold_state_folder(state_home(tmp_path), **WHO) as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        assert all(path.stat().st_mode & 0o077 == 0 for path in tmp_path.rglob("*lock"))


def test_a_second_maker_of_the_same_market_is_refused_and_told_why(tmp_path: Path) -> None:
    with (
        hold_state_folder(state_home(tmp_path), **WHO),
        pytest.raises(ConfigError, match=rf"already making the market in @107 for {ACCOUNT}.*\(lock {tmp_path}"),
        hold_state_folder(state_home(tmp_path), **WHO | {"signer": OTHER_SIGNER}),
    ):
        pass


@pytest.mark.parametrize("changed", [{"coin": "@207"}, {"account": OTHER_ACCOUNT}])
def test_a_second_maker_with_the_same_key_is_refused_and_told_why(tmp_path: Path, changed: dict[str, str]) -> None:
    spelt_otherwise = {"signer": SIGNER.lower()}
    with (
        hold_state_folder(state_home(tmp_path), **WHO),
        pytest.raises(ConfigError, match=r"already signing with this key.*an agent .* of its own"),
        hold_state_folder(state_home(tmp_path), **WHO | changed | spelt_otherwise),
    ):
        pass


def test_makers_with_keys_of_their_own_on_other_markets_live_side_by_side(tmp_path: Path) -> None:
    with (
        hold_state_folder(state_home(tmp_path), **WHO) as one,
        hold_state_folder(state_home(tmp_path), **WHO | {"coin": "@207", "signer": OTHER_SIGNER}) as other,
    ):
        assert one != other


def test_one_key_may_sign_on_two_networks(tmp_path: Path) -> None:
    with (
        hold_state_folder(state_home(tmp_path), **WHO),
        hold_state_folder(state_home(tmp_path), **WHO | {"network": "mainnet"}),
    ):
        pass


def test_a_refused_key_leaves_the_folder_free(tmp_path: Path) -> None:
    with hold_state_folder(state_home(tmp_path), **WHO):
        other = WHO | {"coin": "@207"}
        with pytest.raises(ConfigError), hold_state_folder(state_home(tmp_path), **other):
            pass
        with hold_state_folder(state_home(tmp_path), **other | {"signer": OTHER_SIGNER}):
            pass


def test_who_ends_lets_go_however_it_ends(tmp_path: Path) -> None:
    def hold_and_fail() -> None:
        with hold_state_folder(state_home(tmp_path), **WHO):
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        hold_and_fail()

    with hold_state_folder(state_home(tmp_path), **WHO):
        pass


def test_a_process_that_is_killed_lets_go(tmp_path: Path) -> None:
    """A lock that outlives its process would keep a crashed maker from coming back."""
    script = (
        "import sys\n"
        "from mm_trio.journal.data_dir import hold_state_folder\n"
        f"with hold_state_folder({state_home(tmp_path)!r}, **{WHO!r}):\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(ConfigError), hold_state_folder(state_home(tmp_path), **WHO):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait(10)

    with hold_state_folder(state_home(tmp_path), **WHO):
        pass


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "mm_trio").write_text("a file in the way")

    with (
        pytest.raises(JournalError, match=f"cannot create the state folder {tmp_path}.*: "),
        hold_state_folder(state_home(tmp_path), **WHO),
    ):
        pass


def test_a_lock_that_cannot_be_taken_is_named(tmp_path: Path) -> None:
    folder = find_state_folder(state_home(tmp_path), network="testnet", account=ACCOUNT, coin="@107")
    (folder / "lock").mkdir(parents=True)

    with (
        pytest.raises(JournalError, match=f"cannot lock {folder}/lock: "),
        hold_state_folder(state_home(tmp_path), **WHO),
    ):
        pass


# --- set aside --------------------------------------------------------------------------------


def test_a_ledger_set_aside_is_whole_and_out_of_the_way(tmp_path: Path) -> None:
    for name in ("journal.sqlite3", "journal.sqlite3-wal", "journal.sqlite3-shm", "lock"):
        (tmp_path / name).write_text(name)

    aside = set_aside(tmp_path)

    assert aside.parent == tmp_path
    assert aside.stat().st_mode & 0o777 == 0o700
    assert {path.name: path.read_text() for path in aside.iterdir()} == {
        name: name for name in ("journal.sqlite3", "journal.sqlite3-wal", "journal.sqlite3-shm")
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lock", aside.name]


def test_a_ledger_can_be_set_aside_again_and_again(tmp_path: Path) -> None:
    places = []
    for _ in range(3):
        Journal.open(tmp_path).close()
        places.append(set_aside(tmp_path))

    assert len(set(places)) == 3
    assert all((place / "journal.sqlite3").is_file() for place in places)


def test_a_ledger_that_cannot_be_set_aside_is_named(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match=r"cannot move the ledger in .* aside: "):
        set_aside(tmp_path / "missing")


def test_the_file_goes_before_what_belongs_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ended half-way, a file without its write-ahead log would be opened as a ledger that lacks its last entries."""
    moved: list[str] = []
    for suffix in ("-wal", "", "-shm"):
        (tmp_path / f"journal.sqlite3{suffix}").touch()
    rename = Path.rename

    def note(path: Path, target: Path) -> Path:
        moved.append(path.name)
        return rename(path, target)

    listed = [tmp_path / f"journal.sqlite3{suffix}" for suffix in ("-wal", "-shm", "")]
    monkeypatch.setattr(Path, "rename", note)
    monkeypatch.setattr(Path, "glob", lambda folder, pattern: iter(listed))
    set_aside(tmp_path)

    assert moved[0] == "journal.sqlite3"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_state_folder_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)

    with pytest.raises(JournalError, match=str(tmp_path)), hold_state_folder(state_home(tmp_path), **WHO):
        pass


# --- replaced, and killed on the way ----------------------------------------------------------

LEDGER_FILES = {"journal.sqlite3", "journal.end"}
OLD, NEW = [Began(1, {}), Began(2, {})], [Began(1, {}), Began(2, {}), Began(3, {})]
STEPS = ("rename", "replace", "mkdir", "fsync", "rmdir", "unlink")


def write_ledger(folder: Path, entries: Sequence[Entry]) -> None:
    with closing(Journal.open(folder)) as journal:
        journal.append(entries, at_ms=1)


def write_new(journal: Journal) -> None:
    journal.append(NEW, at_ms=1)


def leave_killed_ledger(folder: Path) -> None:
    """A ledger as a process that was killed leaves it: its entries are in the log alone."""
    with closing(Journal.open(folder.with_name("alive"))) as journal:
        journal.append(OLD, at_ms=1)
        shutil.copytree(folder.with_name("alive"), folder, ignore=shutil.ignore_patterns("*-shm"))
    assert (folder / "journal.sqlite3-wal").stat().st_size > 0


def read_ledger(folder: Path) -> list[Entry]:
    return [row.entry for row in Journal.salvage(folder)]


def count_steps(folder: Path) -> int:
    leave_killed_ledger(folder)
    with pytest.MonkeyPatch.context() as monkeypatch:
        killer = FileKiller(monkeypatch, STEPS)
        replace_ledger(folder, write_new)
    assert read_ledger(folder) == NEW
    return killer.n_steps


def kill_in_every_step(tmp_path: Path, *, after: bool) -> list[Path]:
    """A state folder for each step that replacing a ledger was killed in."""
    folders = []
    for step in range(1, count_steps(tmp_path / "whole" / "state") + 1):
        folder = tmp_path / str(step) / "state"
        leave_killed_ledger(folder)
        with pytest.MonkeyPatch.context() as monkeypatch:
            FileKiller(monkeypatch, STEPS, step, after=after)
            with pytest.raises(Killed):
                replace_ledger(folder, write_new)
        folders.append(folder)
    assert len(folders) > 10
    return folders


@pytest.mark.parametrize("after", [False, True])
def test_a_replacement_killed_at_any_step_leaves_a_whole_ledger(tmp_path: Path, after: bool) -> None:
    """A start finds the old ledger or the new one, or refuses with the remedy."""
    n_refused = 0
    for folder in kill_in_every_step(tmp_path, after=after):
        if (folder / "journal.sqlite3").exists():
            with closing(open_ledger(folder)) as journal:
                assert [row.entry for row in journal.read()] in (OLD, NEW), folder
        else:
            n_refused += 1
            with pytest.raises(JournalError, match="`mm-trio ledger rebuild`") as refusal:
                open_ledger(folder)
            assert describe_lost(folder) == str(refusal.value), folder
            assert not (folder / "journal.sqlite3").exists(), folder

    assert n_refused > 3


@pytest.mark.parametrize("after", [False, True])
def test_a_replacement_killed_at_any_step_can_be_repeated(tmp_path: Path, after: bool) -> None:
    """Every entry is found in the ledger or in one set aside, and the second attempt completes."""
    for folder in kill_in_every_step(tmp_path, after=after):
        finish_setting_aside(folder)
        source = find_last_written(folder)
        assert source is not None, folder
        assert read_ledger(source) in (OLD, NEW), folder

        replace_ledger(folder, write_new)

        with closing(open_ledger(folder)) as journal:
            assert [row.entry for row in journal.read()] == NEW, folder
        asides = sorted(folder.glob("set-aside-*"))
        assert OLD in [read_ledger(aside) for aside in asides], folder
        assert {path.name for path in folder.iterdir()} == {*LEDGER_FILES, *(path.name for path in asides)}


def test_a_new_ledger_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    write_ledger(tmp_path, OLD)

    def fail(journal: Journal) -> None:
        raise JournalError("full")

    with pytest.raises(JournalError, match="full"):
        replace_ledger(tmp_path, fail)

    assert read_ledger(tmp_path) == OLD


def test_where_there_was_no_ledger_nothing_is_set_aside(tmp_path: Path) -> None:
    assert replace_ledger(tmp_path, write_new) is None

    assert {path.name for path in tmp_path.iterdir()} == LEDGER_FILES


# --- a ledger that is lost is no first start --------------------------------------------------


def test_an_empty_state_folder_is_a_first_start(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()

    with closing(open_ledger(tmp_path)) as journal:
        assert journal.is_new


@pytest.mark.parametrize(
    "trace",
    [
        "set-aside-1/journal.sqlite3",
        "setting-aside/journal.sqlite3",
        "new-ledger/journal.sqlite3",
        "journal.sqlite3-wal",
        "journal-v1.sqlite3.bak",
        "archive/entries-1-9.sqlite3",
    ],
)
@pytest.mark.parametrize("left", ["nothing", "an empty file"])
def test_what_an_earlier_ledger_left_is_named_and_none_is_begun(tmp_path: Path, trace: str, left: str) -> None:
    (tmp_path / trace).parent.mkdir(exist_ok=True)
    (tmp_path / trace).write_text("of an earlier ledger")
    if left == "an empty file" and not trace.endswith("-wal"):
        (tmp_path / "journal.sqlite3").touch()
    before = sorted(tmp_path.rglob("*"))

    with pytest.raises(JournalError, match=rf"{tmp_path}.*{trace.split('/')[0]}.*`mm-trio ledger rebuild`"):
        open_ledger(tmp_path)

    assert sorted(tmp_path.rglob("*")) == before


def test_an_empty_ledger_beside_one_set_aside_is_refused(tmp_path: Path) -> None:
    write_ledger(tmp_path, OLD)
    replace_ledger(tmp_path, lambda journal: None)

    with pytest.raises(JournalError, match="set-aside-1"):
        open_ledger(tmp_path)


def test_a_ledger_with_entries_is_opened_whatever_lies_beside_it(tmp_path: Path) -> None:
    write_ledger(tmp_path, OLD)
    replace_ledger(tmp_path, write_new)
    (tmp_path / "new-ledger").mkdir()

    with closing(open_ledger(tmp_path)) as journal:
        assert [row.entry for row in journal.read()] == NEW


def test_the_newest_ledger_that_was_written_to_is_the_one_to_read(tmp_path: Path) -> None:
    for n in range(1, 12):
        write_ledger(tmp_path, [Began(n, {})])
        set_aside(tmp_path)
    Journal.open(tmp_path).close()
    set_aside(tmp_path)

    assert find_last_written(tmp_path) == tmp_path / "set-aside-11"


def test_a_damaged_ledger_was_written_to(tmp_path: Path) -> None:
    write_ledger(tmp_path, OLD)
    set_aside(tmp_path)
    (tmp_path / "journal.sqlite3").write_bytes(b"not a ledger at all" * 1000)

    assert find_last_written(tmp_path) == tmp_path


def test_r12_a_folder_that_cannot_be_looked_at_is_an_error_of_the_ledger(tmp_path: Path) -> None:
    """An error of the system would end as one of the venue."""
    folder = tmp_path / ("x" * 300)
    for look in (is_blank, Journal.open_to_read):
        with pytest.raises(JournalError, match=r"the ledger .* cannot be used: File name too long"):
            look(folder)


def test_without_a_home_folder_the_variable_to_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", _know_nobody)

    with pytest.raises(ConfigError, match=r"no home folder is known .* set XDG_STATE_HOME"):
        find_state_folder({}, network="testnet", account="0xab", coin="@107")

    assert find_state_folder({"XDG_STATE_HOME": "/s"}, network="testnet", account="0xab", coin="@107").parts[1] == "s"


def _know_nobody(uid: int) -> object:
    raise KeyError(uid)


def test_the_state_folder_may_begin_at_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/h")

    found = find_state_folder({"XDG_STATE_HOME": "~/state"}, network="testnet", account="0xab", coin="@107")

    assert found == Path("/h/state/mm_trio/testnet/0xab/@107")
