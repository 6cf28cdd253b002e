"""Sign made-up actions with throwaway keys, as the SDK does.

The documents in `generated/` are no captures: they hold what the SDK sends. Their actions get other numbers like every
message, and are signed anew, since a signature of other numbers would be none.
"""

from __future__ import annotations

from typing import Any

from eth_account import Account
from eth_utils.crypto import keccak
from hyperliquid.utils.signing import (
    action_hash,
    sign_agent,
    sign_l1_action,
    sign_spot_transfer_action,
    sign_usd_class_transfer_action,
)

__all__ = ["sign_again"]

# Keys of a text that everybody can read: nothing can ever be kept behind them.
KEY, AGENT_KEY = (keccak(text=f"made-up {name} of mm_trio's tests") for name in ("key", "agent key"))
BY_USER = {"approveAgent": sign_agent, "usdClassTransfer": sign_usd_class_transfer_action}
BY_USER |= {"spotSend": sign_spot_transfer_action}
# Hex digits of a whole `r` with its prefix: a number with a zero in front is written with fewer.
WHOLE_HEX = 66


def sign_again(name: str, document: Any) -> Any:
    """Sign the actions of a document of `generated/`; one without signatures gets another user alone."""
    wallet = Account.from_key(KEY)
    if "exchange_requests" in name:
        requests = {
            kind: [post | {"body": _sign_request(kind, post["body"])} for post in posts]
            for kind, posts in document["requests"].items()
        }
        return document | {"private_key": "0x" + KEY.hex(), "address": wallet.address, "requests": requests}
    if "vectors" in name:
        is_list = isinstance(document, list)
        vectors = [_sign_vector(vector) for vector in (document if is_list else document["vectors"])]
        owner = {key: _name_owner(key) for key in ("private_key", "address") if key in document}
        return vectors if is_list else document | owner | {"vectors": vectors}
    return document


def _name_owner(key: str) -> str:
    return "0x" + KEY.hex() if key == "private_key" else str(Account.from_key(KEY).address)


def _sign_request(kind: str, body: dict[str, Any]) -> dict[str, Any]:
    if "signature" not in body:
        return body
    wallet = Account.from_key(AGENT_KEY if kind == "order_agent" else KEY)
    action = dict(body["action"])
    if action["type"] not in BY_USER:
        signature = sign_l1_action(wallet, action, body["vaultAddress"], body["nonce"], body["expiresAfter"], False)
        return body | {"signature": signature}
    if "agentAddress" in action:
        action["agentAddress"] = Account.from_key(AGENT_KEY).address
    return body | {"action": action, "signature": BY_USER[action["type"]](wallet, action, False)}


def _sign_vector(vector: dict[str, Any]) -> dict[str, Any]:
    """Sign a vector; one that is there for its short `r` takes the first nonce that has one."""
    wallet, nonce = Account.from_key(KEY), vector["nonce"]
    owner = {key: _name_owner(key) for key in ("private_key", "address") if key in vector}
    while True:
        order = (vector["action"], vector["vaultAddress"], nonce, vector["expiresAfter"])
        signature = sign_l1_action(wallet, *order, vector["is_mainnet"])
        if "short" not in vector["name"] or len(signature["r"]) < WHOLE_HEX:
            digest = "0x" + action_hash(*order).hex()
            return vector | owner | {"nonce": nonce, "action_hash": digest, "signature": signature}
        nonce += 1
