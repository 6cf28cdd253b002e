"""Check of the configured account against what the venue says of its address.

An address that is not an account gets empty answers, which look like an account without funds.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["AccountRole", "describe_role", "find_role_fault"]

_DELEGATES = ("subAccount", "vault")


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRole:
    """What the venue says of the account's address.

    `role` is in the venue's words, and empty where it does not tell it. `owner` is the master of an agent or of a
    sub-account. `signers_master` is the account that our key is an agent of, where that is known.
    """

    account: str
    role: str
    owner: str | None = None
    signers_master: str | None = None

    @property
    def approver(self) -> str | None:
        """Return the account that agents are approved by; None for a vault, whose leader is not told."""
        if self.role == "subAccount":
            return self.owner
        return None if self.role == "vault" else self.account


def find_role_fault(known: AccountRole, *, network: str, is_vault: bool) -> str | None:
    """Say why the maker cannot trade for this address; None if it can.

    `is_vault`: the configuration says that the address is a sub-account or a vault. The fault names the address that
    was probably meant.
    """
    account, role = known.account, known.role
    if role == "agent":
        return f'account {account} is the address of an agent of {known.owner}; put account = "{known.owner}"'
    if role == "missing":
        hint = _suggest_master(known) or "check the address and [market] network"
        return f"account {account} is not known on {network}: nothing was ever paid in to it there; {hint}"
    if role in _DELEGATES and not is_vault:
        hint = f'or account = "{known.owner}"' if role == "subAccount" else _suggest_master(known)
        what = f"account {account} is {describe_role(known)}: put vault = true into [market] to trade for it"
        return f"{what}; {hint}" if hint else what
    if role == "user" and is_vault:
        hint = f'; or put account = "{known.signers_master}"' if known.signers_master not in (None, account) else ""
        return f"account {account} is an ordinary account, not a sub-account or a vault: remove vault = true{hint}"
    return None


def describe_role(known: AccountRole) -> str:
    """Describe an account that the maker can trade for, in one line."""
    if known.role == "subAccount":
        return f"a sub-account of {known.owner}"
    return {"": "not known", "user": "an ordinary account", "vault": "a vault"}.get(
        known.role, f"known as {known.role!r}"
    )


def _suggest_master(known: AccountRole) -> str:
    """Suggest the account that the key is an agent of; empty where none is known."""
    if known.signers_master in (None, known.account):
        return ""
    return f'the key is an agent of {known.signers_master}; put account = "{known.signers_master}"'
