"""Faults of the world around a client: what its owner, its keys and its market do meanwhile.

Each becomes a command of the exchange, or a word to its door, so that clients hear of it as they hear of everything.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from random import Random

from mm_trio.sandbox.api.auth import Auth
from mm_trio.sandbox.api.gateway import Gateway
from mm_trio.sandbox.clock import Clock
from mm_trio.sandbox.faults.dice import Strike
from mm_trio.sandbox.faults.kinds import FaultKind
from mm_trio.sandbox.model.commands import (
    Answered,
    CancelByOid,
    Command,
    DelistPair,
    Deposit,
    ExhaustBudget,
    NewOrder,
    PlaceOrders,
    Refused,
    RelistPair,
    ReserveRequestWeight,
    Resting,
    SetPostOnly,
    Withdraw,
)
from mm_trio.sandbox.model.markets import Pair

__all__ = ["FaultTarget", "WorldFaults"]

_log = logging.getLogger(__name__)

# Worth in quote units, least and most, where a rule names none: small beside an account that can make a market.
_AMOUNTS: dict[FaultKind, tuple[int, int]] = {
    FaultKind.MANUAL_ORDER: (12, 60),
    FaultKind.DEPOSIT: (10, 500),
    FaultKind.WITHDRAWAL: (10, 500),
}
_AWAY_BPS = (5, 150)  # how far from the best price an order by hand rests
_PRICE_FIGURES = 5
_PRICE_DECIMALS = 8  # less the size decimals


@dataclass(frozen=True, slots=True)
class FaultTarget:
    """An account that faults may strike, and the key that acts for it; empty where there is none."""

    account: str
    agent: str = ""


class WorldFaults:
    """Carries out what a strike means for an account or the market.

    `payer`: an account that in the end buys new requests for one whose budget was exhausted; without it that stays
    as the venue would have it, until the account has traded enough.
    """

    def __init__(
        self, gateway: Gateway, auth: Auth, clock: Clock, rng: Random, *, pairs: Sequence[Pair], payer: str = ""
    ) -> None:
        self._gateway = gateway
        self._auth = auth
        self._clock = clock
        self._rng = rng
        self._pairs = tuple(pairs)
        self._payer = payer
        self._actions: dict[FaultKind, Callable[[Strike, FaultTarget], bool]] = {
            FaultKind.BUDGET_EXHAUSTED: self._exhaust_budget,
            FaultKind.AGENT_REVOKED: self._revoke_agent,
            FaultKind.MANUAL_ORDER: self._order_by_hand,
            FaultKind.MANUAL_CANCEL: self._cancel_by_hand,
            FaultKind.DEPOSIT: self._deposit,
            FaultKind.WITHDRAWAL: self._withdraw,
            FaultKind.DELISTED: self._delist,
            FaultKind.UPGRADE: self._upgrade,
        }
        self._under_way: set[tuple[FaultKind, str]] = set()  # states that last, and whom they concern

    def strike(self, strike: Strike, target: FaultTarget) -> bool:
        """Do it; gives whether anything came of it: no order to cancel, nothing to withdraw, under way already."""
        return self._actions[strike.kind](strike, target)

    # --- states that last -----------------------------------------------------------------------

    def _begin(self, strike: Strike, concerned: str, undo: Callable[[], object]) -> bool:
        """Note that a state begins, and when it ends; False if it lasts already."""
        key = (strike.kind, concerned)
        if key in self._under_way:
            return False
        self._under_way.add(key)

        def end() -> None:
            self._under_way.discard(key)
            undo()
            _log.info("fault %s: over for %s", strike.kind.value, concerned)

        self._clock.call_in(strike.for_s, end)
        return True

    def _revoke_agent(self, strike: Strike, target: FaultTarget) -> bool:
        agent = self._auth.agents.find(target.agent.lower(), now_ms=self._clock.now_ms())
        if agent is None or not self._begin(strike, agent.address, lambda: self._auth.agents.register(agent)):
            return False
        self._auth.revoke_agent(agent.address)
        return self._log_strike(strike, agent.address)

    def _delist(self, strike: Strike, target: FaultTarget) -> bool:
        pair = self._rng.choice(self._pairs)
        if not self._begin(strike, pair.name, lambda: self._gateway.apply(RelistPair(pair.asset))):
            return False
        self._gateway.apply(DelistPair(pair.asset))
        return self._log_strike(strike, pair.name)

    def _upgrade(self, strike: Strike, target: FaultTarget) -> bool:
        if not self._begin(strike, "the exchange", lambda: self._gateway.apply(SetPostOnly(False))):
            return False
        self._gateway.apply(SetPostOnly(True))
        return self._log_strike(strike, "the exchange")

    # --- single deeds ---------------------------------------------------------------------------

    def _exhaust_budget(self, strike: Strike, target: FaultTarget) -> bool:
        account = self._gateway.exchange.account(target.account)
        if account.request_cap is None or account.n_requests >= account.request_cap:
            return False
        weight = account.request_cap
        if self._payer and not self._begin(strike, target.account, lambda: self._buy_requests(target.account, weight)):
            return False
        self._gateway.apply(ExhaustBudget(target.account))
        return self._log_strike(strike, target.account)

    def _buy_requests(self, account: str, weight: int) -> None:
        self._gateway.apply(ReserveRequestWeight(self._payer, weight, destination=account))

    def _order_by_hand(self, strike: Strike, target: FaultTarget) -> bool:
        pair = self._rng.choice(self._pairs)
        is_buy = self._rng.random() < 0.5
        best = self._find_price(pair, is_buy=is_buy)
        if best is None:
            return False
        away = Decimal(self._rng.randint(*_AWAY_BPS)) / 10_000
        price = _round_price(best * (1 - away if is_buy else 1 + away), pair)
        if price <= 0:
            return False
        lot = Decimal(1).scaleb(-pair.base.sz_decimals)
        size = (self._draw_amount(strike) / price / lot).to_integral_value(ROUND_CEILING) * lot
        order = NewOrder(pair.asset, is_buy, price, size, "Alo")
        answer = self._apply(PlaceOrders(target.account, (order,)))
        if not isinstance(answer, Answered) or not isinstance(answer.statuses[0], Resting):
            return False
        return self._log_strike(
            strike, f"{target.account} {'buys' if is_buy else 'sells'} {size} {pair.name} at {price}"
        )

    def _cancel_by_hand(self, strike: Strike, target: FaultTarget) -> bool:
        orders = self._gateway.exchange.open_orders(target.account)
        if not orders:
            return False
        order = self._rng.choice(orders)
        self._gateway.apply(CancelByOid(target.account, ((order.asset, order.oid),)))
        is_gone = all(order.oid != left.oid for left in self._gateway.exchange.open_orders(target.account))
        return is_gone and self._log_strike(strike, f"{target.account} cancels {order.oid}")

    def _deposit(self, strike: Strike, target: FaultTarget) -> bool:
        token, amount = self._draw_money(strike)
        self._gateway.apply(Deposit(target.account, token, amount))
        return self._log_strike(strike, f"{target.account} gets {amount} of token {token}")

    def _withdraw(self, strike: Strike, target: FaultTarget) -> bool:
        token, amount = self._draw_money(strike)
        amount = min(amount, self._gateway.exchange.account(target.account).available(token))
        if amount <= 0 or isinstance(self._apply(Withdraw(target.account, token, amount)), Refused):
            return False
        return self._log_strike(strike, f"{target.account} takes {amount} of token {token}")

    # --- draws ----------------------------------------------------------------------------------

    def _draw_amount(self, strike: Strike) -> Decimal:
        """In quote units."""
        return strike.amount or Decimal(self._rng.randint(*_AMOUNTS[strike.kind]))

    def _draw_money(self, strike: Strike) -> tuple[int, Decimal]:
        """A token of some pair, and how much of it: whole lots of a base token."""
        pair, amount = self._rng.choice(self._pairs), self._draw_amount(strike)
        price = self._find_price(pair, is_buy=True)
        if price is None or self._rng.random() < 0.5:
            return pair.quote.index, amount
        lot = Decimal(1).scaleb(-pair.base.sz_decimals)
        return pair.base.index, max(lot, (amount / price / lot).to_integral_value(ROUND_FLOOR) * lot)

    def _find_price(self, pair: Pair, *, is_buy: bool) -> Decimal | None:
        """The best price of that side, or else of the other, or else the last one traded."""
        bid, ask = self._gateway.exchange.best_bid_ask(pair.name)
        first, second = (bid, ask) if is_buy else (ask, bid)
        return first or second or self._gateway.exchange.last_price(pair.name)

    def _apply(self, command: Command) -> Answered | Refused | None:
        effects = self._gateway.apply(command)
        return next((effect for effect in effects if isinstance(effect, Answered | Refused)), None)

    def _log_strike(self, strike: Strike, what: str) -> bool:
        _log.info("fault %s: %s", strike.kind.value, what)
        return True


def _round_price(price: Decimal, pair: Pair) -> Decimal:
    """Down to a legal price."""
    exponent = max(price.adjusted() - _PRICE_FIGURES + 1, pair.base.sz_decimals - _PRICE_DECIMALS)
    return price.quantize(Decimal(1).scaleb(exponent), rounding=ROUND_FLOOR)
