"""Amounts that we own and may offer.

Fills move them, balances check them. `account` follows the venue's balance of the two tokens; `virtual` begins at the
operator's allocation and moves by fills alone. The smaller of the two may be offered. Both are sums of a ledger's
entries: where balances are taken over, the difference is recorded here, by its reasons as far as they are known; a fill
is recorded where it is bound to its order.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Literal

from mm_trio.funds.movements import Movements
from mm_trio.funds.trade_effects import name_trade
from mm_trio.model.journal_entries import Accounted, Adjusted, Allocated, Entry, Moved, Record, Summed, forget
from mm_trio.model.market import NOTHING_HELD, Balances
from mm_trio.model.numbers import EXACT, Number, to_decimal
from mm_trio.model.orders import FillResult, Side

__all__ = ["BalanceCheck", "BalanceVerdict", "FeeToken", "Inventory"]

FeeToken = Literal["base", "quote"]

# Between two polls of a balance that is to be believed over the fills, and before the first of them: longer than any
# frame of a live feed is late.
BALANCE_CONFIRM_S = 2.0
# Margin that comes and goes changes what is free every few seconds. After two changes within this time of the one
# before, the next ones are confirmed ever later, up to the longest pause.
CALM_S, LONGEST_CONFIRM_S = 60.0, 32.0


class BalanceVerdict(Enum):
    """Verdict on a balance that was handed in."""

    EQUAL = "equal to the ledger"
    ASK_AGAIN = "different; another poll will decide"
    ADOPTED = "different; taken over"


@dataclass(frozen=True, slots=True)
class BalanceCheck:
    """Verdict, and the balance less the ledger.

    `held` is the part of the venue's totals that others hold.
    """

    verdict: BalanceVerdict
    token_change: Decimal
    usdc_change: Decimal
    held: Balances = NOTHING_HELD


class Inventory:
    """Ledger of one pair on one account.

    Base is "token", quote is "usdc". With an allocation of a token `effective = min(virtual, account)`; without one the
    whole account is the allocation and `effective` follows it. Amounts in base and quote units, exact.
    """

    def __init__(
        self,
        order_sz: Number,
        allocated_token: Number | None = None,
        allocated_usdc: Number | None = None,
        account_token: Number = 0,
        account_usdc: Number = 0,
    ) -> None:
        self.order_sz = to_decimal(order_sz, name="order_sz")
        self.virtual_token = None if allocated_token is None else to_decimal(allocated_token, name="allocated_token")
        self.virtual_usdc = None if allocated_usdc is None else to_decimal(allocated_usdc, name="allocated_usdc")
        self.account_token = to_decimal(account_token, name="account_token")
        self.account_usdc = to_decimal(account_usdc, name="account_usdc")
        # As the operator set it; fills move `virtual`.
        self.allocation = (self.virtual_token, self.virtual_usdc)
        self.expects_transfers = False
        # What this session took over without a reason, base and quote, less what was explained later.
        self.unexplained = (Decimal(0), Decimal(0))
        self.record: Record = forget
        self.movements = Movements()
        # When the first differing balance was asked for.
        self._doubted_since_s: float | None = None
        # How long a difference has to last, and when one was last taken over.
        self.confirm_s = BALANCE_CONFIRM_S
        self._adopted_s = float("-inf")

    def __repr__(self) -> str:
        mine = f"token={self.effective_token} usdc={self.effective_usdc}"
        return f"<Inventory {mine}, account token={self.account_token} usdc={self.account_usdc}>"

    def start_recording(self, record: Record, *, expects_transfers: bool) -> None:
        """Record every change from here on."""
        self.record, self.expects_transfers = record, expects_transfers

    @property
    def effective_token(self) -> Decimal:
        """Return the base that we may offer; never below zero."""
        return _effective(self.virtual_token, self.account_token)

    @property
    def effective_usdc(self) -> Decimal:
        """Return the quote that we may spend; never below zero."""
        return _effective(self.virtual_usdc, self.account_usdc)

    def find_guarded_sides(self) -> frozenset[Side]:
        """Return the sides that the venue's own balance check protects.

        They are those without an allocation: the ledger is the account there. And those whose account holds no
        more than the ledger, unless `expects_transfers`: it may hold more by now, for a transfer is known late.
        """
        token = self.virtual_token is None or (not self.expects_transfers and self.account_token <= self.virtual_token)
        usdc = self.virtual_usdc is None or (not self.expects_transfers and self.account_usdc <= self.virtual_usdc)
        sides: tuple[tuple[Side, bool], ...] = (("sell", token), ("buy", usdc))
        return frozenset(side for side, is_guarded in sides if is_guarded)

    def on_ask_fill(self, px: Number, sz: Number, fee: Number = 0, fee_token: FeeToken = "quote") -> None:
        """Move by a sale of `sz` at `px`.

        The venue takes the fee from what is received: quote, unless `fee_token` says otherwise.
        """
        price, size = to_decimal(px), to_decimal(sz)
        self._move(EXACT.minus(size), EXACT.multiply(price, size), to_decimal(fee), fee_token)

    def on_bid_fill(self, px: Number, sz: Number, fee: Number = 0, fee_token: FeeToken = "base") -> None:
        """Move by a purchase of `sz` at `px`.

        The venue takes the fee from what is received: base, unless `fee_token` says otherwise.
        """
        price, size = to_decimal(px), to_decimal(sz)
        self._move(size, EXACT.minus(EXACT.multiply(price, size)), to_decimal(fee), fee_token)

    def book(self, fill: FillResult) -> None:
        """Move by a fill of ours and its fee.

        A fee in a third token leaves our two alone: the balance check finds what else it cost.
        """
        default: FeeToken = "quote" if fill.side == "sell" else "base"
        fee = fill.fee if fill.fee_token in ("base", "quote", None) else Decimal(0)
        fee_token: FeeToken = "base" if (fill.fee_token or default) == "base" else "quote"
        if fill.tid is not None:
            self.movements.on_own(name_trade(fill.tid, fill.oid))
        move = self.on_ask_fill if fill.side == "sell" else self.on_bid_fill
        move(fill.price, fill.size, fee, fee_token)

    def on_allocated(self, allocation: Allocated) -> None:
        """Take the operator's new allocation.

        The ledger keeps what it gained or lost on the last one.
        """
        token, usdc = self.allocation
        self.virtual_token = _shift(self.virtual_token, token, allocation.token)
        self.virtual_usdc = _shift(self.virtual_usdc, usdc, allocation.usdc)
        self.allocation = (allocation.token, allocation.usdc)
        self.record(allocation)

    def change_order_size(self, order_sz: Decimal) -> None:
        """Offer orders of another size from here on."""
        self.order_sz = order_sz

    def on_adjusted(self, entry: Adjusted) -> None:
        """Move the account by a change without a fill."""
        self._add(entry)

    def on_unexplained(self, entry: Adjusted) -> None:
        """Move the account by a change that nothing explains, and keep in mind that it happened."""
        self.on_adjusted(entry)
        token, usdc = self.unexplained
        self.unexplained = EXACT.add(token, entry.token), EXACT.add(usdc, entry.usdc)

    def on_moved(self, entry: Moved) -> None:
        """Move the account by an explained movement of funds."""
        self.movements.on_moved(entry)
        self._add(entry)

    def on_accounted(self, entry: Accounted) -> None:
        """Take what a checkpoint says of movements."""
        self.movements.on_accounted(entry)

    def _add(self, entry: Adjusted | Moved) -> None:
        # A token may have more decimals than a sum of Decimals keeps by itself.
        self.account_token = EXACT.add(self.account_token, entry.token)
        self.account_usdc = EXACT.add(self.account_usdc, entry.usdc)
        self.record(entry)

    def suppose(self, entry: Adjusted) -> Inventory:
        """Return a copy after such a change; nothing is recorded."""
        supposed = copy(self)
        supposed.start_recording(forget, expects_transfers=self.expects_transfers)
        supposed.on_adjusted(entry)
        return supposed

    def on_summed(self, sums: Summed) -> None:
        """Take the sums of a checkpoint."""
        self.virtual_token, self.virtual_usdc = sums.virtual_token, sums.virtual_usdc
        self.account_token, self.account_usdc = sums.account_token, sums.account_usdc

    def summarise(self) -> tuple[Entry, ...]:
        """Return entries that recreate this ledger."""
        sums = Summed(self.virtual_token, self.virtual_usdc, self.account_token, self.account_usdc)
        return Allocated(*self.allocation), sums, self.movements.summarise()

    def _move(self, token: Decimal, usdc: Decimal, fee: Decimal, fee_token: FeeToken) -> None:
        if fee_token not in ("base", "quote"):
            raise ValueError(f"fee_token must be 'base' or 'quote', got {fee_token!r}")
        if fee_token == "base":
            token = EXACT.subtract(token, fee)
        else:
            usdc = EXACT.subtract(usdc, fee)
        self.account_token = EXACT.add(self.account_token, token)
        self.account_usdc = EXACT.add(self.account_usdc, usdc)
        if self.virtual_token is not None:
            self.virtual_token = EXACT.add(self.virtual_token, token)
        if self.virtual_usdc is not None:
            self.virtual_usdc = EXACT.add(self.virtual_usdc, usdc)

    def on_balance_update(
        self,
        token: Number,
        usdc: Number,
        *,
        asked_s: float | None = None,
        quiet_since_s: float | None = None,
        proves: bool = True,
    ) -> BalanceCheck:
        """Check the ledger's account against a balance of the venue's.

        Without `asked_s` it is taken over at once. With `asked_s` (when the venue was asked) it is only believed over
        the fills if another one asked for 2 s earlier differed too, and nothing happened to us from 2 s
        before that one on: `quiet_since_s` is when the last fill was applied or the last doubt ended. A
        balance does not say how old it is: it may lack a fill that is counted, or hold one not reported yet. One that
        does not prove anything by itself (without `proves`) is no look at all: it is asked for again.
        """
        token, usdc = to_decimal(token), to_decimal(usdc)
        change = EXACT.subtract(token, self.account_token), EXACT.subtract(usdc, self.account_usdc)
        if not any(change):
            self._doubted_since_s = None
            return BalanceCheck(BalanceVerdict.EQUAL, *change)
        if asked_s is not None and not (proves and self._is_confirmed(asked_s, quiet_since_s)):
            return BalanceCheck(BalanceVerdict.ASK_AGAIN, *change)
        if asked_s is None:
            self.on_adjusted(Adjusted(*change, "balance"))
        else:
            self._apply(self.movements.explain(*change))
        self._doubted_since_s = None
        if asked_s is not None:
            is_restless = asked_s - self._adopted_s < CALM_S
            self.confirm_s = min(2 * self.confirm_s, LONGEST_CONFIRM_S) if is_restless else BALANCE_CONFIRM_S
            self._adopted_s = asked_s
        return BalanceCheck(BalanceVerdict.ADOPTED, *change)

    def wants_reasons(self, now_s: float, *, quiet_since_s: float) -> bool:
        """Return whether a balance asked for now may be taken over, or one was and nothing explains it yet."""
        first_s = self._doubted_since_s
        if first_s is None:
            return self.movements.wants_reasons
        return self._is_quiet(quiet_since_s) and now_s - first_s >= self._find_least_s(now_s)

    def explain_late(self) -> None:
        """Record the reasons of past differences that were told only now.

        Called where a balance is equal to the ledger: the account stays as it is.
        """
        self._apply(self.movements.explain_late())

    def _apply(self, entries: Iterable[Moved | Adjusted]) -> None:
        for entry in entries:
            if isinstance(entry, Moved):
                self.on_moved(entry)
            else:
                self.on_unexplained(entry)

    def _is_confirmed(self, asked_s: float, quiet_since_s: float | None) -> bool:
        first_s = self._doubted_since_s
        if first_s is None or not self._is_quiet(quiet_since_s):
            self._doubted_since_s = asked_s
            return False
        return asked_s - first_s >= self._find_least_s(asked_s)

    def _is_quiet(self, quiet_since_s: float | None) -> bool:
        first_s = self._doubted_since_s
        return quiet_since_s is None or (first_s is not None and quiet_since_s <= first_s - BALANCE_CONFIRM_S)

    def _find_least_s(self, asked_s: float) -> float:
        """Return how long a difference has to last by now."""
        is_calm = asked_s - self._adopted_s >= CALM_S
        return BALANCE_CONFIRM_S if is_calm else self.confirm_s


def _effective(virtual: Decimal | None, account: Decimal) -> Decimal:
    return max(Decimal(0), account if virtual is None else min(virtual, account))


def _shift(virtual: Decimal | None, before: Decimal | None, now: Decimal | None) -> Decimal | None:
    if virtual is None or before is None or now is None:
        return now
    return EXACT.subtract(EXACT.add(virtual, now), before)
