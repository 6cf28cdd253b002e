"""Actions that a wallet signs itself, field by field: transfers of funds, approval of agents and builders.

Read strictly into what was signed and what it asks for. What it comes to is in `user_desk`.
Source: docs *Exchange endpoint*, the official SDK's signing types.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from mm_trio.sandbox.api.action_parser import Unreadable, parse_address, parse_integer
from mm_trio.sandbox.api.signature_check import USER_SIGNED_FIELDS

__all__ = ["UserAction", "is_user_signed", "parse_user_action"]

Value = str | int | bool

_CHAIN_ID = re.compile(r"0x[0-9a-fA-F]{1,16}")
_CHAINS = ("Mainnet", "Testnet")
_MAY_BE_LEFT_OUT = {"agentName": "", "fromSubAccount": ""}  # the SDK signs an empty name and sends none
_OF_ENVELOPE = {"type", "signatureChainId", "hyperliquidChain"}


@dataclass(frozen=True, slots=True, kw_only=True)
class UserAction:
    """`fields` are those that were signed, with addresses in lower case, as the venue reads them."""

    kind: str
    fields: Mapping[str, Value]
    chain_id: int

    @property
    def nonce(self) -> int:
        """The nonce inside, under either of its names."""
        return int(self.fields["nonce"] if "nonce" in self.fields else self.fields["time"])

    def text(self, name: str) -> str:
        return str(self.fields[name])


def is_user_signed(action: Mapping[str, object]) -> bool:
    kind = action.get("type")
    return isinstance(kind, str) and kind in USER_SIGNED_FIELDS


def parse_user_action(action: Mapping[str, object]) -> UserAction:
    """Read an action of a type that `is_user_signed`. Errors: Unreadable."""
    kind = str(action["type"])
    types = USER_SIGNED_FIELDS[kind][1]
    if unknown := action.keys() - _OF_ENVELOPE - {name for _, name in types}:
        raise Unreadable(f"{kind} has no {', '.join(sorted(map(str, unknown)))}")
    chain_id, chain = action.get("signatureChainId"), action.get("hyperliquidChain")
    if not isinstance(chain_id, str) or not _CHAIN_ID.fullmatch(chain_id) or chain not in _CHAINS:
        raise Unreadable("signatureChainId and hyperliquidChain name a chain")
    return UserAction(
        kind=kind,
        fields={name: _read(of_type, name, action.get(name)) for of_type, name in types},
        chain_id=int(chain_id, 16),
    )


def _read(of_type: str, name: str, value: object) -> Value:
    if value is None and name in _MAY_BE_LEFT_OUT:
        return _MAY_BE_LEFT_OUT[name]
    if of_type == "address" or name == "destination":
        # signed as text and read as an address: written with capitals, it recovers to somebody else
        return parse_address(value)
    if of_type == "uint64":
        return parse_integer(value)
    if not isinstance(value, bool if of_type == "bool" else str):
        raise Unreadable(f"{name} is a {of_type}")
    assert isinstance(value, str | bool)
    return value
