"""Sub-accounts and vaults: accounts without a key, that another account controls.

Actions name them in `vaultAddress`. Their orders, balances and limits are their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

__all__ = ["MOST_OF_ONE", "SubAccount", "SubAccounts"]

# Decided here, so that nobody fills the memory. The venue's number depends on the traded volume.
MOST_OF_ONE = 50
# The venue's words for these two were never captured.
BAD_NAME = "Invalid sub-account name."
TOO_MANY = f"Too many sub-accounts. Current limit is {MOST_OF_ONE}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SubAccount:
    """Account that `master` controls: its own sub-account, or the vault that it leads."""

    address: str
    master: str
    name: str
    is_vault: bool = False


class SubAccounts:
    """Sub-accounts and vaults of all masters."""

    def __init__(self) -> None:
        self._by_address: dict[str, SubAccount] = {}

    def create(self, master: str, name: str, *, is_vault: bool = False) -> SubAccount | str:
        """Make one, or return the refusal.

        Its address follows from the master and the number of its accounts, so that it is the same at every start.
        """
        n_present = sum(each.master == master for each in self._by_address.values())
        if not 1 <= len(name) <= 16:
            return BAD_NAME
        if n_present >= MOST_OF_ONE:
            return TOO_MANY
        address = "0x" + sha256(f"mm_trio sandbox sub-account {n_present} of {master}".encode()).hexdigest()[:40]
        made = SubAccount(address=address, master=master, name=name, is_vault=is_vault)
        self._by_address[address] = made
        return made

    def find(self, address: str) -> SubAccount | None:
        """Return the sub-account or vault at an address."""
        return self._by_address.get(address)

    def is_controlled(self, address: str, *, by: str) -> bool:
        """Check that an account may act for a sub-account or vault."""
        found = self.find(address)
        return found is not None and found.master == by

    def of(self, master: str) -> tuple[SubAccount, ...]:
        """Return a master's sub-accounts, in order; vaults are not among them."""
        return tuple(each for each in self._by_address.values() if each.master == master and not each.is_vault)
