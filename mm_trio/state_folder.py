"""Where a maker keeps what outlives it, and the locks that make it the only one.

One folder for each network, account and coin. Beside it one lock for each signer: the venue counts nonces by
signer, so that two makers with one key would refuse each other's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from mm_trio.errors import ConfigError, JournalError
from mm_trio.journal import JOURNAL_NAME

__all__ = ["find_state_folder", "hold_state_folder", "set_aside"]

STATE_VARIABLE = "XDG_STATE_HOME"
LOCK_NAME = "lock"


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


def set_aside(folder: Path) -> Path:
    """Move a ledger out of the way, as it is; gives where it went. Errors: JournalError."""
    n = 1
    while (aside := folder / f"set-aside-{n}").exists():
        n += 1
    try:
        aside.mkdir(mode=0o700)
        for path in sorted(folder.glob(f"{JOURNAL_NAME}*")):  # the file itself first: its log is nothing without it
            path.rename(aside / path.name)
    except OSError as error:
        raise JournalError(f"the ledger in {folder} cannot be set aside: {error.strerror or error}") from error
    return aside
