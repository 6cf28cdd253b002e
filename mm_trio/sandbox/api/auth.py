"""Who signed this, for whom does it act, and was it sent before?

The hashes are in `signing`, the approvals in `agents`, the nonce rules in `nonces`; here they are put in the venue's
order of checks. Knows neither orders nor sockets, and reads no clock: `now_ms` is an argument.
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
    """The venue says no at the top level; `text` is its answer, word for word."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a signature of a user-signed action comes to: the recovered address, and the envelope's numbers."""

    signer: str | None
    nonce: int
    inner_nonce: int
    vault: str | None = None


class Auth:
    """The door of the exchange: signer to account, and each nonce once.

    `has_account` tells whether an address (lower case) has ever held anything. `agents` may be asked and changed.
    """

    def __init__(self, has_account: Callable[[str], bool]) -> None:
        self.has_account = has_account
        self._nonces: dict[str, Nonces] = {}
        self.agents = Agents(on_removed=self._forget_nonces)

    def register_agent(self, agent: str, *, master: str) -> None:
        """Let the key of `agent` act for `master`, for ever and unlisted. One agent has one master; the last holds."""
        self.agents.register(Agent(address=agent.lower(), master=master.lower()))

    def revoke_agent(self, agent: str) -> None:
        """Let the key of `agent` act for nobody, as if its end had come. Its nonces stay spent: it may come back."""
        self.agents.forget(agent.lower())

    def admit(self, request: SignedAction, *, now_ms: int) -> str:
        """The account that this request acts for; its nonce is spent from here on.

        Gives: the account's address in lower case.
        Errors: `AuthRefused` with the venue's text, and then no nonce is spent; `Unpackable`.
        Source: hypercore's probes: refusals for the signer or the vault come before the nonce is looked at.
        """
        signer = recover_signer(request)
        if signer is None:
            raise AuthRefused(UNRECOVERABLE)
        agent = self.agents.find(signer, now_ms=now_ms)
        account = signer if agent is None else agent.master
        if not self.has_account(account):
            raise AuthRefused(NO_SUCH_WALLET.format(address=signer))
        if agent is not None and request.action.get("type") == "reserveRequestWeight":
            # observed: the one L1 action that an agent may not send; it is told as if it acted for itself
            raise AuthRefused(MUST_DEPOSIT.format(address=signer))
        self._refuse_vault(request.vault)
        self._spend(signer, request.nonce, now_ms)
        return account

    def admit_user(self, claim: Claim, *, now_ms: int) -> str:
        """The account that signed a user-signed action itself; its nonce is spent from here on.

        Errors: `AuthRefused`, and then no nonce is spent. An agent is refused as an address without money: it has
        none of its own. Source: hypercore's probes (the two nonces are compared before the signer is looked at).
        """
        if claim.nonce != claim.inner_nonce:
            raise AuthRefused(NONCE_MISMATCH)
        if claim.signer is None:
            raise AuthRefused(UNRECOVERABLE)
        if not self.has_account(claim.signer):
            raise AuthRefused(MUST_DEPOSIT.format(address=claim.signer))
        self._refuse_vault(claim.vault)
        self._spend(claim.signer, claim.nonce, now_ms)
        return claim.signer

    def _refuse_vault(self, vault: str | None) -> None:
        """There are no vaults and no sub-accounts here."""
        if vault is not None:
            raise AuthRefused(NO_VAULT.format(address=vault.lower()))

    def _spend(self, signer: str, nonce: int, now_ms: int) -> None:
        # only known signers get a nonce set, so the number of sets is bounded by accounts and agents
        refusal = self._nonces.setdefault(signer, Nonces()).admit(nonce, now_ms=now_ms)
        if refusal is not None:
            raise AuthRefused(refusal)

    def _forget_nonces(self, agent: str) -> None:
        """As the venue may do it: who approves an old agent anew lets its old actions be sent again.

        Source: docs *Nonces and API wallets*, which advise against reusing an agent for this reason.
        """
        self._nonces.pop(agent, None)
