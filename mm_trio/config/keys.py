"""Sources of the signing key, and the wrapper that keeps it out of logs.

A key comes from one environment variable, a private file or an encrypted keystore, never from the TOML, never
from argv. No message here repeats a value, nor a path, which may be a key given by mistake. No exception leaves with
the frames in which a key was read, nor with an exception behind it, because both carry what was read.
"""

from __future__ import annotations

import errno
import json
import os
import re
import stat
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Never, TypeVar, final

from mm_trio.config.key_descriptor import read_descriptor
from mm_trio.config.private_paths import find_open_folder
from mm_trio.model.errors import ConfigError

__all__ = [
    "ALERT_VARIABLES",
    "CURVE_ORDER",
    "KEYSTORE_VARIABLE",
    "KEY_FILE_VARIABLE",
    "PASSPHRASE_FILE_VARIABLE",
    "SECRET_VARIABLES",
    "Secret",
    "find_passphrase",
    "is_master_key",
    "load_key",
    "read_secret_text",
]

_T = TypeVar("_T")

KEY_VARIABLE = "MM_TRIO_PRIVATE_KEY"
# NautilusTrader's name for it.
KEY_ALIAS = "HYPERLIQUID_PK"
KEY_FILE_VARIABLE = "MM_TRIO_KEY_FILE"
KEYSTORE_VARIABLE = "MM_TRIO_KEYSTORE"
KEY_FD_VARIABLE = "MM_TRIO_KEY_FD"
# Systemd names the folder of a service's credentials by it.
CREDENTIALS_VARIABLE = "CREDENTIALS_DIRECTORY"
PASSPHRASE_FILE_VARIABLE = "MM_TRIO_KEYSTORE_PASSPHRASE_FILE"
# A path is among them because it may be a key that was given by mistake.
_SOURCES = (KEY_VARIABLE, KEY_FILE_VARIABLE, KEYSTORE_VARIABLE, KEY_FD_VARIABLE)
SECRET_VARIABLES = (*_SOURCES, KEY_ALIAS, PASSPHRASE_FILE_VARIABLE)

# Addresses of alert channels, which have tokens in them: as a text, a private file or an open file descriptor. The last
# two are what a setting of the file is called in the environment.
ALERT_VARIABLES = (
    *("MM_TRIO_ALERT_URLS", "MM_TRIO_ALERT_URLS_FILE", "MM_TRIO_ALERT_URLS_FD"),
    *("MM_TRIO_HEARTBEAT_URL", "MM_TRIO_HEARTBEAT_URL_FILE", "MM_TRIO_HEARTBEAT_URL_FD"),
    *("MM_TRIO__ALERTS__URLS", "MM_TRIO__ALERTS__HEARTBEAT_URL"),
)

# A keystore is half a KiB.
MAX_FILE_BYTES = 16 * 1024
# Where the mode of a file is not ours to set, as with a secret that is mounted into a container.
_OTHER_WAYS = (
    f"where that cannot be done, as with a mounted secret: {KEY_FD_VARIABLE} (an open file descriptor), LoadCredential "
    "of systemd, or the environment"
)
# Of secp256k1. Keys are below it.
CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_KEY = re.compile(r"(?:0[xX])?([0-9a-fA-F]{64})(?:\r?\n)?")
# Non-blocking, because a pipe must not hold up the start.
_OPEN_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


@final
class Secret:
    """Text that only `reveal()` and `lend()` show.

    It is hidden from repr, format, pickle, copy and `vars`, and equal to itself only, so that no comparison reveals
    anything.
    """

    __slots__ = ("_open",)

    def __init__(self, key: str) -> None:
        # In a closure, because debuggers and error reporters walk over attributes and so find a function.
        self._open: Callable[[], str] = lambda: key

    def reveal(self) -> str:
        """Return the text; a key is 0x and 64 hex digits.

        A caller must not keep it in a variable, because a traceback may show that.
        """
        return self._open()

    def lend(self, use: Callable[[str], _T]) -> _T:
        """Return `use(text)`; its frames appear in no traceback."""
        return _keep_frames_in(lambda: use(self._open()))

    def __repr__(self) -> str:
        return "Secret(hidden)"

    __str__ = __repr__

    def __format__(self, format_spec: str) -> str:
        return repr(self)

    def __reduce__(self) -> Never:
        raise TypeError("a Secret is neither pickled nor copied")


def is_master_key(signer: str, account: str) -> bool:
    """Check whether the signer is the account itself.

    Then it could withdraw, which an agent of the account cannot.
    """
    return signer.lower() == account.lower()


def _keep_frames_in(call: Callable[[], _T]) -> _T:
    """Return `call()`; an exception leaves without its frames.

    Their variables hold what was read. What it says stays, and so does its kind.
    """
    try:
        return call()
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is raised again
        raise _strip(error) from None


def _strip(error: BaseException) -> BaseException:
    """Remove the frames of an exception, and of those behind it."""
    pending: list[BaseException | None] = [error]
    seen: set[int] = set()
    while pending:
        each = pending.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            each.with_traceback(None)
            pending += (each.__context__, each.__cause__)
    return error


def load_key(
    secrets: Mapping[str, Secret], *, key_file: Path | None = None, passphrase: Callable[[], str] | None = None
) -> Secret:
    """Load the signing key from the source that is given.

    `secrets` are variables of the environment. The sources are `key_file`; one of MM_TRIO_PRIVATE_KEY, the file named
    by MM_TRIO_KEY_FILE, the keystore (v3 JSON) named by MM_TRIO_KEYSTORE, and the open file descriptor MM_TRIO_KEY_FD;
    without any of them HYPERLIQUID_PK, which other programs set. An empty variable counts as not given. No other source
    is tried after one that is given and wrong. `passphrase` asks the operator; the file named by
    MM_TRIO_KEYSTORE_PASSPHRASE_FILE goes first.
    Errors: ConfigError, one line that names the source.
    """
    return _keep_frames_in(lambda: _find_key(secrets, key_file, passphrase))


def _find_key(secrets: Mapping[str, Secret], key_file: Path | None, passphrase: Callable[[], str] | None) -> Secret:
    given = {name: text for name, secret in secrets.items() if (text := secret.reveal())}
    if key_file is not None:
        return _read_key_file(key_file, name="the key file")
    if len(sources := [name for name in _SOURCES if name in given]) > 1:
        raise ConfigError(f"more than one signing key: {' and '.join(sources)} are set; keep one of them")
    if key := given.get(KEY_VARIABLE):
        return _parse_key(key, name=KEY_VARIABLE)
    if path := given.get(KEY_FILE_VARIABLE):
        return _read_key_file(_find_path(path, name=KEY_FILE_VARIABLE), name=KEY_FILE_VARIABLE)
    if number := given.get(KEY_FD_VARIABLE):
        content = read_descriptor(number)
        if isinstance(content, str):
            raise ConfigError(f"{KEY_FD_VARIABLE} {content}")
        return _parse_key(content.decode("ascii", "replace"), name=KEY_FD_VARIABLE)
    if path := given.get(KEYSTORE_VARIABLE):
        return _open_keystore(_find_path(path, name=KEYSTORE_VARIABLE), given.get(PASSPHRASE_FILE_VARIABLE), passphrase)
    if key := given.get(KEY_ALIAS):
        return _parse_key(key, name=KEY_ALIAS)
    raise ConfigError(
        f"no signing key: set {KEY_FILE_VARIABLE} (a file of mode 0600), {KEYSTORE_VARIABLE} (an encrypted keystore) "
        f"or {KEY_VARIABLE}; use the key of an agent (API wallet), not the account's own"
    )


def _parse_key(text: str, *, name: str) -> Secret:
    match = _KEY.fullmatch(text)
    if match is None:
        raise ConfigError(
            f"{name} is not a valid private key: found {len(text)} characters, expected 64 hex digits, with or without "
            "0x before them; use the key of an agent (API wallet)"
        )
    if not 0 < int(match[1], 16) < CURVE_ORDER:
        raise ConfigError(
            f"{name} is not a valid private key: its 64 hex digits are 0 or beyond the curve; make a new one"
        )
    return Secret(f"0x{match[1].lower()}")


def _read_key_file(path: Path, *, name: str) -> Secret:
    # Bytes beyond ASCII are not hex digits anyway, and the exception of a strict decoder would hold the bytes.
    return _parse_key(_read_private_file(path, name=name).decode("ascii", "replace"), name=name)


def _find_path(text: str, *, name: str) -> Path:
    """Return a path of the environment, `~` being the home folder. Errors: ConfigError."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise ConfigError(f"{name}: the path begins with ~, and no home folder is known; give the whole path") from None


# --- Private files ----------------------------------------------------------------------------


def _read_private_file(path: Path, *, name: str) -> bytes:
    """Read a file that only its owner can read, replace or redirect.

    Errors: ConfigError.
    """
    content = _read_if_private(path)
    if isinstance(content, str):
        raise ConfigError(f"{name}: the file {content}")
    return content


def _read_if_private(path: Path) -> bytes | str:
    """Return the content, or what is wrong with the file.

    Checks the opened file, not what its name means a moment later.
    """
    try:
        with ExitStack() as files:
            folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
            files.callback(os.close, folder)
            file = os.open(path.name, _OPEN_FLAGS, dir_fd=folder)
            files.callback(os.close, file)
            fault = _find_file_fault(os.fstat(file), is_credential=_is_credential(path))
            return fault or _find_folder_fault(path) or os.read(file, MAX_FILE_BYTES)
    except OSError as error:
        if error.errno == errno.ELOOP:
            return "is a symbolic link, which is not followed; name the file itself"
        return f"cannot be read: {error.strerror}"
    except ValueError:
        return "does not have a valid path"


def _is_credential(path: Path) -> bool:
    """Check if a file is a credential that systemd gave this service, in a folder made for it alone."""
    folder = os.environ.get(CREDENTIALS_VARIABLE)
    return folder is not None and path.is_absolute() and path.parent == Path(folder)


def _find_folder_fault(path: Path) -> str | None:
    # The folder is not named, because the path may be a key.
    if find_open_folder(path.parent, may_be_sticky=True) is None:
        return None
    return (
        "is in a folder where any user may replace it, or below one; move it to a folder of your own, or set each of "
        "these folders with chmod go-w"
    )


def _find_file_fault(file: os.stat_result, *, is_credential: bool) -> str | None:
    """Say what is wrong with an opened file.

    A credential may belong to root with mode 0440: its access list, whose mask stands where a group's rights do,
    names this user alone. Since version 254 systemd makes them so where the kernel can.
    """
    if not stat.S_ISREG(file.st_mode):
        return "is not a regular file; give the path of one that is"
    if file.st_uid != os.geteuid() and not (is_credential and file.st_uid == 0):
        owner = f"belongs to user {file.st_uid}, and this process runs as {os.geteuid()}; change its owner"
        return f"{owner}; {_OTHER_WAYS}"
    if file.st_mode & (0o037 if is_credential else 0o077):
        mode = f"has mode {stat.S_IMODE(file.st_mode):04o}, so other users may read or change it; set it with chmod 600"
        return f"{mode}; {_OTHER_WAYS}"
    if file.st_size > MAX_FILE_BYTES:
        return f"is larger than {MAX_FILE_BYTES // 1024} KiB, too large for a key; give the path of the right one"
    return None


def read_secret_text(secrets: Mapping[str, Secret], name: str) -> Secret | None:
    """Read the text of a variable, of the private file NAME_FILE, or of the open descriptor NAME_FD.

    None where none of them is given; an empty variable counts as not given. Errors: ConfigError, one line that names
    the source.
    """
    return _keep_frames_in(lambda: _find_text(secrets, name))


def _find_text(secrets: Mapping[str, Secret], name: str) -> Secret | None:
    given = {
        each: text
        for each in (name, f"{name}_FILE", f"{name}_FD")
        if each in secrets and (text := secrets[each].reveal())
    }
    if len(given) > 1:
        raise ConfigError(f"{' and '.join(given)} are set; keep one of them")
    if name in given:
        return Secret(given[name])
    if path := given.get(f"{name}_FILE"):
        content = _read_private_file(_find_path(path, name=f"{name}_FILE"), name=f"{name}_FILE")
        return Secret(content.decode("utf-8", "replace"))
    if descriptor := given.get(f"{name}_FD"):
        read = read_descriptor(descriptor)
        if isinstance(read, str):
            raise ConfigError(f"{name}_FD {read}")
        return Secret(read.decode("utf-8", "replace"))
    return None


# --- The keystore -----------------------------------------------------------------------------


def _open_keystore(path: Path, phrase_path: str | None, ask: Callable[[], str] | None) -> Secret:
    keystore = _parse_keystore(_read_private_file(path, name=KEYSTORE_VARIABLE))
    if keystore is None:
        raise ConfigError(
            f"{KEYSTORE_VARIABLE}: the file is not a valid keystore (JSON, version 3); make one with eth_account"
        )
    phrase = find_passphrase(phrase_path, ask)
    if not phrase:
        raise ConfigError(
            f"{KEYSTORE_VARIABLE} needs a passphrase that is not empty; set {PASSPHRASE_FILE_VARIABLE} "
            "(a file of mode 0600), or run on a terminal to be asked for it"
        )
    key = _decrypt(keystore, phrase)
    if key is None:
        raise ConfigError(f"{KEYSTORE_VARIABLE}: nothing was decrypted: wrong passphrase or damaged file; check both")
    return _parse_key(key.hex(), name=KEYSTORE_VARIABLE)


def _parse_keystore(content: bytes) -> dict[str, object] | None:
    try:
        keystore = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return keystore if isinstance(keystore, dict) and keystore.get("version") == 3 else None


def find_passphrase(path: str | None, ask: Callable[[], str] | None) -> bytes:
    """Find the passphrase; empty if there is none.

    An editor's newline at the end of its file does not belong to it.
    """
    if path is not None:
        path_found = _find_path(path, name=PASSPHRASE_FILE_VARIABLE)
        return _read_private_file(path_found, name=PASSPHRASE_FILE_VARIABLE).removesuffix(b"\n").removesuffix(b"\r")
    try:
        return ask().encode("utf-8", "surrogateescape") if ask is not None else b""
    except EOFError:
        # The prompt had no terminal.
        return b""


def _decrypt(keystore: dict[str, object], phrase: bytes) -> bytes | None:
    """Decrypt the key; None where that fails.

    Takes a second, which is what a keystore is for.
    """
    # Imported late: it takes a third of a second, which the other sources need not pay.
    from eth_account import Account

    try:
        return bytes(Account.decrypt(keystore, phrase))  # type: ignore[arg-type] # bytes pass through, says its source
    # It raises these for a wrong passphrase, and for a file that is not a keystore.
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, AssertionError, MemoryError):
        return None
