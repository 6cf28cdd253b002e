"""Where a signing key may come from, and the wrapper that keeps it out of logs.

A key comes from one environment variable, a private file or an encrypted keystore: never from the TOML, never
from argv. No message here repeats a value, nor a path, which may be a key given by mistake; and none is raised
inside an `except`, since the exception behind it carries what was read.
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
from typing import Any, Never, final

from mm_trio.model.errors import ConfigError

__all__ = ["Secret", "is_master_key", "load_key"]

KEY_VARIABLE = "MM_TRIO_PRIVATE_KEY"
KEY_ALIAS = "HYPERLIQUID_PK"  # as NautilusTrader calls it
KEY_FILE_VARIABLE = "MM_TRIO_KEY_FILE"
KEYSTORE_VARIABLE = "MM_TRIO_KEYSTORE"
PASSPHRASE_FILE_VARIABLE = "MM_TRIO_KEYSTORE_PASSPHRASE_FILE"

MAX_FILE_BYTES = 16 * 1024  # a keystore is half a KiB
CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141  # secp256k1: keys are below it
_KEY = re.compile(r"(?:0[xX])?([0-9a-fA-F]{64})(?:\r?\n)?")
_OPEN_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK  # a pipe must not hold up the start


@final
class Secret:
    """A private key that shows itself to `reveal()` alone: not to repr, format, pickle, copy or `vars`.

    Equal to itself only, so that no comparison tells anything.
    """

    __slots__ = ("_open",)

    def __init__(self, key: str) -> None:
        # in a closure: what walks over attributes, as debuggers and error reporters do, meets a function
        self._open: Callable[[], str] = lambda: key

    def reveal(self) -> str:
        """The key, 0x and 64 hex digits: for the one call that makes the signer."""
        return self._open()

    def __repr__(self) -> str:
        return "Secret(hidden)"

    __str__ = __repr__

    def __format__(self, format_spec: str) -> str:
        return repr(self)

    def __reduce__(self) -> Never:
        raise TypeError("a Secret is neither pickled nor copied")


def is_master_key(signer: str, account: str) -> bool:
    """Whether the signer is the account itself, and so could withdraw, and not an agent of it."""
    return signer.lower() == account.lower()


def load_key(
    environ: Mapping[str, str], *, key_file: Path | None = None, passphrase: Callable[[], str] | None = None
) -> Secret:
    """The signing key, from the first of the places where the operator may have put it.

    They are: `key_file`, MM_TRIO_PRIVATE_KEY, the file named by MM_TRIO_KEY_FILE, the keystore (v3 JSON) named by
    MM_TRIO_KEYSTORE, HYPERLIQUID_PK. An empty variable counts as none. A place that is used and wrong ends it:
    no other is tried. `passphrase` asks a person; the file named by MM_TRIO_KEYSTORE_PASSPHRASE_FILE goes first.
    Errors: ConfigError, one line that names the place.
    """
    if key_file is not None:
        return _read_key_file(key_file, name="the key file")
    if text := environ.get(KEY_VARIABLE):
        return _parse_key(text, name=KEY_VARIABLE)
    if path := environ.get(KEY_FILE_VARIABLE):
        return _read_key_file(Path(path), name=KEY_FILE_VARIABLE)
    if path := environ.get(KEYSTORE_VARIABLE):
        return _open_keystore(Path(path), environ, passphrase)
    if text := environ.get(KEY_ALIAS):
        return _parse_key(text, name=KEY_ALIAS)
    raise ConfigError(
        f"no signing key: set {KEY_FILE_VARIABLE} (a file of mode 0600), {KEYSTORE_VARIABLE} (an encrypted keystore) "
        f"or {KEY_VARIABLE}; take the key of an agent (API wallet), not the account's own"
    )


def _parse_key(text: str, *, name: str) -> Secret:
    match = _KEY.fullmatch(text)
    if match is None:
        raise ConfigError(
            f"{name} holds no private key: it must be 64 hex digits, with or without 0x before them "
            f"(found {len(text)} characters); the key of an agent (API wallet) is wanted"
        )
    if not 0 < int(match[1], 16) < CURVE_ORDER:
        raise ConfigError(f"{name} holds 64 hex digits that are no private key: 0, or beyond the curve; make a new one")
    return Secret(f"0x{match[1].lower()}")


def _read_key_file(path: Path, *, name: str) -> Secret:
    # what is no ASCII is no hex digit, and the exception of a strict decoder would hold the bytes
    return _parse_key(_read_private_file(path, name=name).decode("ascii", "replace"), name=name)


# --- private files ----------------------------------------------------------------------------


def _read_private_file(path: Path, *, name: str) -> bytes:
    """A file that nobody else can read, replace or redirect. Errors: ConfigError."""
    content = _read_if_private(path)
    if isinstance(content, str):
        raise ConfigError(f"{name}: the file {content}")
    return content


def _read_if_private(path: Path) -> bytes | str:
    """The content, or what is wrong. Checks what was opened, not what the name means a moment later."""
    try:
        with ExitStack() as files:
            folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
            files.callback(os.close, folder)
            file = os.open(path.name, _OPEN_FLAGS, dir_fd=folder)
            files.callback(os.close, file)
            fault = _find_folder_fault(os.fstat(folder)) or _find_file_fault(os.fstat(file))
            return fault or os.read(file, MAX_FILE_BYTES)
    except OSError as error:
        if error.errno == errno.ELOOP:
            return "is a symbolic link, which is not followed; name the file itself"
        return f"cannot be read: {error.strerror}"
    except ValueError:
        return "has a path that cannot be one"


def _find_folder_fault(folder: os.stat_result) -> str | None:
    if folder.st_mode & stat.S_IWOTH and not folder.st_mode & stat.S_ISVTX:
        return "lies in a folder where everybody may replace it; move it to one of your own"
    return None


def _find_file_fault(file: os.stat_result) -> str | None:
    if not stat.S_ISREG(file.st_mode):
        return "is no regular file; name one that is"
    if file.st_uid != os.geteuid():
        return f"belongs to user {file.st_uid}, and this process runs as {os.geteuid()}; change its owner"
    if file.st_mode & 0o077:
        return f"has mode {stat.S_IMODE(file.st_mode):04o}: others may use it; chmod 600"
    if file.st_size > MAX_FILE_BYTES:
        return f"is larger than {MAX_FILE_BYTES // 1024} KiB; name the right one"
    return None


# --- the keystore -----------------------------------------------------------------------------


def _open_keystore(path: Path, environ: Mapping[str, str], ask: Callable[[], str] | None) -> Secret:
    keystore = _parse_keystore(_read_private_file(path, name=KEYSTORE_VARIABLE))
    if keystore is None:
        raise ConfigError(
            f"{KEYSTORE_VARIABLE}: the file is no keystore of version 3 (JSON); make one with eth_account"
        )
    phrase = _find_passphrase(environ, ask)
    if not phrase:
        raise ConfigError(
            f"{KEYSTORE_VARIABLE} needs a passphrase that is not empty: set {PASSPHRASE_FILE_VARIABLE} "
            "(a file of mode 0600), or run it on a terminal"
        )
    key = _decrypt(keystore, phrase)
    if key is None:
        raise ConfigError(f"{KEYSTORE_VARIABLE}: wrong passphrase, or a damaged file; nothing was decrypted")
    return _parse_key(key.hex(), name=KEYSTORE_VARIABLE)


def _parse_keystore(content: bytes) -> dict[str, Any] | None:
    try:
        keystore = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return keystore if isinstance(keystore, dict) and keystore.get("version") == 3 else None


def _find_passphrase(environ: Mapping[str, str], ask: Callable[[], str] | None) -> bytes:
    """The passphrase, empty if there is none; an editor's newline at the end of its file is no part of it."""
    if path := environ.get(PASSPHRASE_FILE_VARIABLE):
        return _read_private_file(Path(path), name=PASSPHRASE_FILE_VARIABLE).removesuffix(b"\n").removesuffix(b"\r")
    try:
        return ask().encode("utf-8", "surrogateescape") if ask is not None else b""
    except EOFError:  # a prompt without a terminal
        return b""


def _decrypt(keystore: dict[str, Any], phrase: bytes) -> bytes | None:
    """The key, or None. Takes a second: that is what a keystore is for."""
    from eth_account import Account  # late: a third of a second that the other places need not pay

    try:
        return bytes(Account.decrypt(keystore, phrase))  # type: ignore[arg-type] # bytes pass through, says its source
    # what it raises for a wrong passphrase, and what it trips over in a file that is none
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, AssertionError, MemoryError):
        return None
