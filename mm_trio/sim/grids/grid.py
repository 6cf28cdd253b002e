"""One grid of the account, as the venue's own record shows it."""

from __future__ import annotations

from decimal import Decimal

from mm_trio.sandbox import AccountView, Exchange, Markets, OrderRecord
from mm_trio.sim.base.judge import Judge
from mm_trio.sim.grids.grid_plan import GridPlan
from mm_trio.sim.oracle.book_rules import BookRules
from mm_trio.sim.oracle.expected_book import ExpectedBook, Slot, compute_levels
from mm_trio.sim.oracle.venue_view import OwnView

__all__ = ["Grid"]


class Grid:
    """Orders, ledger and expected book of one coin.

    `levels` are the prices of its ladder; `view` follows its orders and its ledger.
    """

    def __init__(self, plan: GridPlan, *, markets: Markets, exchange: Exchange, address: str, judge: Judge) -> None:
        self.plan = plan
        self.coin = plan.coin
        self.ladder = ladder = plan.ladder
        self.pair = pair = markets.pair(plan.coin)
        self.levels = compute_levels(ladder, sz_decimals=pair.base.sz_decimals)
        self.view = OwnView(address, plan.coin, pair.base.name, ladder.tokens or Decimal(0), ladder.quote or Decimal(0))
        self.rules = BookRules(judge, self.view, ladder=ladder, levels=self.levels, pair=pair)
        self.expected = ExpectedBook(ladder, self.levels, Decimal(1).scaleb(-pair.base.sz_decimals))
        # What a maker is configured with now.
        self.allocated = ladder.tokens, ladder.quote
        self._exchange = exchange
        self._address = address

    def reallocate(self, tokens: Decimal, quote: Decimal) -> None:
        """Configure every later process with so much more."""
        assert self.allocated[0] is not None
        assert self.allocated[1] is not None
        self.allocated = self.allocated[0] + tokens, self.allocated[1] + quote
        self.view.tokens += tokens
        self.view.quote += quote

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
        """Return the open sizes by side and level."""
        book: dict[Slot, Decimal] = {}
        for oid, size in self.view.book().items():
            record = self.view.resting[oid]
            book["buy" if record.is_buy else "sell", self.levels.index(record.price)] = size
        return book

    def find_best(self, *, is_buy: bool) -> OrderRecord | None:
        """Return the grid's best bid or ask."""
        of_side = [order for order in self.view.resting.values() if order.is_buy is is_buy]
        if not of_side:
            return None
        return (max if is_buy else min)(of_side, key=lambda order: order.price)
