"""Faults outside the client: owner, keys and market.

Each fault becomes a command of the exchange or a change of its agents, so clients learn of it through the usual
answers and frames.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from random import Random

from mm_trio.sandbox.api.auth import MUST_DEPOSIT, NO_SUCH_WALLET, Auth
from mm_trio.sandbox.api.gateway import Gateway
from mm_trio.sandbox.clock import Clock
from mm_trio.sandbox.faults.dice import Strike
from mm_trio.sandbox.faults.kinds import FaultKind
from mm_trio.sandbox.faults.refusal_texts import draw_refusal
from mm_trio.sandbox.model.commands import (
    Answered,
    CancelByOid,
    Command,
    DelistPair,
    Deposit,
    ExhaustBudget,
    HoldElsewhere,
    NewOrder,
    PlaceOrders,
    Refused,
    RefuseOrders,
    RelistPair,
    ReserveRequestWeight,
    Resting,
    SetPostOnly,
    Withdraw,
)
from mm_trio.sandbox.model.markets import Pair

__all__ = ["FaultTarget", "WorldFaults"]

_log = logging.getLogger(__name__)

# Minimum and maximum value in quote units, for a rule that names no amount. Small compared to an account that can make
# a market.
_AMOUNTS: dict[FaultKind, tuple[int, int]] = {
    FaultKind.MANUAL_ORDER: (12, 60),
    FaultKind.DEPOSIT: (10, 500),
    FaultKind.WITHDRAWAL: (10, 500),
    FaultKind.HELD_ELSEWHERE: (10, 500),
}
# Distance of a manual order from the best price.
_AWAY_BPS = (5, 150)
_PRICE_FIGURES = 5
# From this the pair's size decimals are subtracted.
_PRICE_DECIMALS = 8


@dataclass(frozen=True, slots=True)
class FaultTarget:
    """Account that faults may strike, and its agent's address.

    `agent` is empty if there is none.
    """

    account: str
    agent: str = ""


class WorldFaults:
    """Carries out strikes on an account or the market.

    `payer`: an account that buys new requests once an exhausted budget has lasted its time. Without it the budget stays
    exhausted, as at the venue, until the account has traded enough.
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
            FaultKind.HELD_ELSEWHERE: self._hold_elsewhere,
            FaultKind.DELISTED: self._delist,
            FaultKind.UPGRADE: self._upgrade,
            FaultKind.REFUSED_FOR_GOOD: self._refuse_orders,
            FaultKind.AGENT_EXPIRED: self._expire_agent,
        }
        # Lasting states: the kind, and the account, agent or pair that it concerns.
        self._under_way: set[tuple[FaultKind, str]] = set()

    def strike(self, strike: Strike, target: FaultTarget) -> bool:
        """Carry out a strike; return True if effective.

        A strike has no effect if there is no order to cancel, nothing to withdraw, or the state already lasts.
        """
        return self._actions[strike.kind](strike, target)

    # --- States that last -----------------------------------------------------------------------

    def _begin(self, strike: Strike, scope: str, undo: Callable[[], object]) -> bool:
        """Begin a lasting state and schedule its end.

        `scope` names the account, agent or pair that it concerns. Returns: False if the state already lasts.
        """
        key = (strike.kind, scope)
        if key in self._under_way:
            return False
        self._under_way.add(key)

        def end() -> None:
            self._under_way.discard(key)
            undo()
            _log.info("fault ended: kind=%s scope=%s", strike.kind.value, scope)

        self._clock.call_in(strike.for_s, end)
        return True

    def _revoke_agent(self, strike: Strike, target: FaultTarget) -> bool:
        agent = self._auth.agents.find(target.agent.lower(), now_ms=self._clock.now_ms())
        if agent is None or not self._begin(strike, agent.address, lambda: self._auth.agents.register(agent)):
            return False
        self._auth.revoke_agent(agent.address)
        return self._log_strike(strike, f"agent={agent.address}")

    def _expire_agent(self, strike: Strike, target: FaultTarget) -> bool:
        """Deregister the agent for good, with either of the venue's texts for a signer that it does not know."""
        agent = self._auth.agents.find(target.agent.lower(), now_ms=self._clock.now_ms())
        if agent is None:
            return False
        self._auth.revoke_agent(agent.address, refusal=self._rng.choice((NO_SUCH_WALLET, MUST_DEPOSIT)))
        return self._log_strike(strike, f"agent={agent.address}")

    def _delist(self, strike: Strike, target: FaultTarget) -> bool:
        pair = self._rng.choice(self._pairs)
        if not self._begin(strike, pair.name, lambda: self._gateway.apply(RelistPair(pair.asset))):
            return False
        self._gateway.apply(DelistPair(pair.asset))
        return self._log_strike(strike, f"pair={pair.name}")

    def _upgrade(self, strike: Strike, target: FaultTarget) -> bool:
        if not self._begin(strike, "exchange", lambda: self._gateway.apply(SetPostOnly(False))):
            return False
        self._gateway.apply(SetPostOnly(True))
        return self._log_strike(strike, "scope=exchange")

    def _hold_elsewhere(self, strike: Strike, target: FaultTarget) -> bool:
        token, amount = self._draw_money(strike)
        if self._gateway.exchange.account(target.account).available(token) <= 0:
            return False
        free = HoldElsewhere(target.account, token, Decimal(0))
        if not self._begin(strike, target.account, lambda: self._gateway.apply(free)):
            return False
        self._gateway.apply(HoldElsewhere(target.account, token, amount))
        return self._log_strike(strike, f"account={target.account} amount={amount} token={token}")

    def _refuse_orders(self, strike: Strike, target: FaultTarget) -> bool:
        end = RefuseOrders(target.account, None)
        if not self._begin(strike, target.account, lambda: self._gateway.apply(end)):
            return False
        refusal = draw_refusal(self._rng, target.account)
        self._gateway.apply(refusal)
        return self._log_strike(strike, f"account={target.account} scope={refusal.scope} text={refusal.text}")

    # --- Single actions -------------------------------------------------------------------------

    def _exhaust_budget(self, strike: Strike, target: FaultTarget) -> bool:
        account = self._gateway.exchange.account(target.account)
        if account.request_cap is None or account.n_requests >= account.request_cap:
            return False
        weight = account.request_cap
        if self._payer and not self._begin(strike, target.account, lambda: self._buy_requests(target.account, weight)):
            return False
        self._gateway.apply(ExhaustBudget(target.account))
        return self._log_strike(strike, f"account={target.account}")

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
        side = "buy" if is_buy else "sell"
        details = f"account={target.account} side={side} size={size} pair={pair.name} price={price}"
        return self._log_strike(strike, details)

    def _cancel_by_hand(self, strike: Strike, target: FaultTarget) -> bool:
        orders = self._gateway.exchange.open_orders(target.account)
        if not orders:
            return False
        order = self._rng.choice(orders)
        self._gateway.apply(CancelByOid(target.account, ((order.asset, order.oid),)))
        is_gone = all(order.oid != left.oid for left in self._gateway.exchange.open_orders(target.account))
        return is_gone and self._log_strike(strike, f"account={target.account} cancelled_oid={order.oid}")

    def _deposit(self, strike: Strike, target: FaultTarget) -> bool:
        token, amount = self._draw_money(strike)
        self._gateway.apply(Deposit(target.account, token, amount))
        return self._log_strike(strike, f"account={target.account} amount={amount} token={token}")

    def _withdraw(self, strike: Strike, target: FaultTarget) -> bool:
        token, amount = self._draw_money(strike)
        amount = min(amount, self._gateway.exchange.account(target.account).available(token))
        if amount <= 0 or isinstance(self._apply(Withdraw(target.account, token, amount)), Refused):
            return False
        return self._log_strike(strike, f"account={target.account} amount={amount} token={token}")

    # --- Draws ----------------------------------------------------------------------------------

    def _draw_amount(self, strike: Strike) -> Decimal:
        """Return the rule's value, or draw one, in quote."""
        return strike.amount or Decimal(self._rng.randint(*_AMOUNTS[strike.kind]))

    def _draw_money(self, strike: Strike) -> tuple[int, Decimal]:
        """Draw a token of some pair and an amount.

        Amounts of a base token are whole lots.
        """
        pair, amount = self._rng.choice(self._pairs), self._draw_amount(strike)
        price = self._find_price(pair, is_buy=True)
        if price is None or self._rng.random() < 0.5:
            return pair.quote.index, amount
        lot = Decimal(1).scaleb(-pair.base.sz_decimals)
        return pair.base.index, max(lot, (amount / price / lot).to_integral_value(ROUND_FLOOR) * lot)

    def _find_price(self, pair: Pair, *, is_buy: bool) -> Decimal | None:
        """Return this side's best price.

        Without one: the other side's best price, else the last traded price.
        """
        bid, ask = self._gateway.exchange.best_bid_ask(pair.name)
        first, second = (bid, ask) if is_buy else (ask, bid)
        return first or second or self._gateway.exchange.last_price(pair.name)

    def _apply(self, command: Command) -> Answered | Refused | None:
        effects = self._gateway.apply(command)
        return next((effect for effect in effects if isinstance(effect, Answered | Refused)), None)

    def _log_strike(self, strike: Strike, details: str) -> bool:
        """Log a strike and return True for the caller."""
        _log.info("fault struck: kind=%s %s", strike.kind.value, details)
        return True


def _round_price(price: Decimal, pair: Pair) -> Decimal:
    """Round down to a legal price."""
    exponent = max(price.adjusted() - _PRICE_FIGURES + 1, pair.base.sz_decimals - _PRICE_DECIMALS)
    return price.quantize(Decimal(1).scaleb(exponent), rounding=ROUND_FLOOR)
