"""Check of the signing key against what the venue says of its address."""

from __future__ import annotations

__all__ = ["find_key_fault", "find_own_key_fault"]


def find_own_key_fault(account: str) -> str:
    """Say why the account's own key must not sign."""
    return (
        f"the key is the account's own ({account}) and could withdraw; approve an agent (API wallet) and use the "
        "agent's key"
    )


def find_key_fault(signer: str, role: str, master: str | None, *, account: str | None, network: str) -> str | None:
    """Say why a key may not trade for the account.

    None if it may. `role` and `master` are what the venue says of the key's address. `account` is the one that approves
    keys, None for a vault, whose leader is not known.
    """
    if account is None:
        if role == "agent" or network != "mainnet":
            return None
        return f"the key {signer} is known as {role!r}; for a vault on mainnet use an agent's key"
    if role == "agent" and master == account:
        return None
    known_as = f"an agent of {master}" if role == "agent" else f"known as {role!r}"
    return (
        f"the venue refuses this key: its address {signer} is {known_as}, not an agent of {account}; check [market] "
        "account, the network, and whether the agent was approved or has expired; an account that is a sub-account or "
        "vault needs [market] vault = true"
    )
