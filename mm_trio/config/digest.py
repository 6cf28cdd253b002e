"""Digest of settings: whether two of them are the same."""

from __future__ import annotations

import json
from dataclasses import asdict
from decimal import Decimal
from hashlib import sha256

from mm_trio.config.settings import Settings

__all__ = ["digest_settings"]


def digest_settings(settings: Settings) -> str:
    """Return a digest of all settings, in hex.

    Equal settings have equal digests, however their numbers were written.
    """
    text = json.dumps(asdict(settings), default=_write, sort_keys=True)
    return sha256(text.encode()).hexdigest()


def _write(value: object) -> str:
    assert isinstance(value, Decimal)
    return f"{value.normalize():f}"
