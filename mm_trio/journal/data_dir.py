"""State folder of a maker: its ledger file and its locks.

There is one folder for each network, account and coin; a sandbox is a network of its own at each start. Beside these
folders lies one lock for each signer: the venue counts nonces per signer, so the actions of two makers with one key
would invalidate each other.
"""

from __future__ import annotations

import logging
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from mm_trio.config.private_paths import find_open_place, make_private_folders
from mm_trio.journal.archives import ARCHIVE_NAME
from mm_trio.journal.end_mark import MARK_NAME, sync
from mm_trio.journal.file_errors import describe_os_error, explain_os_error
from mm_trio.journal.sqlite_journal import ACCOUNT_NAME, JOURNAL_NAME, Journal
from mm_trio.model.errors import ConfigError, JournalError
from mm_trio.model.journal_entries import Began

__all__ = [
    "ACCOUNT_NAME",
    "describe_lost",
    "find_account_folder",
    "find_last_written",
    "find_network_folder",
    "find_signer_lock",
    "find_state_folder",
    "finish_setting_aside",
    "hold_account_folder",
    "hold_folder",
    "hold_state_folder",
    "is_blank",
    "is_in_shared_ledger",
    "open_ledger",
    "replace_ledger",
    "set_aside",
]

_log = logging.getLogger(__name__)

STATE_VARIABLE = "XDG_STATE_HOME"
LOCK_NAME = "lock"
# Beside the folders of the coins.
# A number follows. The folder holds a ledger that another one replaced.
ASIDE_NAME = "set-aside"
# The same folder while the files are being moved. Files that it lacks are still in the state folder.
UNFINISHED_NAME = "setting-aside"
# A ledger that is being written and will replace the present one.
FRESH_NAME = "new-ledger"


def find_state_folder(environ: Mapping[str, str], *, network: str, account: str, coin: str) -> Path:
    """Return the folder of one maker, without creating it.

    `coin` is the venue's own name of the pair. `network` is its name, or `sandbox/` and the name of one exchange.
    """
    return find_network_folder(environ, network) / account.lower() / coin.replace("/", "-")


def find_account_folder(environ: Mapping[str, str], *, network: str, account: str) -> Path:
    """Return what all grids of one account share, without creating it.

    The journal of a configuration that lists several markets is there. No coin has this name: one is @N, or two names.
    """
    return find_network_folder(environ, network) / account.lower() / ACCOUNT_NAME


def find_network_folder(environ: Mapping[str, str], network: str) -> Path:
    """Return what we keep of one network, without creating it. Errors: ConfigError."""
    base = environ.get(STATE_VARIABLE) or "~/.local/state"
    try:
        return Path(base).expanduser() / "mm_trio" / network
    except RuntimeError:
        # A container may have neither HOME nor a passwd entry for its user.
        raise ConfigError(
            f"the state folder {base} cannot be found, because no home folder is known (no HOME, and no passwd entry); "
            f"set {STATE_VARIABLE} to a folder that outlives this process"
        ) from None


def find_signer_lock(environ: Mapping[str, str], *, network: str, signer: str) -> Path:
    """Return the lock of one signer, without creating it."""
    return find_network_folder(environ, network) / "signers" / f"{signer.lower()}.lock"


@contextmanager
def hold_folder(folder: Path, refusal: str) -> Iterator[None]:
    """Create and lock a folder of observations while the context is open.

    Errors: ConfigError with `refusal` if another process holds it; JournalError if it cannot be created.
    """
    with _hold(_make_lock(folder / LOCK_NAME), refusal):
        yield


@contextmanager
def hold_state_folder(
    environ: Mapping[str, str], *, network: str, account: str, coin: str, signer: str | None
) -> Iterator[Path]:
    """Create and lock the folder while the context is open.

    A process that dies releases its locks. Pass `signer=None` when only repairing the ledger (nothing is signed).
    Errors: ConfigError if another maker holds the folder or the signer's lock, or if others may change what is in the
    folder; JournalError if the folder cannot be created.
    """
    folder = find_state_folder(environ, network=network, account=account, coin=coin)
    ours = _make_lock(folder / LOCK_NAME)
    with ExitStack() as held:
        refusal = f"another mm_trio is already making the market in {coin} for {account}; stop that one first"
        held.enter_context(_hold(ours, refusal))
        if signer is not None:
            refusal = (
                f"another mm_trio is already signing with this key ({signer}); the venue counts nonces per signer, so "
                "give each maker an agent (API wallet) of its own"
            )
            path = find_signer_lock(environ, network=network, signer=signer)
            held.enter_context(_hold(_make_lock(path), refusal))
        yield folder


@contextmanager
def hold_account_folder(
    environ: Mapping[str, str], *, network: str, account: str, coins: Iterable[str], signer: str | None
) -> Iterator[Path]:
    """Create and lock the folder of an account, those of its grids, and the signer's lock, while the context is open.

    Errors: as `hold_state_folder`.
    """
    folder = find_account_folder(environ, network=network, account=account)
    with ExitStack() as held:
        refusal = f"another mm_trio is already making several markets for {account}; stop that one first"
        held.enter_context(hold_folder(folder, refusal))
        # The signer's once, with the first coin.
        for number, coin in enumerate(coins):
            who = signer if number == 0 else None
            place = hold_state_folder(environ, network=network, account=account, coin=coin, signer=who)
            held.enter_context(place)
        yield folder


def _make_lock(path: Path) -> FileLock:
    try:
        make_private_folders(path.parent)
        fault = find_open_place(path.parent)
    except OSError as error:
        raise JournalError(f"cannot create the state folder {path.parent}: {describe_os_error(error)}") from error
    if fault is not None:
        raise ConfigError(f"the state folder is not safe from other users: {fault}")
    return FileLock(path, timeout=0, mode=0o600, thread_local=False)


@contextmanager
def _hold(lock: FileLock, refusal: str) -> Iterator[None]:
    try:
        lock.acquire()
    except Timeout:
        raise ConfigError(f"{refusal} (lock {lock.lock_file})") from None
    except OSError as error:
        raise JournalError(f"cannot lock {lock.lock_file}: {describe_os_error(error)}") from error
    try:
        yield
    finally:
        lock.release()


# --- The ledger file --------------------------------------------------------------------------


def open_ledger(folder: Path, *, signer_lock: Path | None = None) -> Journal:
    """Open the ledger, or begin the first one.

    Refuse to begin a new ledger where files show that an earlier one was lost. A lock that is deleted while it is held
    would let a second maker start, so the locks are checked with the ledger's own files. The caller holds them:
    entries before the last checkpoint move into the archive, where they are many. Errors: JournalError.
    """
    if not _has_content(folder):
        _refuse_lost(folder)
    journal = Journal.open(folder)
    if journal.is_new:
        try:
            _refuse_lost(folder)
        except JournalError:
            journal.close()
            raise
    for lock in (folder / LOCK_NAME, signer_lock):
        if lock is not None and lock.exists():
            journal.files.watch(lock)
    _look_after_archives(journal)
    return journal


def _look_after_archives(journal: Journal) -> None:
    """Move old entries into an archive, and tell of those that are missing.

    Neither keeps a maker from starting, because a start needs none of these entries.
    """
    try:
        n_moved = journal.move_to_archive()
        if n_moved:
            _log.info("entries archived: n=%d folder=%s", n_moved, journal.path.parent / ARCHIVE_NAME)
    except (JournalError, sqlite3.Error) as error:
        _log.warning("entries not archived: %s; all of them stay in the ledger, and the next start tries again", error)
    try:
        faults = journal.find_archive_faults()
    except JournalError as error:
        faults = [str(error)]
    if faults:
        _log.warning("archives of the ledger cannot be read: n=%d; %s", len(faults), "; ".join(faults))


def describe_lost(folder: Path) -> str | None:
    """Explain to the operator that an earlier ledger was lost.

    Return None if there is a ledger, or if no file shows that there was one.
    """
    traces = _find_traces(folder)
    if not traces or not is_blank(folder):
        return None
    return (
        f"there is no ledger at {folder / JOURNAL_NAME}, but there was one (found in its folder: {', '.join(traces)}); "
        "it was deleted, or moving it aside was interrupted. Run `mm-trio ledger rebuild` to restore it from these "
        "files and the venue's records; it is safe to run more than once"
    )


def is_in_shared_ledger(folder: Path) -> bool:
    """Check if the ledger of a coin is in its account's, together with those of other markets.

    Blocks. Errors: JournalError for one that cannot be read.
    """
    if not is_blank(folder) or not _has_content(folder.parent / ACCOUNT_NAME):
        return False
    with closing(Journal.open_to_read(folder)) as journal:
        return next(iter(journal.read_kinds(Began)), None) is not None


def find_last_written(folder: Path) -> Path | None:
    """Find the folder of the newest ledger that has entries.

    It is the state folder itself, or one set aside in it; None if no ledger has entries.
    """
    return next((candidate for candidate in (folder, *_find_asides(folder)) if not is_blank(candidate)), None)


def replace_ledger(folder: Path, write: Callable[[Journal], None]) -> Path | None:
    """Replace the ledger by a new one, complete and durable.

    `write` fills the new ledger. Return the folder that the old ledger was moved to, or None if there was none.
    If the process ends at any point, the old ledger is in place, or the new one, or neither; with neither in place
    `open_ledger` refuses, and this function can be called again. Errors: JournalError.
    """
    finish_setting_aside(folder)
    fresh = folder / FRESH_NAME
    try:
        if fresh.exists():
            shutil.rmtree(fresh)
        with closing(Journal.open(fresh)) as journal:
            write(journal)
            journal.mark_end()
        names = sorted(path.name for path in fresh.iterdir())
        if names not in ([JOURNAL_NAME], sorted([JOURNAL_NAME, MARK_NAME])):
            raise JournalError(
                f"cannot finish the new ledger in {fresh}: its log was not folded into it; check that the disk is not "
                "full, and that no other process reads the new files, then run this again"
            )
        for path in (fresh / JOURNAL_NAME, fresh, folder):
            sync(path)
        aside = set_aside(folder) if _find_files(folder) else None
        # SQLite would play the old log into the new file, so the rename waits until that log is durably gone.
        (fresh / JOURNAL_NAME).rename(folder / JOURNAL_NAME)
        sync(folder)
        # The mark follows its journal: for a moment there is none, and never one that belongs to another journal.
        if MARK_NAME in names:
            (fresh / MARK_NAME).rename(folder / MARK_NAME)
            sync(folder)
        fresh.rmdir()
    except OSError as error:
        raise JournalError(f"cannot replace the ledger in {folder}: {describe_os_error(error)}") from error
    return aside


def set_aside(folder: Path) -> Path:
    """Move a ledger aside unchanged and return its new folder.

    Errors: JournalError.
    """
    finish_setting_aside(folder)
    unfinished = folder / UNFINISHED_NAME
    try:
        unfinished.mkdir(mode=0o700, exist_ok=True)
        return _move_aside(folder, unfinished)
    except OSError as error:
        raise _cannot_be_set_aside(folder, error) from error


def finish_setting_aside(folder: Path) -> Path | None:
    """Finish moving a ledger aside after an interruption.

    Return its new folder, or None if no move was interrupted. Errors: JournalError.
    """
    unfinished = folder / UNFINISHED_NAME
    if not (unfinished / JOURNAL_NAME).exists():
        return None
    try:
        return _move_aside(folder, unfinished)
    except OSError as error:
        raise _cannot_be_set_aside(folder, error) from error


def _move_aside(folder: Path, unfinished: Path) -> Path:
    is_begun, is_back = (unfinished / JOURNAL_NAME).exists(), (folder / JOURNAL_NAME).exists()
    for path in () if is_begun and is_back else _find_files(folder):
        path.rename(unfinished / path.name)
        sync(unfinished)
        sync(folder)
    n = 1
    while (aside := folder / f"{ASIDE_NAME}-{n}").exists():
        n += 1
    unfinished.rename(aside)
    sync(folder)
    return aside


def _cannot_be_set_aside(folder: Path, error: OSError) -> JournalError:
    return JournalError(f"cannot move the ledger in {folder} aside: {describe_os_error(error)}")


def _find_files(folder: Path) -> list[Path]:
    """List the files of a ledger, the main one first.

    If the main file stayed behind without its log, it would lack its last entries. The end mark comes last.
    """
    rest = (path for name in (ARCHIVE_NAME, MARK_NAME) if (path := folder / name).exists())
    return [*sorted(folder.glob(f"{JOURNAL_NAME}*")), *rest]


def _find_asides(folder: Path) -> list[Path]:
    """List the folders of ledgers set aside, newest first."""
    numbered = {path: path.name.removeprefix(f"{ASIDE_NAME}-") for path in folder.glob(f"{ASIDE_NAME}-*")}
    return sorted((path for path, n in numbered.items() if n.isdecimal()), key=lambda p: int(numbered[p]), reverse=True)


def _find_traces(folder: Path) -> list[str]:
    """List the names of files that only an earlier ledger leaves."""
    traces = [*_find_asides(folder), *sorted(folder.glob(f"{Path(JOURNAL_NAME).stem}-*.bak"))]
    traces += [path for name in (UNFINISHED_NAME, FRESH_NAME) if (path := folder / name).exists()]
    if not (folder / JOURNAL_NAME).exists():
        # What is found now is a log without its main file, or an end mark.
        traces += _find_files(folder)
    else:
        traces += [path for name in (ARCHIVE_NAME, MARK_NAME) if (path := folder / name).exists()]
    return [path.name for path in traces]


def _refuse_lost(folder: Path) -> None:
    explanation = describe_lost(folder)
    if explanation is not None:
        raise JournalError(explanation)


def _has_content(folder: Path) -> bool:
    path = folder / JOURNAL_NAME
    try:
        return path.exists() and path.stat().st_size > 0
    except OSError as error:
        raise explain_os_error(path, error) from error


def is_blank(folder: Path) -> bool:
    """Check that the folder has no ledger with entries.

    A damaged ledger counts as one with entries.
    """
    if not _has_content(folder):
        return True
    with suppress(JournalError), closing(Journal.open_to_read(folder)) as journal:
        return journal.is_new
    return False
