"""Answers that no venue sends: valid ones with something wrong in them, and bytes that are nothing at all."""

from __future__ import annotations

import copy
import gzip
import json
import os
from collections.abc import Callable
from random import Random
from typing import Any

# How many bodies: a fair number in the normal run.
N_BODIES = int(os.environ.get("MM_TRIO_GARBAGE", "5000"))

# JSON texts in place of a value. `Raw` ones cannot be written from Python's values.
_ODD: tuple[str, ...] = (
    *("null", "true", "false", "0", "-1", "-0", "1", "1.5", "1e5", "1e308", "1e999", "-1e999", "1e-400"),
    *("NaN", "Infinity", "-Infinity", "01", "0x10", "9223372036854775807", "9223372036854775808", "1" + "0" * 30),
    *("9" * 400, "9" * 5000, '""', '" "', '"0"', '"-1"', '"1e5"', '"1e400"', '"1E-400"', '"NaN"', '"sNaN"', '"inf"'),
    *('"1_000"', '"\\u0661"', '"\\ud800"', '"\\udc00\\ud800"', '"\\u0000"', '"\\n\\u001b[31m"', '"\U0001f600"'),
    *('"' + "9" * 500 + '"', '"0.' + "1" * 300 + '"', '"' + "x" * 100_000 + '"', '"A"', '"B"', '"order"', '"@107"'),
    *("[]", "{}", "[[]]", "[null]", '{"":null}', "[" * 40 + "]" * 40, "[" * 3000 + "]" * 3000),
    *('{"a":' * 40 + "1" + "}" * 40, "[" + "1," * 999 + "1]", '{"balances":[]}', '{"error":"x"}'),
)
_BODIES: tuple[bytes, ...] = (
    *(b"", b" ", b"null", b"true", b"0", b'""', b"[]", b"{}", b"<html>502 Bad Gateway</html>", b"\x00" * 64),
    *(
        b"\xff\xfe\x00",
        b"\xef\xbb\xbf{}",
        gzip.compress(b"{}"),
        b"[" * 5000,
        b'{"a":' * 5000,
        b'"\\ud800"',
        b"9" * 5000,
    ),
)
_PLACE = "\ufffe place \ufffe"


class Garbler:
    """Makes garbage of valid answers, the same for the same seed."""

    def __init__(self, seed: int | str) -> None:
        self.rng = Random(f"garbage {seed}")
        self.n_bodies = 0

    def spoil(self, answer: object) -> bytes:
        """Make one body of a valid answer."""
        self.n_bodies += 1
        draw = self.rng.random()
        if draw < 0.08:
            return self.rng.choice(_BODIES)
        body = self._spoil_values(answer)
        return self._spoil_bytes(body) if draw < 0.2 else body

    def _spoil_values(self, answer: object) -> bytes:
        whole = [copy.deepcopy(answer)]
        odd: list[str] = []
        for _ in range(self.rng.choice((1, 1, 1, 2, 5))):
            self._change(*self._choose(whole), odd)
        text = json.dumps(whole[0])
        for each in odd:
            text = text.replace(json.dumps(_PLACE), each, 1)
        return text.encode()

    def _choose(self, whole: list[Any]) -> tuple[Any, Any]:
        """Choose a container and a key in it, each level as likely as the next."""
        parent: Any = whole
        key: Any = 0
        while True:
            value = parent[key]
            if not isinstance(value, dict | list) or not value or self.rng.random() < 0.2:
                return parent, key
            parent, key = value, self.rng.choice(list(value) if isinstance(value, dict) else range(len(value)))

    def _change(self, parent: Any, key: Any, odd: list[str]) -> None:
        value = parent[key]
        match self.rng.randrange(8):
            case 0 if isinstance(parent, dict):
                del parent[key]
            case 1 if isinstance(parent, list):
                parent.insert(key, copy.deepcopy(value))
            case 2 if isinstance(parent, dict):
                parent[key] = copy.deepcopy(parent[self.rng.choice(list(parent))])
            case 3 if isinstance(value, list):
                value.clear()
            case 4 if isinstance(value, str):
                parent[key] = float(value) if value.replace(".", "", 1).isdecimal() else list(value)
            case 5 if isinstance(value, int | float):
                parent[key] = str(value)
            case _:
                parent[key] = _PLACE
                odd.append(self.rng.choice(_ODD))

    def _spoil_bytes(self, body: bytes) -> bytes:
        at = self.rng.randrange(len(body) + 1)
        match self.rng.randrange(4):
            case 0:
                return body[:at]
            case 1:
                return body[:at] + self.rng.randbytes(self.rng.randrange(1, 20)) + body[at:]
            case 2:
                return body[:at] + body[at + 1 :]
            case _:
                return body + body[at:]


def spoil_one_in(n: int, garbler: Garbler, valid: Callable[[], object]) -> bytes:
    """Most often the valid answer, so that what comes behind it is reached too."""
    answer = valid()
    return garbler.spoil(answer) if garbler.rng.randrange(n) == 0 else json.dumps(answer).encode()
