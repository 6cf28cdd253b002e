"""Question for the passphrase of a keystore."""

from __future__ import annotations

__all__ = ["ask_passphrase"]


def ask_passphrase() -> str:
    """Ask the operator for the passphrase, without showing it."""
    from getpass import getpass

    return getpass("passphrase of the keystore: ")
