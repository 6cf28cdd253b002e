"""Carries out user-signed actions: moves funds, approves agents.

One balance per token: there is no perp account here, so `usdSend` and `withdraw3` move spot USDC and `usdClassTransfer`
moves nothing. The signer and its permission are checked before.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation

from mm_trio.sandbox.api.user_signed_actions import UserAction
from mm_trio.sandbox.info.rows import Json
from mm_trio.sandbox.matching.exchange import Exchange
from mm_trio.sandbox.model.agents import Agents
from mm_trio.sandbox.model.commands import Command, Effect, Refused, Transfer, Withdraw
from mm_trio.sandbox.model.markets import Markets, Token

__all__ = ["UserSignedHandler"]

# Measured, word for word.
UNKNOWN_TOKEN = "Unknown token {token}"
NOT_A_NUMBER = "Invalid decimal number"
NOTHING = "Send amount cannot be zero"
TOO_FINE = "Invalid number of decimals"  # Also for a negative amount.
SHORT = "Insufficient balance for token transfer"
TO_ONESELF = "Invalid send"
BAD_DEX = "Invalid perp DEX"
NO_GAS = "Insufficient {token} balance for token transfer gas."
NO_ANY_GAS = "Insufficient quote token (e.g., 1 USDC or USDT) balance for token transfer gas."
# The venue's own text for this was never captured.
BAD_RATE = "Invalid builder fee rate."

# In quote units: the sender pays this for an address that was never funded before.
GAS = Decimal(1)
WITHDRAW_FEE = Decimal(1)  # USDC; source: docs *Bridge2*.
# The canonical tokens need no id behind their name.
_BARE_NAMES = ("USDC", "PURR")
_AMOUNT = re.compile(r"[-+]?[0-9]{1,20}(\.[0-9]{1,20})?([eE][-+]?[0-9]{1,2})?")
# The builder of a spot order takes at most 1 %.
_RATE = re.compile(r"(?P<percent>0(\.[0-9]{1,3})?|1(\.0{1,3})?)%")


class _Refused(Exception):
    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class UserSignedHandler:
    """Carries out user-signed actions against one exchange.

    `apply` runs a command and notifies the exchange's connections.
    """

    def __init__(self, exchange: Exchange, apply: Callable[[Command], tuple[Effect, ...]], agents: Agents) -> None:
        self._exchange = exchange
        self._apply = apply
        self._agents = agents
        self._kinds: dict[str, Callable[[str, UserAction, int], Json | None]] = {
            "approveAgent": self._approve_agent,
            "approveBuilderFee": self._approve_builder,
            "usdSend": self._send_usd,
            "spotSend": self._send_spot,
            "sendAsset": self._send_asset,
            "withdraw3": self._withdraw,
            "usdClassTransfer": self._change_class,
            "createSubAccount": self._create_sub_account,
            "subAccountTransfer": self._transfer_usd,
            "subAccountSpotTransfer": self._transfer_spot,
        }

    def carry_out(self, signer: str, action: UserAction, *, now_ms: int) -> Json:
        """Carry out an action; return the body of a 200."""
        try:
            response = self._kinds[action.kind](signer, action, now_ms)
        except _Refused as refusal:
            return {"status": "err", "response": refusal.text}
        return {"status": "ok", "response": response or {"type": "default"}}

    def _approve_agent(self, signer: str, action: UserAction, now_ms: int) -> None:
        known = self._exchange.addresses()
        refusal = self._agents.approve(
            signer,
            action.text("agentAddress"),
            action.text("agentName"),
            now_ms=now_ms,
            is_account=lambda address: address in known,
        )
        if refusal:
            raise _Refused(refusal)

    def _approve_builder(self, signer: str, action: UserAction, _now_ms: int) -> None:
        rate = _RATE.fullmatch(action.text("maxFeeRate"))
        if rate is None:
            raise _Refused(BAD_RATE)
        self._agents.approve_builder(signer, action.text("builder"), int(Decimal(rate["percent"]) * 1000))

    def _send_usd(self, signer: str, action: UserAction, _now_ms: int) -> None:
        self._send(signer, action, self._find_token("USDC"))

    def _send_spot(self, signer: str, action: UserAction, _now_ms: int) -> None:
        self._send(signer, action, self._find_token(action.text("token")))

    def _send_asset(self, signer: str, action: UserAction, _now_ms: int) -> None:
        if (action.text("sourceDex"), action.text("destinationDex")) != ("spot", "spot"):
            raise _Refused(BAD_DEX)
        sender = signer
        if sub_account := action.text("fromSubAccount").lower():
            self._require_controlled(sub_account, by=signer)
            sender = sub_account
        self._send(sender, action, self._find_token(action.text("token")))

    def _create_sub_account(self, signer: str, action: UserAction, _now_ms: int) -> Json:
        made = self._agents.sub_accounts.create(signer, action.text("name"))
        if isinstance(made, str):
            raise _Refused(made)
        return {"type": "createSubAccount", "data": made.address}

    def _transfer_usd(self, signer: str, action: UserAction, _now_ms: int) -> None:
        """Move USDC, given in millionths."""
        self._transfer(signer, action, self._find_token("USDC"), Decimal(int(action.fields["usd"])) / 1_000_000)

    def _transfer_spot(self, signer: str, action: UserAction, _now_ms: int) -> None:
        token = self._find_token(action.text("token"))
        self._transfer(signer, action, token, _parse_amount(action.text("amount"), token))

    def _transfer(self, signer: str, action: UserAction, token: Token, amount: Decimal) -> None:
        """Move funds between a master and its sub-account, in either direction."""
        sub_account = action.text("subAccountUser")
        self._require_controlled(sub_account, by=signer)
        sender, receiver = (signer, sub_account) if action.fields["isDeposit"] else (sub_account, signer)
        if amount <= 0:
            raise _Refused(NOTHING)
        if amount > self._available(sender, token):
            raise _Refused(SHORT)
        self._run(Transfer(sender, receiver, token.index, amount))

    def _require_controlled(self, sub_account: str, *, by: str) -> None:
        if not self._agents.sub_accounts.is_controlled(sub_account, by=by):
            raise _Refused(f"Vault not registered: {sub_account}")

    def _change_class(self, _signer: str, action: UserAction, _now_ms: int) -> None:
        """Check a transfer between spot and perps, and move nothing.

        The sandbox has no perps, so only the amount is checked.
        """
        _parse_amount(action.text("amount").partition(" subaccount:")[0], self._find_token("USDC"))

    def _withdraw(self, signer: str, action: UserAction, _now_ms: int) -> None:
        """Withdraw to another chain; the amount includes the fee.

        Source: docs *Bridge2*; the refusal's text is decided here.
        """
        usdc = self._find_token("USDC")
        amount = _parse_amount(action.text("amount"), usdc)
        if amount <= WITHDRAW_FEE or amount > self._available(signer, usdc):
            raise _Refused(SHORT)
        self._run(Withdraw(signer, usdc.index, amount))

    def _send(self, signer: str, action: UserAction, token: Token) -> None:
        amount = _parse_amount(action.text("amount"), token)
        destination = action.text("destination")
        if destination == signer:
            raise _Refused(TO_ONESELF)
        if amount > self._available(signer, token):
            raise _Refused(SHORT)
        gas = None if destination in self._exchange.addresses() else self._find_gas(signer, token, amount)
        self._run(Transfer(signer, destination, token.index, amount))
        if gas is not None:
            self._run(Withdraw(signer, gas.index, GAS))

    def _find_gas(self, signer: str, token: Token, amount: Decimal) -> Token:
        """Find the token that pays for a first transfer.

        The fee is due for an address that was never funded.
        Source: measured: for a quote token the fee is paid in that token and in no other; for any other token in USDC,
        else in the first quote token by index whose balance suffices.
        """
        quotes = _quote_tokens(self._exchange.markets)
        if token in quotes:
            if self._available(signer, token) < amount + GAS:
                raise _Refused(NO_GAS.format(token=token.name))
            return token
        for quote in quotes:
            if self._available(signer, quote) >= GAS:
                return quote
        raise _Refused(NO_ANY_GAS)

    def _find_token(self, text: str) -> Token:
        """Find a token by `NAME:tokenId`; canonical ones by name alone."""
        for token in self._exchange.markets.tokens:
            if text == f"{token.name}:{token.token_id}" or (text == token.name and text in _BARE_NAMES):
                return token
        raise _Refused(UNKNOWN_TOKEN.format(token=text))

    def _available(self, signer: str, token: Token) -> Decimal:
        if signer not in self._exchange.addresses():
            return Decimal(0)
        return self._exchange.account(signer).available(token.index)

    def _run(self, command: Command) -> None:
        for effect in self._apply(command):
            if isinstance(effect, Refused):
                raise _Refused(effect.text)


def _quote_tokens(markets: Markets) -> list[Token]:
    """Return the quote tokens by index, USDC (index 0) first."""
    return sorted({pair.quote for pair in markets.pairs}, key=lambda token: token.index)


def _parse_amount(text: str, token: Token) -> Decimal:
    """Parse a positive amount with at most the token's decimals.

    Measured: exponents are allowed here, unlike in orders.
    """
    if not _AMOUNT.fullmatch(text):
        raise _Refused(NOT_A_NUMBER)
    try:
        amount = Decimal(text)
    except InvalidOperation as error:
        raise _Refused(NOT_A_NUMBER) from error
    if amount == 0:
        raise _Refused(NOTHING)
    exponent = amount.normalize().as_tuple().exponent
    assert isinstance(exponent, int)
    if amount < 0 or -exponent > token.wei_decimals:
        raise _Refused(TOO_FINE)
    return amount
