"""One grid of the account, as the venue's own record shows it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import trio

from mm_trio.sandbox import AccountView, Exchange, Fill, Markets, OrderRecord
from mm_trio.sim.base.judge import Judge
from mm_trio.sim.base.scenario import ScenarioLadder
from mm_trio.sim.grids.grid_plan import GridPlan
from mm_trio.sim.oracle.book_rules import BookRules, LadderTerms
from mm_trio.sim.oracle.expected_book import ExpectedBook, Slot, compute_levels
from mm_trio.sim.oracle.venue_view import OwnView

__all__ = ["Grid"]


# So long after another ladder holds an order of the last one may arrive: the deadline of an action, and what a wrong
# clock adds to it.
LATE_S = 25.0
_NOTHING = Decimal(0)


class Grid:
    """Orders, ledger and expected book of one coin.

    `levels` are the prices of its ladder; `view` follows its orders and its ledger. Without `is_configured` no maker
    quotes it now, and nothing of it should rest.
    """

    def __init__(
        self,
        plan: GridPlan,
        *,
        markets: Markets,
        exchange: Exchange,
        address: str,
        judge: Judge,
        is_configured: bool = True,
    ) -> None:
        self.plan = plan
        self.coin = plan.coin
        self.ladder = ladder = plan.ladder
        self.pair = pair = markets.pair(plan.coin)
        self.levels = compute_levels(ladder, sz_decimals=pair.base.sz_decimals)
        # What a maker is configured with now, or was at last.
        self.allocated = (ladder.tokens, ladder.quote) if is_configured else (_NOTHING, _NOTHING)
        tokens, quote = self.allocated
        self.view = OwnView(address, plan.coin, pair.base.name, tokens or _NOTHING, quote or _NOTHING)
        self.rules = BookRules(judge, self.view, ladder=ladder, levels=self.levels, pair=pair)
        self.lot = Decimal(1).scaleb(-pair.base.sz_decimals)
        self.expected = ExpectedBook(ladder, self.levels, self.lot)
        self.is_configured = self.was_configured = is_configured
        self._exchange = exchange
        self._address = address
        # What the operator wants and the maker may have followed by now; empty where nothing is wanted.
        self._proposed: tuple[ScenarioLadder | None, ...] = ()
        # Ladders that held before, whose orders may rest or arrive, and what these may offer beyond the ledger.
        self._retired: list[LadderTerms] = []
        self._excess = _NOTHING, _NOTHING
        self._late_until_s = 0.0
        if not is_configured:
            self._allow()

    # --- Configuration ---

    @property
    def configured(self) -> ScenarioLadder | None:
        """Return ladder and allocation that hold, None where the coin is not configured."""
        tokens, quote = self.allocated
        return replace(self.ladder, tokens=tokens, quote=quote) if self.is_configured else None

    @property
    def is_changing(self) -> bool:
        """Check if another configuration is wanted, and the maker may have followed that."""
        return bool(self._proposed)

    @property
    def may_be_removed(self) -> bool:
        """Check if the maker may have taken the grid out, or may do that now."""
        return not self.is_configured or None in self._proposed

    def reallocate(self, tokens: Decimal, quote: Decimal) -> None:
        """Configure every later process with so much more."""
        assert self.allocated[0] is not None
        assert self.allocated[1] is not None
        self.allocated = self.allocated[0] + tokens, self.allocated[1] + quote
        self.view.tokens += tokens
        self.view.quote += quote

    def propose(self, ladder: ScenarioLadder | None) -> None:
        """Note that the operator wants another configuration: from now on either may hold."""
        if ladder != self.configured:
            self._proposed = (ladder,)
            self._allow()

    def settle(self, ladder: ScenarioLadder | None) -> None:
        """Note what holds from now on.

        Orders of what held before may still rest, and offer what they did.
        """
        before, most, proposed = self.configured, self._find_most(), self._proposed
        self._proposed = ()
        if ladder == before:
            self._allow()
            return
        for each in (before, *proposed):
            if each not in (None, ladder):
                assert each is not None
                self._retired.append(self._make_terms(each))
        self.is_configured = ladder is not None
        if ladder is not None:
            self.was_configured = True
            self._take(ladder)
        now = self._find_base()
        self._excess = max(most[0] - now[0], _NOTHING), max(most[1] - now[1], _NOTHING)
        self._late_until_s = trio.current_time() + LATE_S
        self._allow()

    def _take(self, ladder: ScenarioLadder) -> None:
        assert ladder.tokens is not None
        assert ladder.quote is not None
        self.view.tokens += ladder.tokens - (self.allocated[0] or _NOTHING)
        self.view.quote += ladder.quote - (self.allocated[1] or _NOTHING)
        self.allocated, self.ladder = (ladder.tokens, ladder.quote), ladder
        self.levels = compute_levels(ladder, sz_decimals=self.pair.base.sz_decimals)
        self.expected = ExpectedBook(ladder, self.levels, self.lot)

    def _make_terms(self, ladder: ScenarioLadder) -> LadderTerms:
        return LadderTerms(ladder, frozenset(compute_levels(ladder, sz_decimals=self.pair.base.sz_decimals)))

    def _find_base(self) -> tuple[Decimal, Decimal]:
        """Return what may be offered by what holds."""
        if not self.is_configured:
            return _NOTHING, _NOTHING
        return max(self.view.tokens, _NOTHING), max(self.view.quote, _NOTHING)

    def _find_most(self) -> tuple[Decimal, Decimal]:
        """Return what may be offered by what holds or may hold, and by what held."""
        tokens, quote = self._find_base()
        more_tokens, more_quote = self.rules.more
        return tokens + more_tokens, quote + more_quote

    def _allow(self) -> None:
        """Let the rules allow what holds, may hold, or held and may still rest."""
        rules, base = self.rules, self._find_base()
        more = self._excess
        held = [] if not self.is_configured else [self._make_terms(self.ladder)]
        for ladder in self._proposed:
            if ladder is not None:
                held.append(self._make_terms(ladder))
                tokens = self.view.tokens + (ladder.tokens or _NOTHING) - (self.allocated[0] or _NOTHING)
                quote = self.view.quote + (ladder.quote or _NOTHING) - (self.allocated[1] or _NOTHING)
                more = max(more[0], tokens - base[0]), max(more[1], quote - base[1])
        rules.terms, rules.more, rules.has_ledger = (*held, *self._retired), more, self.is_configured

    def check(self, changes: list[Fill | OrderRecord]) -> None:
        """Check the rules of the book after a command of the venue."""
        if (self._retired or any(self._excess)) and trio.current_time() > self._late_until_s:
            self._forget_what_held()
        self.rules.on_changes(changes, self.wallet)

    def _forget_what_held(self) -> None:
        """Allow of what held before no more than still rests."""
        base, (tokens, quote) = self._find_base(), self._excess
        asks, bids = max(self.view.asks - base[0], _NOTHING), max(self.view.bids_worth - base[1], _NOTHING)
        self._excess = min(tokens, asks), min(quote, bids)
        terms = self._make_terms(self.ladder)
        if not self.view.resting or (self.is_configured and self._fits(terms)):
            self._retired.clear()
        self._allow()

    def _fits(self, terms: LadderTerms) -> bool:
        """Check if all that rests is of one ladder."""
        n_bids = sum(order.is_buy for order in self.view.resting.values())
        n_asks = len(self.view.resting) - n_bids
        is_within = terms.most is None or max(n_bids, n_asks) <= terms.most
        return is_within and all(
            order.price in terms.levels and order.size <= terms.ladder.order_size
            for order in self.view.resting.values()
        )

    @property
    def wallet(self) -> AccountView:
        """Return the account that it shares with the other grids."""
        return self._exchange.account(self._address)

    def expected_ledger(self) -> tuple[Decimal | None, Decimal | None]:
        """Return the allocation moved by the grid's own fills.

        The fills are those of the venue's record.
        """
        return (
            None if self.ladder.tokens is None else self.view.tokens,
            None if self.ladder.quote is None else self.view.quote,
        )

    def find_funds(self, shown: tuple[Decimal | None, Decimal | None] | None = None) -> dict[str, Decimal]:
        """Return what may be offered of each token.

        `shown` is the grid's part of the wallet; None: the wallet is its own.
        """
        tokens, quote = self.expected_ledger()
        if shown is None:
            wallet = self.wallet
            shown = wallet.usable(self.pair.base.index), wallet.usable(self.pair.quote.index)
        held = shown[0] or Decimal(0), shown[1] or Decimal(0)
        return {
            "tokens": held[0] if tokens is None else min(tokens, held[0]),
            "quote": held[1] if quote is None else min(quote, held[1]),
        }

    def find_book(self) -> dict[Slot, Decimal]:
        """Return the open sizes by side and level, without orders of another ladder."""
        book: dict[Slot, Decimal] = {}
        for oid, size in self.view.book().items():
            record = self.view.resting[oid]
            if record.price in self.levels:
                book["buy" if record.is_buy else "sell", self.levels.index(record.price)] = size
        return book

    def find_strays(self) -> list[OrderRecord]:
        """Return the open orders that are at no level of the ladder."""
        if not self.is_configured:
            return list(self.view.resting.values())
        return [order for order in self.view.resting.values() if order.price not in self.levels]

    def find_best(self, *, is_buy: bool) -> OrderRecord | None:
        """Return the grid's best bid or ask."""
        of_side = [order for order in self.view.resting.values() if order.is_buy is is_buy]
        if not of_side:
            return None
        return (max if is_buy else min)(of_side, key=lambda order: order.price)
