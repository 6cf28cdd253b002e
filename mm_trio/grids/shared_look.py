"""Looks at the venue that several grids of one account share.

Most of what a grid asks is about its whole account: open orders, balances, fills, budget. A look takes an answer that
another grid's look got, if that was asked for after this look's own last answer came. So each look sees what it would
have seen had it asked everything itself, in its own order.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol, runtime_checkable

import trio

from mm_trio.funds.movements import FundEvent
from mm_trio.model.market import Balances, Market
from mm_trio.model.replies import OpenOrder, ReadFills
from mm_trio.model.settings import Allotment
from mm_trio.venue.rest_client import FillPages, OpenOrderRows, VenueClient

__all__ = ["Look", "SharedAnswers", "SharesBalances", "take_all"]


class SharesBalances(Protocol):
    """Rule by which grids share what an account has of a token."""

    def __call__(
        self, market: Market, balances: Balances, *, asked_s: float | None, was_pushed: bool = False
    ) -> Balances: ...


@runtime_checkable
class ChecksChanges(Protocol):
    """Rule that knows whether an account covers what its grids are to have."""

    def check_change(self, market: Market, balances: Balances, allocation: Allotment) -> None: ...
    def on_allocated(self, market: Market, balances: Balances, before: Allotment) -> None: ...


def take_all(market: Market, balances: Balances, *, asked_s: float | None, was_pushed: bool = False) -> Balances:
    """Let a grid take the whole account for its own."""
    return balances


@dataclass(slots=True, eq=False)
class _Question:
    """Question on its way, or answered. Questions are numbered in the order in which they are asked.

    `n_before_answer` is the number of the last question that was asked before this one's answer came.
    """

    number: int
    asked_s: float
    n_before_answer: int = 0
    done: trio.Event = field(default_factory=trio.Event)
    answer: Any = None
    error: Exception | None = None
    is_void: bool = False

    def end(
        self, answer: Any = None, *, error: Exception | None = None, is_void: bool = False, n_asked: int = 0
    ) -> None:
        """Let all who wait for the answer go on; `n_asked` questions were asked before it came."""
        self.answer, self.error, self.is_void, self.n_before_answer = answer, error, is_void, n_asked
        self.done.set()


class SharedAnswers:
    """Answers to questions about the account.

    `find_fills_since_ms` returns the earliest time from which any grid wants fills, None where there is but one grid:
    then each question is asked. `coins` are those of all grids, `share` is how tokens are shared.
    """

    def __init__(
        self,
        client: VenueClient,
        *,
        coins: Collection[str] = (),
        find_fills_since_ms: Callable[[], float] | None = None,
        share: SharesBalances = take_all,
    ) -> None:
        self.client = client
        self._coins = coins
        self.share = share
        self.n_asked = 0
        self._find_fills_since_ms = find_fills_since_ms
        self._questions: dict[str, list[_Question]] = {}

    def check_change(self, market: Market, balances: Balances, allocation: Allotment) -> None:
        """Check that the account covers another allocation of a grid. Errors: ConfigError."""
        if isinstance(self.share, ChecksChanges):
            self.share.check_change(market, balances, allocation)

    def on_allocated(self, market: Market, balances: Balances, before: Allotment) -> None:
        """Give a grid its part of what its allocation was raised by."""
        if isinstance(self.share, ChecksChanges):
            self.share.on_allocated(market, balances, before)

    def look(self) -> Look:
        """Begin a look: no answer counts that was asked for before this moment."""
        return Look(self)

    def find_siblings(self, coin: str) -> frozenset[str]:
        """Return the coins of the other grids."""
        return frozenset(self._coins) - {coin}

    def find_fills_since_ms(self) -> float:
        """Return the time from which fills are asked for at the latest, so that others can share them."""
        return math.inf if self._find_fills_since_ms is None else self._find_fills_since_ms()

    def forget(self) -> None:
        """Forget the answers, which may be large: nobody looks any more."""
        self._questions.clear()

    async def ask(self, name: str, ask: Callable[[], Awaitable[Any]], *, after: int) -> _Question:
        """Return a question that was asked later than number `after`, or ask it. Errors: those of the question."""
        if self._find_fills_since_ms is not None:
            # Whoever looks at this moment shares the question.
            await trio.lowlevel.checkpoint()
        while (question := self._find(name, after)) is not None:
            await question.done.wait()
            if question.error is not None:
                raise question.error
            if not question.is_void:
                return question
        self.n_asked += 1
        question = _Question(self.n_asked, trio.current_time())
        if self._find_fills_since_ms is None:
            question.end(await ask(), n_asked=self.n_asked)
            return question
        self._questions.setdefault(name, []).append(question)
        try:
            question.end(await ask(), n_asked=self.n_asked)
        except Exception as error:
            question.end(error=error)
            raise
        except BaseException:
            # Whoever asked was cancelled; those who wait ask for themselves.
            question.end(is_void=True)
            raise
        return question

    def _find(self, name: str, after: int) -> _Question | None:
        """Find the first question that was asked later than number `after`."""
        return next((q for q in self._questions.get(name, ()) if q.number > after and not q.is_void), None)


class Look:
    """Questions of one grid, one after another.

    `asked_s` is the loop's time at which the last answer was asked for.
    """

    def __init__(self, answers: SharedAnswers) -> None:
        self._answers = answers
        self._after = answers.n_asked
        self._fills_since_ms = answers.find_fills_since_ms()
        self.client = answers.client
        self.asked_s = trio.current_time()

    async def _ask(self, name: str, ask: Callable[[], Awaitable[Any]]) -> Any:
        question = await self._answers.ask(name, ask, after=self._after)
        # Two questions of a look may be on their way at once.
        self._after, self.asked_s = max(self._after, question.n_before_answer), question.asked_s
        return question.answer

    async def fetch_open_orders(self, market: Market) -> tuple[OpenOrder, ...]:
        """Fetch the open orders of the account, of every coin. Errors: as `VenueClient.fetch_open_orders`."""
        rows: OpenOrderRows = await self._ask("open orders", self.client.fetch_open_order_rows)
        return rows.read(market)

    async def fetch_balances(self, market: Market) -> Balances:
        """Fetch the totals of our two tokens, which other grids may share. Errors: VenueError."""
        raw = await self._ask("balances", self.client.fetch_balance_rows)
        return self.client.read_balances(raw, market)

    def share(self, market: Market, balances: Balances, *, asked_s: float | None) -> Balances:
        """Return what this grid may take for its balances, right before its ledger is told.

        `asked_s` None: its ledger has no balance yet. Errors: ConfigError where the account cannot cover it.
        """
        return self._answers.share(market, balances, asked_s=asked_s)

    async def fetch_fills(
        self, market: Market, *, since_ms: int, on_others: Callable[[Iterable[FundEvent]], None] | None = None
    ) -> ReadFills:
        """Fetch every fill of our coin from `since_ms` on. Errors: as `VenueClient.fetch_fills`."""
        from_ms = int(min(since_ms, self._fills_since_ms))
        pages: FillPages = await self._ask(f"fills since {from_ms}", lambda: self.client.fetch_fill_pages(from_ms))
        siblings = self._answers.find_siblings(market.coin)
        return pages.read(market, since_ms=since_ms, on_others=on_others, siblings=siblings)

    async def fetch_budget(self) -> tuple[Decimal, int]:
        """Fetch volume and requests used of the address. Errors: VenueError."""
        answer: tuple[Decimal, int] = await self._ask("budget", self.client.fetch_budget)
        return answer
