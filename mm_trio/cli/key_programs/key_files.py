"""Files with the keys that this program makes.

A key is written once, into a file that only its owner can read. No file is overwritten or deleted here: what a file
holds may be the only copy of a key that can do more than ours.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from mm_trio.config.keys import Secret
from mm_trio.config.private_paths import find_open_folder, make_private_folders
from mm_trio.config.settings import MarketSettings
from mm_trio.journal.data_dir import find_network_folder
from mm_trio.journal.end_mark import sync
from mm_trio.model.errors import ConfigError

__all__ = ["find_beside", "find_kept", "find_key_file", "make_key", "switch_key_file", "write_key_file"]

# Below the state folder, beside the folders of the networks. It outlives a sandbox, whose ledgers are removed.
FOLDER_NAME = "keys"
UNNAMED_NAME = "_unnamed"
BESIDE_SUFFIX, KEPT_SUFFIX = ".next", ".old"
# Enough of an address to tell the keys of one maker apart.
_ADDRESS_CHARS = 10


def find_key_file(
    environ: Mapping[str, str], market: MarketSettings, name: str | None, *, is_keystore: bool = False
) -> Path:
    """Return the file for an account's agent of this name, without creating it."""
    folder = find_network_folder(environ, FOLDER_NAME) / market.network / market.account
    return folder / f"{name or UNNAMED_NAME}.{'keystore.json' if is_keystore else 'key'}"


def find_beside(path: Path) -> Path:
    """Return the file of the next key, until the venue lists it."""
    return path.with_name(path.name + BESIDE_SUFFIX)


def find_kept(path: Path, address: str) -> Path:
    """Return the file that a replaced key is kept in; its name begins the agent's address."""
    return path.with_name(f"{path.name}.{address[:_ADDRESS_CHARS]}{KEPT_SUFFIX}")


def make_key() -> Secret:
    """Make a key of 32 random bytes from the system."""
    # Imported late: it takes a third of a second.
    from eth_account import Account

    return Secret(f"0x{bytes(Account.create().key).hex()}")


def write_key_file(path: Path, key: Secret, *, phrase: Secret | None = None) -> None:
    """Write a key into a new file of mode 0600, as a keystore where there is a passphrase.

    It is on the disk when this returns. Encrypting takes a second. Errors: ConfigError where the file is there already,
    others may change its folder, or it cannot be written.
    """
    key.lend(lambda text: _write_new(path, lambda: _encode(text, phrase)))


def _encode(text: str, phrase: Secret | None) -> bytes:
    if phrase is None:
        return f"{text}\n".encode()
    from eth_account import Account

    # The phrase as bytes, as it is read again; the SDK's types know texts alone.
    password: str = phrase.reveal().encode("utf-8", "surrogateescape")  # type: ignore[assignment]
    return f"{json.dumps(Account.encrypt(bytes.fromhex(text[2:]), password))}\n".encode()


def _write_new(path: Path, encode: Callable[[], bytes]) -> None:
    try:
        make_private_folders(path.parent)
        if (fault := find_open_folder(path.parent)) is not None:
            raise ConfigError(f"the folder of the key is not safe from other users: {fault}")
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise ConfigError(
            f"the key file {path} is there already, and no key is overwritten; take another --name, or replace the "
            "key with `mm-trio keys rotate`"
        ) from None
    except OSError as error:
        raise _describe(path, error) from error
    try:
        with open(number, "wb") as file:
            # A umask can take the owner's rights too.
            os.fchmod(number, 0o600)
            file.write(encode())
            file.flush()
            os.fsync(number)
        sync(path.parent)
    except BaseException as error:
        # Half a key is of no use, and would be in the way.
        with suppress(OSError):
            path.unlink()
        if isinstance(error, OSError):
            raise _describe(path, error) from error
        raise


def switch_key_file(path: Path, *, address: str) -> Path:
    """Put the next key in place of the present one, in one step.

    `address` is that of the present key, which is kept beside. Return where. A process that dies at any point leaves
    either key in place, and loses none. Errors: ConfigError.
    """
    beside, kept = find_beside(path), find_kept(path, address)
    try:
        # An earlier switch may have ended just before its last step.
        if not (kept.exists() and kept.samefile(path)):
            os.link(path, kept)
        beside.replace(path)
        sync(path.parent)
    except OSError as error:
        raise ConfigError(
            f"the key file {path} was not switched: {error.strerror or error}; the new key is in {beside}"
        ) from error
    return kept


def _describe(path: Path, error: OSError) -> ConfigError:
    return ConfigError(f"the key file {path} cannot be written: {error.strerror or error}")
