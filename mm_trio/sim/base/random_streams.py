"""Independent streams of random numbers, one per name.

Each actor draws from its own stream, so an extra draw by one actor does not change the others.
"""

from __future__ import annotations

import math
from hashlib import sha256
from random import Random

__all__ = ["log_uniform", "split"]


def split(seed: int, name: str) -> Random:
    """Return the stream of `name` under this seed.

    It is the same in every process and on every Python version.
    Source: decided here; `hash` of a text differs from process to process, SHA-256 does not.
    """
    return Random(int.from_bytes(sha256(f"{seed}/{name}".encode()).digest()[:8], "big"))


def log_uniform(rng: Random, low: float, high: float) -> float:
    """Draw a number whose logarithm is uniform.

    Numbers between 0.001 and 0.01 are as frequent as numbers between 0.01 and 0.1.
    """
    return math.exp(rng.uniform(math.log(low), math.log(high)))
