"""Copies of a ledger: how their folders are named, listed, described and removed.

Below the folder that the operator names, each maker has one of its own, so that a fleet can share it. A copy has its
name only once it is complete; what is being written or removed has another one, and is never read.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mm_trio.journal.end_mark import replace_file, sync
from mm_trio.journal.file_errors import describe_os_error
from mm_trio.model.errors import ConfigError

__all__ = [
    "UNFINISHED_NAME",
    "Label",
    "LedgerCopy",
    "discard_unfinished",
    "find_copy",
    "list_copies",
    "name_copy",
    "read_copy",
    "remove_old_copies",
    "told",
    "write_description",
]

_log = logging.getLogger(__name__)

DESCRIPTION_NAME = "copy.json"
UNFINISHED_NAME = "unfinished"
REMOVING_NAME = "removing"
VERSION = 1
_MOST_BYTES = 64 * 2**10
# UTC time to the millisecond, so that names sort by age, and the number of entries for the reader.
_NAME = re.compile(r"(\d{8}T\d{9})Z-\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """Maker that a ledger belongs to, by the names of its state folder."""

    network: str
    account: str
    coin: str

    @property
    def path(self) -> Path:
        """Return the place of its copies below the folder of all copies."""
        return Path(self.network) / self.account.lower() / self.coin.replace("/", "-")


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerCopy:
    """One complete copy, as the file in it describes it.

    `chain` is the chain value of the last entry. `standing` is what the maker's standing said then, None where it had
    none; `standings` those of listed markets that were stopped, by the names of their folders. `lacks` names archives
    that were missing or damaged already.
    """

    folder: Path
    label: Label
    n_entries: int
    chain: str
    copied_ms: int
    standing: Mapping[str, object] | None = None
    standings: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    lacks: tuple[str, ...] = ()

    def describe_time(self) -> str:
        """Return when it was made, for the operator."""
        return datetime.fromtimestamp(self.copied_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def name_copy(root: Path, *, n_entries: int, now_ms: int) -> tuple[str, int]:
    """Return the name of the next copy, and the time in it.

    A clock that was set back must not make the newest copy look like the oldest, so the time only rises.
    """
    newest = list_copies(root)[-1:]
    at_ms = max(now_ms, *(_read_time(path.name) + 1 for path in newest), 0)
    moment = datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y%m%dT%H%M%S")
    return f"{moment}{at_ms % 1000:03}Z-{n_entries}", at_ms


def _read_time(name: str) -> int:
    moment = datetime.strptime(name[:15], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    return int(moment.timestamp()) * 1000 + int(name[15:18])


def list_copies(root: Path) -> list[Path]:
    """List the complete copies of one maker, oldest first."""
    found = [path for path in root.glob("*Z-*") if _NAME.fullmatch(path.name)]
    return sorted(found, key=lambda path: path.name.partition("Z")[0])


def find_copy(given: Path, label: Label) -> LedgerCopy:
    """Find the copy that the operator means: this one, or the newest of the maker.

    Errors: ConfigError where there is none, or where it belongs to another maker.
    """
    root = given / label.path
    with _read(given):
        is_copy = (given / DESCRIPTION_NAME).is_file()
        found = [given] if is_copy else list_copies(root)
    if not found:
        raise ConfigError(
            f"--from {given}: there is no copy of the ledger of {label.coin} (looked for {DESCRIPTION_NAME} in it, and "
            f"for copies in {root}); name the folder that `mm-trio ledger backup --to` wrote, or one copy in it"
        )
    copy = read_copy(found[-1])
    if copy.label != label:
        theirs = copy.label
        raise ConfigError(
            f"--from {given}: {copy.folder} is a copy of another ledger, of {theirs.coin} for {theirs.account} on "
            f"{theirs.network}, and this configuration is of {label.coin} for {label.account} on {label.network}; "
            "name a copy of this one"
        )
    return copy


def read_copy(folder: Path) -> LedgerCopy:
    """Read the description of a copy. Errors: ConfigError."""
    path = folder / DESCRIPTION_NAME
    with _read(path), path.open("rb") as file:
        data = file.read(_MOST_BYTES)
    try:
        return _parse(folder, json.loads(data))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ConfigError(
            f"{path} is not a valid description of a copy ({error!r}); take another copy, or run `mm-trio ledger "
            "rebuild` on the state folder"
        ) from error


def _parse(folder: Path, raw: Any) -> LedgerCopy:
    if raw["version"] != VERSION:
        raise ValueError(f"version {raw['version']!r}, and this program reads {VERSION}")
    names = [raw[name] for name in ("network", "account", "coin", "chain")]
    numbers = [raw[name] for name in ("entries", "copied_ms")]
    if not all(isinstance(name, str) for name in names) or not all(type(number) is int for number in numbers):
        raise ValueError("a value is of another kind")
    network, account, coin, chain = names
    return LedgerCopy(
        folder=folder,
        label=Label(network=network, account=account, coin=coin),
        n_entries=numbers[0],
        chain=chain,
        copied_ms=numbers[1],
        standing=raw["standing"],
        standings=_read_standings(raw.get("standings", {})),
        lacks=tuple(map(str, raw["lacks"])),
    )


def _read_standings(raw: Any) -> dict[str, Mapping[str, object]]:
    """Read the standings of markets. Errors: ValueError for what names another folder than one of the account's."""
    if not isinstance(raw, dict) or any(not isinstance(each, dict) for each in raw.values()):
        raise ValueError("standings is of another kind")
    if strange := [name for name in raw if Path(name).name != name or name.startswith(".")]:
        raise ValueError(f"{strange[0]!r} is not the name of a market's folder")
    return raw


def write_description(copy: LedgerCopy, folder: Path) -> None:
    """Write the description of a copy into a folder, durably. Errors: OSError."""
    label = copy.label
    values = {
        "version": VERSION,
        "network": label.network,
        "account": label.account,
        "coin": label.coin,
        "entries": copy.n_entries,
        "chain": copy.chain,
        "copied_ms": copy.copied_ms,
        "standing": copy.standing,
        **({"standings": dict(copy.standings)} if copy.standings else {}),
        "lacks": list(copy.lacks),
    }
    path = folder / DESCRIPTION_NAME
    replace_file(path, f"{json.dumps(values)}\n".encode(), beside=path.with_suffix(".new"))


def remove_old_copies(root: Path, *, keep: int) -> int:
    """Remove all copies but the newest; return how many are left.

    Each gets another name first, so that a removal which is cut short leaves no half copy. Errors: ConfigError.
    """
    copies = list_copies(root)
    with told(root):
        for folder in copies[:-keep]:
            folder.rename(root / REMOVING_NAME)
            sync(root)
            shutil.rmtree(root / REMOVING_NAME)
    return len(copies[-keep:])


def discard_unfinished(root: Path) -> None:
    """Remove what an interrupted copy or removal left. Errors: ConfigError."""
    with told(root):
        for name in (UNFINISHED_NAME, REMOVING_NAME):
            if (root / name).exists():
                shutil.rmtree(root / name)


@contextmanager
def told(root: Path) -> Iterator[None]:
    """Turn errors of the place of the copies into one line. Errors: ConfigError."""
    try:
        yield
    except OSError as error:
        raise ConfigError(f"the copy in {root} cannot be written: {describe_os_error(error)}") from error


@contextmanager
def _read(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {describe_os_error(error)}") from error
