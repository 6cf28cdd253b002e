"""File of cancels that a maker signed in advance, and the mark of those that were posted.

Whoever has the file can cancel the orders that it names, and do nothing else: there is no key in it, and an order is
named by a cloid or an oid that no later order has.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from mm_trio.guard.private_file import FileUnread, read_private, write_private

__all__ = [
    "CANCELS_NAME",
    "FIRED_NAME",
    "MOST_BYTES",
    "NEW_CANCELS_NAME",
    "SignedAction",
    "SignedCancels",
    "join_cancels",
    "parse_cancels",
    "read_cancels",
    "read_fired",
    "write_fired",
]

CANCELS_NAME = "guard-cancels.json"
# Of several markets: the actions that changed since the file above was written as a whole.
NEW_CANCELS_NAME = "guard-cancels-new.json"
FIRED_NAME = "guard-fired.json"
VERSION = 1
# Thirty actions of 200 items have two thirds of that.
MOST_BYTES = 1_000_000
# More was never posted by one guard for one maker: the nonces are spent long before.
_MOST_FIRED = 1_000
# By type of action: what names an order in an item.
_NAMES_IN = {"cancel": "o", "cancelByCloid": "cloid"}


@dataclass(frozen=True, slots=True)
class SignedAction:
    """One signed cancel, ready to be posted.

    `names` are the cloids and oids that it cancels. `text` is the body as the file has it, "" where that is not known
    yet: of hundreds of orders it takes longer than all else of a file.
    """

    nonce: int
    # Hidden, because whoever reads it could post it.
    body: bytes = field(repr=False)
    names: frozenset[str | int] = field(repr=False)
    text: str = field(default="", repr=False, compare=False)

    @classmethod
    def sign(cls, nonce: int, body: bytes, names: frozenset[str | int]) -> Self:
        """Keep a body that was just signed, with its text."""
        return cls(nonce, body, names, _write_body(body))


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedCancels:
    """Cancels for everything that may rest, several times over.

    Each of the `volleys` cancels all of it, with nonces of its own: one is spent where the venue refuses it. `first` is
    the lowest nonce reserved, `widest` the most actions that any file with these nonces had, and `spent` are reserved
    nonces used earlier that are still ahead of the venue's time.
    Of a maker of several markets `coins` are those whose orders are named, and `coin` stands for all of them. A file of
    all cancels has a `number`, and one of what changed since is `part_of` that number.
    """

    network: str
    account: str
    coin: str
    signer: str
    vault: bool
    made_ms: int
    first: int
    widest: int
    spent: tuple[int, ...] = ()
    volleys: tuple[tuple[SignedAction, ...], ...] = ()
    coins: tuple[str, ...] = ()
    number: int | None = None
    part_of: int | None = None

    @property
    def names(self) -> frozenset[str | int]:
        """Return the cloids and oids that a volley cancels."""
        return frozenset().union(*(action.names for action in self.volleys[0])) if self.volleys else frozenset()

    @property
    def owner(self) -> tuple[str, str, str]:
        """Return whose orders these are: network, account and coin."""
        return self.network, self.account, self.coin

    def to_bytes(self) -> bytes:
        """Return what the file has."""
        values = {
            "version": VERSION,
            "network": self.network,
            "account": self.account,
            "coin": self.coin,
            "signer": self.signer,
            "vault": self.vault,
            "made_ms": self.made_ms,
            "first_nonce": self.first,
            "widest": self.widest,
            "spent": list(self.spent),
            **({"coins": list(self.coins), "number": self.number, "part_of": self.part_of} if self.coins else {}),
            "nonces": [[action.nonce for action in volley] for volley in self.volleys],
        }
        # Written as a whole, hundreds of orders would take a millisecond.
        bodies = ", ".join(f"[{', '.join(a.text or _write_body(a.body) for a in volley)}]" for volley in self.volleys)
        return f'{json.dumps(values)[:-1]}, "bodies": [{bodies}]}}\n'.encode()


def parse_cancels(data: bytes, *, name: str = CANCELS_NAME) -> SignedCancels:
    """Read a file of signed cancels, of this name.

    Errors: FileUnread, also where a body is not a cancel: the guard posts what it finds.
    """
    raw = _load(data, name)
    try:
        return SignedCancels(
            **{part: _text(raw, part) for part in ("network", "account", "coin", "signer")},
            vault=raw["vault"] is True,
            made_ms=_whole(raw["made_ms"]),
            first=_whole(raw["first_nonce"]),
            widest=_whole(raw["widest"]),
            spent=tuple(_whole(nonce) for nonce in raw["spent"]),
            volleys=tuple(
                tuple(_read_action(nonce, body) for nonce, body in zip(nonces, bodies, strict=True))
                for nonces, bodies in zip(raw["nonces"], raw["bodies"], strict=True)
            ),
            coins=tuple(_read_coin(coin) for coin in raw.get("coins", ())),
            number=_read_number(raw.get("number")),
            part_of=_read_number(raw.get("part_of")),
        )
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise FileUnread(f"{name} is not whole: {type(error).__name__}: {str(error)[:100]}") from error


def read_cancels(folder: Path) -> SignedCancels | None:
    """Read what a maker signed: all of it, with what changed since. None where there is nothing.

    Errors: OSError; FileUnread.
    """
    # The changes first: whatever is written meanwhile, the whole file then has them, or is the one that they belong to.
    changes, whole = (read_private(folder / name, most=MOST_BYTES) for name in (NEW_CANCELS_NAME, CANCELS_NAME))
    if whole is None:
        return None
    newer = None if changes is None else parse_cancels(changes, name=NEW_CANCELS_NAME)
    return join_cancels(parse_cancels(whole), newer)


def join_cancels(whole: SignedCancels, changes: SignedCancels | None) -> SignedCancels:
    """Return all cancels, with the changes if they belong to them; else all of them have what these had."""
    if changes is None or changes.part_of is None or changes.part_of != whole.number:
        return whole
    volleys = []
    # A volley that not both have does not cancel everything.
    for before, since in zip(whole.volleys, changes.volleys, strict=False):
        actions = {action.nonce: action for action in (*before, *since)}
        volleys.append(tuple(actions[nonce] for nonce in sorted(actions)))
    return replace(changes, number=whole.number, part_of=None, volleys=tuple(volleys))


def _read_action(nonce: Any, body: str) -> SignedAction:
    """Read one body, which must be a cancel. Errors: ValueError, KeyError or TypeError."""
    request = json.loads(body)
    action = request["action"]
    name = _NAMES_IN.get(action["type"])
    if name is None:
        raise ValueError(f"an action of the type {action['type']!r} is not a cancel")
    if request["nonce"] != nonce:
        raise ValueError(f"nonce {request['nonce']!r} stands for {nonce!r}")
    return SignedAction(_whole(nonce), body.encode(), frozenset(item[name] for item in action["cancels"]))


def _write_body(body: bytes) -> str:
    return json.dumps(body.decode())


def write_fired(folder: Path, nonces: set[int], *, at_ms: int) -> None:
    """Note which reserved nonces were posted, for the maker. Errors: OSError."""
    kept = sorted(nonces)[-_MOST_FIRED:]
    data = {"version": VERSION, "at_ms": at_ms, "nonces": kept}
    write_private(folder / FIRED_NAME, f"{json.dumps(data)}\n".encode())


def read_fired(folder: Path) -> frozenset[int]:
    """Read which reserved nonces were posted.

    Errors: OSError; FileUnread.
    """
    data = read_private(folder / FIRED_NAME, most=MOST_BYTES)
    if data is None:
        return frozenset()
    try:
        return frozenset(_whole(nonce) for nonce in _load(data, FIRED_NAME)["nonces"])
    except (KeyError, TypeError, ValueError) as error:
        raise FileUnread(f"{FIRED_NAME} is not whole: {type(error).__name__}") from error


def _load(data: bytes, name: str) -> Mapping[str, Any]:
    try:
        raw = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise FileUnread(f"{name} is not whole") from error
    if not isinstance(raw, Mapping) or raw.get("version") != VERSION:
        raise FileUnread(f"{name} is not of version {VERSION}")
    return raw


def _text(raw: Mapping[str, Any], name: str) -> Any:
    if not isinstance(raw[name], str):
        raise TypeError(f"{name} is not a text")
    return raw[name]


def _read_coin(raw: Any) -> str:
    if not isinstance(raw, str):
        raise TypeError(f"coin {str(raw)[:50]!r} is not a text")
    return raw


def _read_number(raw: Any) -> int | None:
    return None if raw is None else _whole(raw)


def _whole(raw: Any) -> int:
    if isinstance(raw, bool) or not isinstance(raw, int):
        raise TypeError(f"{str(raw)[:50]!r} is not a whole number")
    return raw
