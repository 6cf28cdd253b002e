"""Lines of a certificate: one form for each value, and a chain of hashes over them.

A line is `{"body":…,"hash":"…"}` in compact JSON with sorted keys and ASCII alone, and a line feed. The hash is
SHA-256 over the hash of the line before (64 hex digits; of the first line: none) and the bytes of the body.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Never, TypeAlias

__all__ = ["MOST_LINE_BYTES", "Body", "CertificateError", "LineReader", "LineWriter", "encode"]

Body: TypeAlias = Mapping[str, object]

# A whole book of 20,000 levels is below a third of it.
MOST_LINE_BYTES = 4 * 1024 * 1024
_BEFORE, _BETWEEN, _AFTER = b'{"body":', b',"hash":"', b'"}\n'
_TAIL = re.compile(rb',"hash":"([0-9a-f]{64})"\}\n')
_TAIL_BYTES = len(_BETWEEN) + 64 + len(_AFTER)
_encode = json.JSONEncoder(separators=(",", ":"), sort_keys=True, allow_nan=False).encode
# No number of a certificate has more digits.
_MOST_DIGITS = 20


class CertificateError(ValueError):
    """Certificate that does not fit; the message names where."""


def encode(body: Body) -> bytes:
    """Write a body in its one form."""
    return _encode(body).encode("ascii")


class LineWriter:
    """Writer of lines, chained; `digest` is over all bytes so far."""

    def __init__(self) -> None:
        self._last = b""
        self.digest = sha256()

    def write(self, body: Body) -> bytes:
        """Return the next line."""
        content = encode(body)
        self._last = sha256(self._last + content).hexdigest().encode()
        line = b"".join((_BEFORE, content, _BETWEEN, self._last, _AFTER))
        self.digest.update(line)
        return line


class LineReader:
    """Reader of lines, checking form and chain; `digest` is over all lines before the last one."""

    def __init__(self) -> None:
        self._last = self._line = b""
        self.n_lines = 0
        self.digest = sha256()

    def read(self, line: bytes) -> dict[str, object]:
        """Return the body of the next line. Errors: CertificateError, which names the line and what does not fit."""
        number = self.n_lines + 1
        tail = _TAIL.fullmatch(line[-_TAIL_BYTES:])
        if tail is None or not line.startswith(_BEFORE):
            raise CertificateError(f"line {number} does not have the form of a line of a certificate")
        content = line[len(_BEFORE) : -_TAIL_BYTES]
        chained = sha256(self._last + content).hexdigest().encode()
        if chained != tail[1]:
            raise CertificateError(
                f"line {number} does not fit its hash: it was changed, or a line before it is changed, missing or moved"
            )
        body = parse(content, number)
        self.digest.update(self._line)
        self._last, self._line, self.n_lines = chained, line, number
        return body


def parse(content: bytes, number: int) -> dict[str, object]:
    """Parse a body that is in its one form. Errors: CertificateError."""
    try:
        body = _decode(content.decode("ascii"))
        is_canonical = isinstance(body, dict) and encode(body) == content
    except (ValueError, RecursionError):
        raise CertificateError(f"line {number} cannot be read: it is not valid JSON of plain values") from None
    if not is_canonical or not isinstance(body, dict):
        raise CertificateError(f"line {number} is not in its one form (compact JSON, sorted keys, ASCII)")
    return body


def _refuse(text: str) -> Never:
    raise ValueError(text)


def _read_integer(text: str) -> int:
    return int(text) if len(text) <= _MOST_DIGITS else _refuse(text)


_decode = json.JSONDecoder(parse_float=_refuse, parse_constant=_refuse, parse_int=_read_integer).decode
