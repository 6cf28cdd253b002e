"""Tokens of an account that several of its grids use.

The venue shows one total of a token and knows of no grids. Each grid is shown its own part of it as if that were all.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import TypeAlias

import trio

from mm_trio.funds.token_parts import Part, check_allocations, plan_allocations
from mm_trio.funds.token_pool import Look, LookVerdict, TokenBalance, TokenPool
from mm_trio.model.errors import ConfigError
from mm_trio.model.journal_entries import Adjusted
from mm_trio.model.market import Balances, Market
from mm_trio.model.numbers import EXACT
from mm_trio.model.orders import Side
from mm_trio.model.settings import Allotment
from mm_trio.state.maker_state import MakerState

__all__ = ["SharedFunds"]

_log = logging.getLogger(__name__)

# The venue's balances have no smaller amount.
UNIT = Decimal("0.00000001")
_SIDES: tuple[Side, Side] = ("sell", "buy")
# A grid's token, by the side whose orders hold it.
_Use: TypeAlias = tuple[MakerState, Side]


class SharedFunds:
    """Owner of the pools of an account, one for each token that several grids use.

    `states` are those of all grids. `want_look` asks for a reconciliation of a coin in so many seconds. Errors:
    ConfigError where a grid has no allocation of a token that it shares.
    """

    def __init__(self, states: Sequence[MakerState], *, want_look: Callable[[str, float], None]) -> None:
        self._states: dict[str, MakerState] = {}
        self._uses: dict[int, list[_Use]] = {}
        self._pools: dict[int, TokenPool] = {}
        self._want_look = want_look
        # Grids that come while others quote, until the account is known to cover them.
        self._joining: set[str] = set()
        # What each ledger had when it was looked at last, to tell by how much a fill moved it.
        self._amounts: dict[tuple[str, Side], Decimal] = {}
        self._last: dict[int, tuple[float | None, bool, Look]] = {}
        self._share_among({state.market.coin: state for state in states})

    def join(self, state: MakerState) -> None:
        """Share with another grid. Errors: ConfigError where it has no allocation of a shared token."""
        self._share_among({**self._states, state.market.coin: state})
        self._joining.add(state.market.coin)

    def leave(self, coin: str) -> None:
        """Share no longer with a grid that rests nothing; what it had is nobody's."""
        self._share_among({name: state for name, state in self._states.items() if name != coin})
        self._joining.discard(coin)
        for side in _SIDES:
            self._amounts.pop((coin, side), None)

    def _share_among(self, states: dict[str, MakerState]) -> None:
        uses: dict[int, list[_Use]] = {}
        for state in states.values():
            uses.setdefault(state.market.base.index, []).append((state, "sell"))
            uses.setdefault(state.market.quote.index, []).append((state, "buy"))
        shared = {token: some for token, some in uses.items() if len(some) > 1}
        for some in shared.values():
            _check_allocated(some)
        self._states, self._uses = states, shared
        self._pools = {token: self._pools.get(token) or TokenPool(unit=UNIT) for token in shared}
        self._last.clear()
        for some in shared.values():
            for state, side in some:
                # What moves the account moves nobody's part.
                state.inventory.movements.leave_out(side)

    def __call__(
        self, market: Market, balances: Balances, *, asked_s: float | None, was_pushed: bool = False
    ) -> Balances:
        """Return what one grid may take for its balances.

        `asked_s` None: the grid begins, and takes over what is shown. Errors: ConfigError where the account cannot
        cover what grids that begin are allotted.
        """
        state, now_s = self._states[market.coin], trio.current_time()
        show = partial(self._show, state, asked_s=asked_s, now_s=now_s, was_pushed=was_pushed)
        token = show("sell", TokenBalance(balances.token, balances.held_token))
        usdc = show("buy", TokenBalance(balances.usdc, balances.held_usdc))
        self._joining.discard(market.coin)
        return Balances(token.total, usdc.total, token.held, usdc.held)

    def check_change(self, market: Market, balances: Balances, allocation: Allotment) -> None:
        """Check that the account covers another allocation of a grid. Errors: ConfigError."""
        state, now_s = self._states[market.coin], trio.current_time()
        before, amounts = state.inventory.allocation, (balances.token, balances.usdc)
        held = balances.held_token, balances.held_usdc
        for n, side in enumerate(_SIDES):
            uses = self._uses.get(market.base.index if side == "sell" else market.quote.index)
            new, old = allocation[n], before[n]
            if uses is None or new == old:
                continue
            if new is None or old is None:
                _check_allocated([(state, side)])
                continue
            parts = [_make_part(use, now_s) for use in uses]
            wanted = plan_allocations(parts, {market.coin: EXACT.subtract(new, old)})
            _check_wanted(wanted, parts, uses, TokenBalance(amounts[n], held[n]))

    def on_allocated(self, market: Market, balances: Balances, before: Allotment) -> None:
        """Give a grid at once what its allocation was raised by: `check_change` found that the account has that.

        Looks would give it too, once nothing has moved for a while; until then its ladder would be a smaller one. A
        grid that is alone with a token gets no more than there is.
        """
        state, amounts = self._states[market.coin], (balances.token, balances.usdc)
        held = balances.held_token, balances.held_usdc
        for n, side in enumerate(_SIDES):
            token = market.base.index if side == "sell" else market.quote.index
            new, old = state.inventory.allocation[n], before[n]
            if new is None or old is None or new <= old:
                continue
            raised = EXACT.subtract(new, old)
            if token not in self._uses:
                there = state.find_usable(side, amounts[n], held[n]).most
                raised = min(raised, EXACT.subtract(there, _find_amount((state, side))))
            if raised <= 0:
                continue
            moved = (raised, Decimal(0)) if side == "sell" else (Decimal(0), raised)
            state.inventory.on_adjusted(Adjusted(*moved, "allocation"))
            self._amounts[market.coin, side] = _find_amount((state, side))

    def on_booked(self, state: MakerState) -> None:
        """Note that a grid's ledger moved by a fill of its own."""
        now_s = trio.current_time()
        for token, side in ((state.market.base.index, "sell"), (state.market.quote.index, "buy")):
            if (pool := self._pools.get(token)) is None:
                continue
            use: _Use = (state, "sell" if side == "sell" else "buy")
            amount, key = _find_amount(use), (state.market.coin, use[1])
            if (before := self._amounts.get(key)) is not None and amount != before:
                pool.on_moved(EXACT.subtract(amount, before), now_s=now_s)
            self._amounts[key] = amount

    def _show(
        self,
        state: MakerState,
        side: Side,
        balance: TokenBalance,
        *,
        asked_s: float | None,
        now_s: float,
        was_pushed: bool,
    ) -> TokenBalance:
        index = state.market.base.index if side == "sell" else state.market.quote.index
        if (pool := self._pools.get(index)) is None:
            return balance
        uses, coin = self._uses[index], state.market.coin
        parts = [_make_part(use, now_s) for use in uses]
        if asked_s is None or coin in self._joining:
            # The others' parts are theirs, whatever this one begins or comes back with.
            _check_beginning(parts, uses, balance, coin=coin)
        if asked_s is None:
            return TokenBalance(next(part.entitled for part in parts if part.name == coin), Decimal(0))
        last = self._last.get(index)
        if last is None or last[:2] != (asked_s, was_pushed):
            # One answer of the venue is one look, whichever grid is shown it first.
            look = pool.look(parts, _take_off_foreign(balance, uses[0]), asked_s=asked_s, was_pushed=was_pushed)
            self._last[index] = asked_s, was_pushed, look
            self._follow(uses, look, confirm_s=pool.confirm_s)
        return TokenBalance(_find_amount((state, side)), Decimal(0))

    def _follow(self, uses: Iterable[_Use], look: Look, *, confirm_s: float) -> None:
        """Let ledgers take over what a look proved, or look again."""
        uses = tuple(uses)
        if look.verdict is LookVerdict.ASK_AGAIN:
            self._want_look(uses[0][0].market.coin, confirm_s)
        # Recorded between two awaits, so that all of it is in one transaction of the journal.
        for use in uses:
            state, side = use
            coin = state.market.coin
            # A grid that has not begun has nothing that could be taken, and is given its part when it begins.
            if state.is_opened and (amount := look.adopted.get(coin)) is not None:
                _take_over(use, amount)
            self._amounts[coin, side] = _find_amount(use)


def _take_over(use: _Use, amount: Decimal) -> None:
    state, side = use
    change, token = EXACT.subtract(amount, _find_amount(use)), _name_token(use)
    if not change:
        return
    moved = (change, Decimal(0)) if side == "sell" else (Decimal(0), change)
    state.inventory.on_unexplained(Adjusted(*moved, "shared balance"))
    _log.warning(
        "part of a shared token changed: coin=%s token=%s change=%+f now=%f; a transfer, or a loss, of the account",
        state.market.coin,
        token,
        change,
        amount,
    )


def _make_part(use: _Use, now_s: float) -> Part:
    state, side = use
    least, most = state.find_own_holds(side)
    ledger = state.inventory
    entitled = ledger.virtual_token if side == "sell" else ledger.virtual_usdc
    return Part(
        name=state.market.coin,
        amount=_find_amount(use) if state.is_opened else entitled or Decimal(0),
        entitled=entitled or Decimal(0),
        hold_least=least,
        hold_most=most,
        unquiet_s=state.note_doubts(now_s),
        changed_s=state.order_state.changed_s,
        # What traded while no session ran may not be booked yet.
        has_doubts=state.order_state.has_doubts or not state.is_opened,
    )


def _check_beginning(parts: Sequence[Part], uses: Sequence[_Use], balance: TokenBalance, *, coin: str) -> None:
    """Check that the account covers a grid that begins beside the others. Errors: ConfigError."""
    begins = {state.market.coin for state, _ in uses if not state.is_opened}
    wanted = {part.name: part.entitled if part.name in {*begins, coin} else part.owned for part in parts}
    _check_wanted(wanted, parts, uses, balance)


def _check_wanted(
    wanted: Mapping[str, Decimal], parts: Sequence[Part], uses: Sequence[_Use], balance: TokenBalance
) -> None:
    """Check that the account covers what its grids are to have of a token. Errors: ConfigError."""
    own = sum((part.hold_most for part in parts), Decimal(0))
    held = max(Decimal(0), EXACT.subtract(_find_foreign(uses[0]) if balance.held is None else balance.held, own))
    check_allocations(wanted, token=_name_token(uses[0]), total=balance.total, held=held)


def _take_off_foreign(balance: TokenBalance, use: _Use) -> TokenBalance:
    """Take off what others hold, where the venue does not say what is held."""
    if balance.held is not None:
        return balance
    return TokenBalance(EXACT.subtract(balance.total, _find_foreign(use)), None)


def _check_allocated(uses: Sequence[_Use]) -> None:
    for use in uses:
        state, side = use
        if (state.inventory.virtual_token if side == "sell" else state.inventory.virtual_usdc) is None:
            others = ", ".join(other.market.coin for other, _ in uses if other is not state)
            raise ConfigError(
                f"{state.market.coin} has no allocation of {_name_token(use)}, which {others} use too; give each grid "
                "an [allocation] of it, or else none would know what it may spend"
            )


def _find_foreign(use: _Use) -> Decimal:
    """Return what orders of others hold of the token, as the last snapshot showed."""
    state, side = use
    return state.others.foreign_holds.token if side == "sell" else state.others.foreign_holds.usdc


def _find_amount(use: _Use) -> Decimal:
    state, side = use
    return state.inventory.account_token if side == "sell" else state.inventory.account_usdc


def _name_token(use: _Use) -> str:
    state, side = use
    return state.market.base.name if side == "sell" else state.market.quote.name
