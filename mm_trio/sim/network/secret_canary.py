"""Recognisable secrets of the maker, and their search.

The search checks rule S18: neither the key nor a signature leaves its place.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mm_trio.sandbox import InProcessSigningExchange, SignedInProcess

__all__ = ["CanaryExchange", "LogScanner", "find_secret"]

KEY = hashlib.sha256(b"the canary's key").digest()
# First bytes of each of its signatures.
MARK = hashlib.sha256(b"the canary's hand").digest()[:16]


def _encode(secret: bytes) -> Iterable[bytes]:
    """Yield the forms that bytes may take in a text.

    They are: unchanged, hex in both cases, escaped, and base64 at any offset.
    """
    yield secret
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    yield repr(secret)[2:-1].encode()
    for shift in range(3):
        whole = base64.b64encode(bytes(shift) + secret)
        yield whole[4 if shift else 0 : len(whole) - 4]
        yield base64.urlsafe_b64encode(bytes(shift) + secret)[4 if shift else 0 : len(whole) - 4]


NEEDLES = tuple(dict.fromkeys(needle for secret in (KEY, MARK) for needle in _encode(secret)))


def find_secret(*, folder: Path | None = None, texts: Iterable[str] = ()) -> str | None:
    """Find the key or a signature, and say where.

    It searches every file under `folder` and the texts, and returns None if there is none.
    """
    for path in sorted(folder.rglob("*")) if folder is not None else ():
        if path.is_file() and _has_secret(path.read_bytes()):
            return f"the file {path.name}"
    for text in texts:
        if _has_secret(text.encode()):
            return f"the text {text[:120]!r}"
    return None


def _has_secret(data: bytes) -> bool:
    return any(needle in data for needle in NEEDLES)


class Wallet:
    """Wallet with the canary's key.

    The key appears only where its attributes are read.
    """

    def __init__(self) -> None:
        self.key = KEY

    def sign(self, digest: str) -> str:
        """Return the mark followed by a hash of the digest."""
        return f"0x{MARK.hex()}{hashlib.sha256(KEY + digest.encode()).hexdigest()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedByCanary(SignedInProcess):
    """Action with its signature."""

    signature: str


class CanaryExchange(InProcessSigningExchange):
    """Signing exchange of a simulated maker.

    Its `wallet` has a key, and what it signs has a signature.
    """

    wallet = Wallet()

    def sign_action(self, unsigned: SignedInProcess) -> SignedInProcess:
        """Return the same action with a signature."""
        return SignedByCanary(
            method=unsigned.method,
            n_items=unsigned.n_items,
            address=unsigned.address,
            action=unsigned.action,
            nonce=unsigned.nonce,
            expires_after=unsigned.expires_after,
            signature=self.wallet.sign(unsigned.digest),
        )


class LogScanner(logging.Handler):
    """Log handler that searches the maker's records for secrets.

    It reads each record as it would be written, with its traceback.
    """

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.found: str | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Search one record."""
        text = record.getMessage()
        if record.exc_info:
            text += "".join(traceback.format_exception(record.exc_info[1]))
        self.found = self.found or find_secret(texts=(text,))
