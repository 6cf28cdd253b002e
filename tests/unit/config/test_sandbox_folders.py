"""Folders of sandboxes that ended: old ones go, and nothing else ever does."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from mm_trio.config.sandbox_folders import KEPT, KEPT_S, remove_old_instances
from mm_trio.journal.data_dir import hold_state_folder

DAY_S = 86_400.0
ACCOUNT, SIGNER = "0x" + "ab" * 20, "0x" + "cd" * 20


def name(n: int) -> str:
    return f"{n:016x}"


def make_instance(root: Path, folder_name: str, *, age_s: float, now_s: float) -> Path:
    """Make a folder as a maker leaves it, with everything in it last written so long ago."""
    where = {"network": f"{root.name}/{folder_name}", "account": ACCOUNT, "coin": "@107", "signer": SIGNER}
    with hold_state_folder({"XDG_STATE_HOME": str(root.parents[1])}, **where) as folder:
        (folder / "journal.sqlite3").write_bytes(b"entries")
    for path in sorted((root / folder_name).rglob("*"), reverse=True):
        os.utime(path, (now_s - age_s, now_s - age_s))
    os.utime(root / folder_name, (now_s - age_s, now_s - age_s))
    return root / folder_name


@pytest.fixture
def now_s() -> float:
    return time.time()


@pytest.fixture
def root(tmp_path: Path, now_s: float) -> Path:
    """The folder of the network, with as many recent sandboxes as are kept."""
    root = tmp_path / "mm_trio" / "sandbox"
    for n in range(KEPT):
        make_instance(root, name(n), age_s=n, now_s=now_s)
    return root


def test_an_old_one_beyond_those_that_are_kept_is_removed(root: Path, now_s: float) -> None:
    old = make_instance(root, name(99), age_s=KEPT_S + DAY_S, now_s=now_s)

    assert remove_old_instances(root / name(500), now_s) == [old.name]
    assert sorted(path.name for path in root.iterdir()) == [name(n) for n in range(KEPT)]


def test_a_recent_one_stays_however_many_there_are(root: Path, now_s: float) -> None:
    recent = make_instance(root, name(99), age_s=KEPT_S - DAY_S, now_s=now_s)

    assert remove_old_instances(root / name(500), now_s) == []
    assert recent.is_dir()


def test_an_old_one_that_a_maker_holds_stays(root: Path, now_s: float) -> None:
    where = {"network": f"sandbox/{name(99)}", "account": ACCOUNT, "coin": "@107", "signer": None}
    make_instance(root, name(99), age_s=KEPT_S + DAY_S, now_s=now_s)
    with hold_state_folder({"XDG_STATE_HOME": str(root.parents[1])}, **where) as held:  # type: ignore[arg-type]
        for path in (*(root / name(99)).rglob("*"), root / name(99)):
            os.utime(path, (1.0, 1.0))

        assert remove_old_instances(root / name(500), now_s) == []
        assert (held / "journal.sqlite3").is_file()


@pytest.mark.parametrize("other", ["signers", ACCOUNT, "127.0.0.1-3001", "0" * 15, "F" * 16])
def test_a_folder_that_no_sandbox_named_stays(root: Path, now_s: float, other: str) -> None:
    kept = make_instance(root, other, age_s=KEPT_S + DAY_S, now_s=now_s)

    assert remove_old_instances(root / name(500), now_s) == []
    assert (kept / ACCOUNT / "@107" / "journal.sqlite3").is_file()


def test_a_link_is_not_followed(root: Path, now_s: float, tmp_path: Path) -> None:
    elsewhere = tmp_path / "mine"
    elsewhere.mkdir()
    os.utime(elsewhere, (1.0, 1.0))
    (root / name(99)).symlink_to(elsewhere)

    assert remove_old_instances(root / name(500), now_s) == []
    assert elsewhere.is_dir()


@pytest.mark.parametrize("network", ["testnet", "mainnet"])
def test_nothing_of_another_network_is_removed(tmp_path: Path, now_s: float, network: str) -> None:
    root = tmp_path / "mm_trio" / network
    folders = [make_instance(root, name(n), age_s=KEPT_S + DAY_S, now_s=now_s) for n in range(KEPT + 2)]

    assert remove_old_instances(root / name(500), now_s) == []
    assert all(folder.is_dir() for folder in folders)


def test_a_removal_that_was_cut_short_is_finished(root: Path, now_s: float) -> None:
    left = make_instance(root, f"removed-{name(99)}", age_s=0, now_s=now_s)

    assert remove_old_instances(root / name(500), now_s) == []
    assert not left.exists()
