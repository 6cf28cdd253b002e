"""Parser for actions that a wallet signs itself.

They are signed field by field: transfers of funds, approvals of agents and builders. `user_signed_handler` carries
them out.
Source: docs *Exchange endpoint*, the official SDK's signing types.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from mm_trio.sandbox.api.action_parser import Unreadable, parse_address, parse_integer
from mm_trio.sandbox.api.signature_check import USER_SIGNED_FIELDS

__all__ = ["UserAction", "is_of_sub_accounts", "is_user_signed", "parse_sub_account_action", "parse_user_action"]

Value = str | int | bool

_CHAIN_ID = re.compile(r"0x[0-9a-fA-F]{1,16}")
_CHAINS = ("Mainnet", "Testnet")
# The SDK signs an empty name and does not send it.
_MAY_BE_LEFT_OUT = {"agentName": "", "fromSubAccount": ""}
# Actions on sub-accounts are signed like orders, although they move funds. Source: the official SDK.
_OF_SUB_ACCOUNTS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "createSubAccount": (("string", "name"),),
    "subAccountTransfer": (("address", "subAccountUser"), ("bool", "isDeposit"), ("uint64", "usd")),
    "subAccountSpotTransfer": (
        ("address", "subAccountUser"),
        ("bool", "isDeposit"),
        ("string", "token"),
        ("string", "amount"),
    ),
}
_OF_ENVELOPE = {"type", "signatureChainId", "hyperliquidChain"}


@dataclass(frozen=True, slots=True, kw_only=True)
class UserAction:
    """User-signed action: its kind, signed fields and chain id.

    Addresses in `fields` are in lower case, as the venue reads them.
    """

    kind: str
    fields: Mapping[str, Value]
    chain_id: int

    @property
    def nonce(self) -> int:
        """Return the signed nonce, which is called `nonce` or `time`."""
        return int(self.fields["nonce"] if "nonce" in self.fields else self.fields["time"])

    def text(self, name: str) -> str:
        """Return a field as text."""
        return str(self.fields[name])


def is_user_signed(action: Mapping[str, object]) -> bool:
    """Return True if wallets sign this type of action."""
    kind = action.get("type")
    return isinstance(kind, str) and kind in USER_SIGNED_FIELDS


def parse_user_action(action: Mapping[str, object]) -> UserAction:
    """Parse an action for which `is_user_signed` is True.

    Errors: Unreadable.
    """
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


def is_of_sub_accounts(action: Mapping[str, object]) -> bool:
    """Return True if this type of action makes a sub-account or moves its funds."""
    kind = action.get("type")
    return isinstance(kind, str) and kind in _OF_SUB_ACCOUNTS


def parse_sub_account_action(action: Mapping[str, object]) -> UserAction:
    """Parse an action for which `is_of_sub_accounts` is True.

    Errors: Unreadable.
    """
    kind = str(action["type"])
    types = _OF_SUB_ACCOUNTS[kind]
    if unknown := action.keys() - {"type"} - {name for _, name in types}:
        raise Unreadable(f"{kind} has no {', '.join(sorted(map(str, unknown)))}")
    return UserAction(
        kind=kind, fields={name: _read(of_type, name, action.get(name)) for of_type, name in types}, chain_id=0
    )


def _read(of_type: str, name: str, value: object) -> Value:
    if value is None and name in _MAY_BE_LEFT_OUT:
        return _MAY_BE_LEFT_OUT[name]
    if of_type == "address" or name == "destination":
        # It is signed as text and read as an address, so an address signed with capitals recovers to another signer.
        return parse_address(value)
    if of_type == "uint64":
        return parse_integer(value)
    if not isinstance(value, bool if of_type == "bool" else str):
        raise Unreadable(f"{name} is a {of_type}")
    assert isinstance(value, str | bool)
    return value
