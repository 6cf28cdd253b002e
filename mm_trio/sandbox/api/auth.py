"""Authentication: signer, account acted for, and nonce.

The hashes are in `signature_check`, the approvals in `model.agents`, the nonce rules in `nonces`. This module applies
them in the venue's order. It knows neither orders nor sockets, and reads no clock: `now_ms` is an argument.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mm_trio.sandbox.api.nonces import KEPT_NONCES, Nonces
from mm_trio.sandbox.api.signature_check import SignedAction, Unpackable, recover_signer
from mm_trio.sandbox.model.agents import Agent, Agents

__all__ = [
    "KEPT_NONCES",
    "MUST_DEPOSIT",
    "NONCE_MISMATCH",
    "NO_SUCH_WALLET",
    "NO_VAULT",
    "Auth",
    "AuthRefused",
    "Claim",
    "SignedAction",
    "Unpackable",
    "recover_signer",
]

UNRECOVERABLE = "Unable to recover signer."
NO_SUCH_WALLET = "User or API Wallet {address} does not exist."
MUST_DEPOSIT = "Must deposit before performing actions. User: {address}"
NO_VAULT = "Vault not registered: {address}"
NONCE_MISMATCH = "Nonce mismatch."


class AuthRefused(Exception):
    """Raised when an action is refused at top level.

    `text` is the venue's answer, word for word.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Recovered signer and envelope numbers of a user-signed action."""

    signer: str | None
    nonce: int
    inner_nonce: int
    vault: str | None = None


class Auth:
    """Maps signers to accounts and accepts each nonce once.

    `has_account` returns True if an address (lower case) has ever held anything. Callers may read and change `agents`.
    `is_mainnet`: only what was signed for mainnet is taken, in place of what was signed for any other network.
    """

    def __init__(self, has_account: Callable[[str], bool], *, is_mainnet: bool = False) -> None:
        self.has_account = has_account
        self.is_mainnet = is_mainnet
        self._nonces: dict[str, Nonces] = {}
        # Texts for agents that were revoked, where it is not the usual one.
        self._refusals: dict[str, str] = {}
        self.agents = Agents(on_removed=self._forget_nonces)

    def register_agent(self, agent: str, *, master: str) -> None:
        """Let the key of `agent` act for `master` without expiry.

        The agent is not listed among the master's agents. An agent has one master; the last registration holds.
        """
        self.agents.register(Agent(address=agent.lower(), master=master.lower()))

    def revoke_agent(self, agent: str, *, refusal: str = NO_SUCH_WALLET) -> None:
        """Stop the key of `agent` from acting, as if expired.

        Its nonces stay spent, because it may be registered again. `refusal` is the text that it gets from then on:
        which of the two comes differs between observers of the venue.
        """
        self.agents.forget(agent.lower())
        self._refusals[agent.lower()] = refusal

    def admit(self, request: SignedAction, *, now_ms: int) -> str:
        """Admit a request and spend its nonce.

        Returns: the account that it acts for, its address in lower case. That is the signer's master, or the signer
        itself; or the sub-account or vault that the request names, if that account controls it.
        Errors: `AuthRefused` with the venue's text, and then no nonce is spent; `Unpackable`.
        Source: hypercore's probes: signer and vault are checked before the nonce.
        """
        signer = recover_signer(request, is_mainnet=self.is_mainnet)
        if signer is None:
            raise AuthRefused(UNRECOVERABLE)
        agent = self.agents.find(signer, now_ms=now_ms)
        account = signer if agent is None else agent.master
        if not self.has_account(account):
            raise AuthRefused(self._refusals.get(signer, NO_SUCH_WALLET).format(address=signer))
        if agent is not None and request.action.get("type") == "reserveRequestWeight":
            # Observed: this is the only L1 action that an agent may not send, and it is refused as if the agent
            # acted for itself.
            raise AuthRefused(MUST_DEPOSIT.format(address=signer))
        if request.vault is not None:
            account = self._find_controlled(request.vault.lower(), by=account)
        self._spend(signer, request.nonce, now_ms)
        return account

    def admit_user(self, claim: Claim, *, now_ms: int) -> str:
        """Admit a user-signed action and spend its nonce.

        Returns: the account that signed it. An agent is refused as an address without funds, since it has none itself.
        Errors: `AuthRefused`, and then no nonce is spent.
        Source: hypercore's probes: the two nonces are compared before the signer is checked.
        """
        if claim.nonce != claim.inner_nonce:
            raise AuthRefused(NONCE_MISMATCH)
        if claim.signer is None:
            raise AuthRefused(UNRECOVERABLE)
        if not self.has_account(claim.signer):
            raise AuthRefused(MUST_DEPOSIT.format(address=claim.signer))
        if claim.vault is not None:
            # Sub-accounts and vaults have no key that could sign for them.
            raise AuthRefused(NO_VAULT.format(address=claim.vault.lower()))
        self._spend(claim.signer, claim.nonce, now_ms)
        return claim.signer

    def _find_controlled(self, vault: str, *, by: str) -> str:
        """Return a sub-account or vault; refuse one that the account does not control."""
        if not self.agents.sub_accounts.is_controlled(vault, by=by):
            raise AuthRefused(NO_VAULT.format(address=vault))
        return vault

    def _spend(self, signer: str, nonce: int, now_ms: int) -> None:
        # Only known signers get a nonce set, so the number of sets is bounded by accounts and agents.
        refusal = self._nonces.setdefault(signer, Nonces()).admit(nonce, now_ms=now_ms)
        if refusal is not None:
            raise AuthRefused(refusal)

    def _forget_nonces(self, agent: str) -> None:
        """Forget a removed agent's nonces, as the venue may do.

        If the same agent is approved again, its old actions can be replayed.
        Source: docs *Nonces and API wallets*, which advise against reusing an agent for this reason.
        """
        self._nonces.pop(agent, None)
