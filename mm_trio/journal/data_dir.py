"""Where a maker keeps what outlives it, and the locks that make it the only one.

One folder for each network, account and coin. Beside it one lock for each signer: the venue counts nonces by
signer, so that two makers with one key would refuse each other's.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from mm_trio.journal.sqlite_journal import JOURNAL_NAME, Journal
from mm_trio.model.errors import ConfigError, JournalError

__all__ = [
    "describe_lost",
    "find_last_written",
    "find_state_folder",
    "finish_setting_aside",
    "hold_state_folder",
    "is_blank",
    "open_ledger",
    "replace_ledger",
    "set_aside",
]

STATE_VARIABLE = "XDG_STATE_HOME"
LOCK_NAME = "lock"
ASIDE_NAME = "set-aside"  # and a number: a ledger that another one replaced
UNFINISHED_NAME = "setting-aside"  # the same on its way there: what is missing in it is still in the state folder
FRESH_NAME = "new-ledger"  # a ledger that is being written, and that will replace the one there is


def find_state_folder(environ: Mapping[str, str], *, network: str, account: str, coin: str) -> Path:
    """The folder of one maker; nothing is created. `coin` is the venue's own name of the pair."""
    return _find_network(environ, network) / account.lower() / coin.replace("/", "-")


def _find_network(environ: Mapping[str, str], network: str) -> Path:
    base = environ.get(STATE_VARIABLE)
    return (Path(base) if base else Path.home() / ".local" / "state") / "mm_trio" / network


@contextmanager
def hold_state_folder(
    environ: Mapping[str, str], *, network: str, account: str, coin: str, signer: str | None
) -> Iterator[Path]:
    """The folder, made and locked, for as long as the maker lives; a process that dies lets go of it.

    `signer` None: for who only mends the ledger and signs nothing. Errors: ConfigError where another maker holds it,
    or the signer's lock; JournalError where it cannot be made.
    """
    folder = find_state_folder(environ, network=network, account=account, coin=coin)
    signers = _find_network(environ, network) / "signers"
    ours = _make_lock(folder / LOCK_NAME)
    with ExitStack() as held:
        held.enter_context(
            _hold(ours, f"another mm_trio makes the market in {coin} for {account}: end it first, or watch that one")
        )
        if signer is not None:
            refusal = (
                f"another mm_trio signs with this key ({signer}): the venue counts nonces by signer, so each maker "
                "needs an agent (API wallet) of its own"
            )
            held.enter_context(_hold(_make_lock(signers / f"{signer.lower()}.lock"), refusal))
        yield folder


def _make_lock(path: Path) -> FileLock:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise JournalError(f"the state folder {path.parent} cannot be made: {error.strerror or error}") from error
    return FileLock(path, timeout=0, mode=0o600, thread_local=False)


@contextmanager
def _hold(lock: FileLock, refusal: str) -> Iterator[None]:
    try:
        lock.acquire()
    except Timeout:
        raise ConfigError(f"{refusal} (lock {lock.lock_file})") from None
    except OSError as error:
        raise JournalError(f"{lock.lock_file} cannot be locked: {error.strerror or error}") from error
    try:
        yield
    finally:
        lock.release()


# --- the ledger's file ------------------------------------------------------------------------


def open_ledger(folder: Path, *, on_sandbox: bool = False) -> Journal:
    """Open the ledger, or begin the first one; never a second one in place of one that is lost.

    `on_sandbox`: an empty ledger beside those set aside is one begun anew. Errors: JournalError.
    """
    if not _has_content(folder):
        _refuse_lost(folder)
    journal = Journal.open(folder)
    if journal.is_new and not on_sandbox:
        try:
            _refuse_lost(folder)
        except JournalError:
            journal.close()
            raise
    return journal


def describe_lost(folder: Path) -> str | None:
    """What to tell where there is no ledger, and files say that there was one; None where all is well."""
    traces = _find_traces(folder)
    if not traces or not is_blank(folder):
        return None
    return (
        f"there is no ledger at {folder / JOURNAL_NAME}, and there was one ({', '.join(traces)} in its folder): it "
        "was removed, or setting it aside was cut short. `mm-trio ledger rebuild` makes the ledger from what is there "
        "and what the venue knows; it may be run again"
    )


def find_last_written(folder: Path) -> Path | None:
    """Where the newest ledger lies that anything was ever written to: the folder itself, or one set aside in it."""
    return next((place for place in (folder, *_find_asides(folder)) if not is_blank(place)), None)


def replace_ledger(folder: Path, write: Callable[[Journal], None]) -> Path | None:
    """Put a new ledger, whole and durable, in the place of the one there is; gives where that one went.

    `write` fills the new one. Ended anywhere, the old one is there, or the new one, or neither and `open_ledger`
    refuses: then it can be called again. Errors: JournalError.
    """
    finish_setting_aside(folder)
    fresh = folder / FRESH_NAME
    try:
        if fresh.exists():
            shutil.rmtree(fresh)
        with closing(Journal.open(fresh)) as journal:
            write(journal)
        if [path.name for path in fresh.iterdir()] != [JOURNAL_NAME]:
            raise JournalError(f"the new ledger in {fresh} could not be finished: is the disk full?")
        for path in (fresh / JOURNAL_NAME, fresh, folder):
            _sync(path)
        aside = set_aside(folder) if _find_files(folder) else None
        # The last step, and only after the old log is durably gone: SQLite would play that into the new file.
        (fresh / JOURNAL_NAME).rename(folder / JOURNAL_NAME)
        _sync(folder)
        fresh.rmdir()
    except OSError as error:
        raise JournalError(f"the ledger in {folder} cannot be replaced: {error.strerror or error}") from error
    return aside


def set_aside(folder: Path) -> Path:
    """Move a ledger out of the way, as it is; gives where it went. Errors: JournalError."""
    finish_setting_aside(folder)
    unfinished = folder / UNFINISHED_NAME
    try:
        unfinished.mkdir(mode=0o700, exist_ok=True)
        return _move_aside(folder, unfinished)
    except OSError as error:
        raise _cannot_be_set_aside(folder, error) from error


def finish_setting_aside(folder: Path) -> Path | None:
    """Go on where setting a ledger aside was cut short; gives where it went. Errors: JournalError."""
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
        _sync(unfinished)
        _sync(folder)
    n = 1
    while (aside := folder / f"{ASIDE_NAME}-{n}").exists():
        n += 1
    unfinished.rename(aside)
    _sync(folder)
    return aside


def _cannot_be_set_aside(folder: Path, error: OSError) -> JournalError:
    return JournalError(f"the ledger in {folder} cannot be set aside: {error.strerror or error}")


def _find_files(folder: Path) -> list[Path]:
    """The files of a ledger, the main one first: left behind without its log it would lack its last entries."""
    return sorted(folder.glob(f"{JOURNAL_NAME}*"))


def _find_asides(folder: Path) -> list[Path]:
    """The folders of ledgers set aside, the newest first."""
    numbered = {path: path.name.removeprefix(f"{ASIDE_NAME}-") for path in folder.glob(f"{ASIDE_NAME}-*")}
    return sorted((path for path, n in numbered.items() if n.isdecimal()), key=lambda p: int(numbered[p]), reverse=True)


def _find_traces(folder: Path) -> list[str]:
    """Names of what a first start would not find: it comes from a ledger that was there before."""
    traces = [*_find_asides(folder), *sorted(folder.glob(f"{Path(JOURNAL_NAME).stem}-*.bak"))]
    traces += [path for name in (UNFINISHED_NAME, FRESH_NAME) if (path := folder / name).exists()]
    if not (folder / JOURNAL_NAME).exists():
        traces += _find_files(folder)  # a log without its file
    return [path.name for path in traces]


def _refuse_lost(folder: Path) -> None:
    told = describe_lost(folder)
    if told is not None:
        raise JournalError(told)


def _has_content(folder: Path) -> bool:
    path = folder / JOURNAL_NAME
    return path.exists() and path.stat().st_size > 0


def is_blank(folder: Path) -> bool:
    """Whether there is no ledger, or one that nothing was written to. One that is damaged had something in it."""
    if not _has_content(folder):
        return True
    with suppress(JournalError), closing(Journal.open_to_read(folder)) as journal:
        return journal.is_new
    return False


def _sync(path: Path) -> None:
    """Make a file, or the names in a folder, survive a power cut."""
    if sys.platform == "win32":  # it opens no folders
        return
    number = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(number)
    finally:
        os.close(number)
