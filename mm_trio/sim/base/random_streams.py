"""Chance, split by name: every actor draws from a stream of its own, so that one more draw of one moves no other."""

from __future__ import annotations

import math
from hashlib import sha256
from random import Random

__all__ = ["log_uniform", "split"]


def split(seed: int, name: str) -> Random:
    """The stream of chance that belongs to `name` under this seed: the same in every process and Python.

    Source: decided here; `hash` of a text differs from process to process, SHA-256 does not.
    """
    return Random(int.from_bytes(sha256(f"{seed}/{name}".encode()).digest()[:8], "big"))


def log_uniform(rng: Random, low: float, high: float) -> float:
    """A number whose magnitude is uniform: as often between 0.001 and 0.01 as between 0.01 and 0.1."""
    return math.exp(rng.uniform(math.log(low), math.log(high)))
