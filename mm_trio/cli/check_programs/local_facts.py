"""Facts of this machine: key, state folder, programs. All functions block and write nothing."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from requests.utils import get_environ_proxies

from mm_trio import __version__
from mm_trio.cli.check_programs.facts import KeyFacts, LedgerFacts, MachineFacts
from mm_trio.cli.check_programs.findings import Fact, Unknown, Verdict
from mm_trio.config.keys import PASSPHRASE_FILE_VARIABLE, Secret, load_key
from mm_trio.config.private_paths import find_open_folder, find_open_place
from mm_trio.guard.heartbeat import ALIVE_NAME, Alive, read_alive
from mm_trio.guard.private_file import FileUnread
from mm_trio.halts.maker_lock import is_locked
from mm_trio.halts.requests import Request, find_strictest, read_requests
from mm_trio.halts.standing import Standing, StandingUnread, tighten
from mm_trio.halts.standing_file import read_standing
from mm_trio.journal.data_dir import LOCK_NAME, describe_lost
from mm_trio.journal.replay import Recovered, replay
from mm_trio.journal.sqlite_journal import JOURNAL_NAME, Journal
from mm_trio.model.errors import ConfigError, JournalBusy, JournalError
from mm_trio.model.numbers import Number
from mm_trio.venue.sdk import make_wallet

__all__ = [
    "NOT_INSTALLED",
    "look_at_disk",
    "look_at_key",
    "look_at_ledger",
    "look_at_programs",
    "skip_ledger",
]

_T = TypeVar("_T")

_LIBRARIES = ("hyperliquid-python-sdk", "trio", "coincurve")
NOT_INSTALLED = "not installed"
ONE_KEY = "set one of MM_TRIO_PRIVATE_KEY, MM_TRIO_KEY_FILE, MM_TRIO_KEYSTORE and MM_TRIO_KEY_FD, and no other"


def look_at_key(secrets: Mapping[str, Secret], passphrase: Callable[[], str] | None) -> KeyFacts:
    """Load the signing key, and keep its address alone."""
    names = [name for name, secret in secrets.items() if name != PASSPHRASE_FILE_VARIABLE and secret.reveal()]
    address: Fact[str]
    try:
        address = load_key(secrets, passphrase=passphrase).lend(make_wallet).address.lower()
    except ConfigError as error:
        address = Unknown(str(error), ONE_KEY, Verdict.FAIL)
    return KeyFacts(address=address, sources=tuple(sorted(names)))


# --- The machine ------------------------------------------------------------------------------


def look_at_programs(folder: Path, base_url: str) -> MachineFacts:
    """Look at programs and proxies, not at the disk."""
    skipped = Unknown("the disk was not looked at", verdict=Verdict.SKIP)
    return MachineFacts(
        folder=folder,
        folder_fault=skipped,
        is_writable=skipped,
        free_bytes=skipped,
        signing=_try_signing(),
        proxies={scheme: _hide_user(url) for scheme, url in get_environ_proxies(base_url).items() if scheme != "no"},
        versions={"mm_trio": __version__, "Python": platform.python_version()}
        | {name: _find_version(name) for name in _LIBRARIES},
    )


def look_at_disk(found: MachineFacts) -> MachineFacts:
    """Look at the disk below the folder.

    The folder may not be there yet.
    """
    folder = found.folder
    unseen = f"{folder} cannot be looked at"
    return replace(
        found,
        folder_fault=_try(lambda: (find_open_place if folder.is_dir() else find_open_folder)(folder), unseen),
        is_writable=_try(lambda: _is_writable(_find_nearest(folder)), unseen),
        free_bytes=_try(lambda: shutil.disk_usage(_find_nearest(folder)).free, unseen),
    )


def _find_nearest(folder: Path) -> Path:
    """Find the folder, or the nearest one above that is there."""
    return next((path for path in (folder, *folder.parents) if path.exists()), folder)


def _is_writable(folder: Path) -> bool:
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)


def _try(look: Callable[[], _T], what: str) -> Fact[_T]:
    try:
        return look()
    except OSError as error:
        return Unknown(f"{what}: {error.strerror or error}")


def _try_signing() -> Fact[str]:
    """Sign once with the fast library, as the maker does."""
    try:
        import coincurve

        signature = coincurve.PrivateKey(b"\1" * 32).sign_recoverable(b"\2" * 32, hasher=None)
    except (ImportError, OSError, AttributeError, ValueError) as error:
        return Unknown(
            f"coincurve cannot sign: {error}", "install it again: pip install --force-reinstall coincurve", Verdict.FAIL
        )
    return f"coincurve {_find_version('coincurve')} signs ({len(signature)} bytes)"


def _find_version(library: str) -> str:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return NOT_INSTALLED


def _hide_user(url: str) -> str:
    try:
        place = urlsplit(url if "//" in url else f"//{url}")
    except ValueError:
        return "an address that cannot be read"
    return f"{place.scheme or 'http'}://{place.netloc.rpartition('@')[2]}"


# --- The state folder -------------------------------------------------------------------------


def look_at_ledger(
    folder: Path, *, shared: Path | None, signer_lock: Path | None, order_size: Number, now_s: float, wall_ms: int
) -> LedgerFacts:
    """Look at what a state folder holds.

    `shared` is the folder of the account where its markets are listed: ledger and guard are there, and a standing of
    all of them. Locks are tried for an instant, by a reader of them, which disturbs no maker that holds one.
    """
    no_key = Unknown("the signing key is not known", verdict=Verdict.SKIP)
    place = shared or folder
    return LedgerFacts(
        standing=_read_standing(folder) if shared is None else _read_stricter(folder, shared),
        ledger=_read_ledger(folder, place, order_size=order_size, now_s=now_s, wall_ms=wall_ms),
        is_locked=_is_held(folder / LOCK_NAME),
        is_key_locked=no_key if signer_lock is None else _is_held(signer_lock),
        guard=_read_guard(place),
    )


def skip_ledger(unknown: Unknown) -> LedgerFacts:
    """Return facts of an unseen state folder."""
    return LedgerFacts(standing=unknown, ledger=unknown, is_locked=unknown, is_key_locked=unknown, guard=unknown)


def _read_stricter(folder: Path, shared: Path) -> Fact[Standing]:
    """Read what holds of a market and of all markets, of which the stricter one counts."""
    own, of_all = _read_standing(folder), _read_standing(shared)
    if isinstance(own, Unknown) or isinstance(of_all, Unknown):
        return own if isinstance(own, Unknown) else of_all
    return max(own, of_all, key=lambda standing: standing.state.strictness)


def _read_standing(folder: Path) -> Fact[Standing]:
    """Read what holds, and what holds once the next start has followed the requests that wait."""
    try:
        standing = read_standing(folder)
        asked = find_strictest(read_requests(folder))
        if asked is None or asked.request is Request.RESUME:
            return standing
        since_ms = int(1000 * (folder / asked.request).lstat().st_mtime)
        return tighten(standing, asked.to_standing(since_ms=since_ms))
    except OSError as error:
        return Unknown(f"{folder} cannot be read: {error.strerror or error}", "look at the folder", Verdict.FAIL)
    except StandingUnread as error:
        return Unknown(str(error), "look at the log, then run `mm-trio resume`", Verdict.FAIL)


def _read_ledger(
    folder: Path, place: Path, *, order_size: Number, now_s: float, wall_ms: int
) -> Fact[Recovered | None]:
    """Replay the ledger of a coin from its last checkpoint on; its file is in `place`.

    None without a ledger.
    """
    remedy = "run `mm-trio ledger audit`, and `mm-trio ledger rebuild` where that says so"
    try:
        path = place / JOURNAL_NAME
        if not path.is_file() or not path.stat().st_size:
            lost = describe_lost(place)
            return None if lost is None else Unknown(lost, remedy, Verdict.FAIL)
        with closing(Journal.open_to_read(folder, is_quiet=True)) as journal:
            if (cut := journal.find_cut()) is not None:
                return Unknown(cut, remedy, Verdict.FAIL)
            entries = (row.entry for row in journal.read())
            return replay(entries, order_size=order_size, now_s=now_s, wall_ms=wall_ms)
    except JournalBusy as error:
        return Unknown(str(error))
    except (JournalError, OSError, ValueError) as error:
        return Unknown(str(error), remedy, Verdict.FAIL)


def _is_held(path: Path) -> Fact[bool]:
    """Check if another process holds a lock."""
    try:
        return is_locked(path)
    except OSError as error:
        return Unknown(f"{path} cannot be looked at: {error.strerror}")


def _read_guard(folder: Path) -> Fact[Alive | None]:
    try:
        return read_alive(folder)
    except (OSError, FileUnread) as error:
        return Unknown(f"{folder / ALIVE_NAME} cannot be read: {error}", "start the guard again")
