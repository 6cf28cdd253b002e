"""Rules of the money that several grids of an account share: S29 and S30."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from mm_trio.sandbox import Effect, Exchange, Fill, FillMade, OrderChanged, OrderRecord
from mm_trio.sim.base.judge import Judge
from mm_trio.sim.grids.grid import Grid
from mm_trio.sim.oracle.venue_view import is_own

__all__ = ["AccountRules"]

Shown = Mapping[str, tuple[Decimal | None, Decimal | None]]


@dataclass(frozen=True, slots=True)
class _Part:
    """What a grid is shown of a token, and what of it is its own."""

    coin: str
    shown: Decimal
    due: Decimal


class AccountRules:
    """What all grids together hold of each token, counted apart from the grids.

    With one grid there is nothing to share, and nothing is checked.
    """

    def __init__(self, judge: Judge, grids: Sequence[Grid], *, exchange: Exchange, address: str) -> None:
        self._judge = judge
        self._grids = {grid.coin: grid for grid in grids} if len(grids) > 1 else {}
        self._exchange = exchange
        self._address = address
        # By coin and name of the token: bought less sold in fills of ours, fees included.
        self._moved: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)

    @property
    def shared_tokens(self) -> frozenset[int]:
        """Return the indices of the tokens that several grids use, or have used."""
        used = [grid for grid in self._grids.values() if grid.was_configured]
        uses = Counter(t.index for grid in used for t in (grid.pair.base, grid.pair.quote))
        return frozenset(token for token, n in uses.items() if n > 1)

    # --- After every step ---

    def on_effects(self, effects: Iterable[Effect]) -> None:
        """Check S29 after a command of the venue."""
        if not self._grids:
            return
        has_changed = False
        for effect in effects:
            if isinstance(effect, FillMade) and self._is_ours(effect.fill):
                self._on_fill(effect.fill)
                has_changed = True
            elif isinstance(effect, OrderChanged) and self._is_ours(effect.record):
                has_changed = True
                self._check_coin(effect.record)
        if has_changed:
            self._check_sums()

    def _is_ours(self, what: Fill | OrderRecord) -> bool:
        return what.address == self._address and is_own(what.cloid)

    def _check_coin(self, order: OrderRecord) -> None:
        grid = self._grids.get(order.coin)
        is_quoted = grid is not None and (bool(grid.rules.terms) or order.status != "open")
        self._judge.check("S29", is_quoted, lambda: f"oid {order.oid} is of {order.coin}, no grid's")

    def _on_fill(self, fill: Fill) -> None:
        pair, sign = self._exchange.markets.pair(fill.coin), 1 if fill.is_buy else -1
        self._moved[fill.coin, pair.base.name] += sign * fill.size
        self._moved[fill.coin, pair.quote.name] -= sign * fill.size * fill.price
        self._moved[fill.coin, fill.fee_token] -= fill.fee

    def _check_sums(self) -> None:
        allowed, offered = self._sum_allowed(), self._sum_offered()
        for token, amount in sorted(offered.items()):
            most = allowed[token]
            self._judge.check(
                "S29",
                amount <= most,
                lambda t=token, a=amount, m=most: f"all grids offer {a} {t}, allocated and not spent are {m}",  # type: ignore[misc]
            )

    def _sum_allowed(self) -> defaultdict[str, Decimal]:
        """Sum what is allocated and not spent, and what changes of the configuration allow beside that."""
        sums: defaultdict[str, Decimal] = defaultdict(Decimal)
        for grid in self._grids.values():
            tokens = grid.pair.base, grid.pair.quote
            for token, amount, more in zip(tokens, grid.allocated, grid.rules.more, strict=True):
                own = (amount or Decimal(0)) + self._moved[grid.coin, token.name]
                sums[token.name] += more + (own if grid.is_configured else Decimal(0))
        return sums

    def _sum_offered(self) -> defaultdict[str, Decimal]:
        sums: defaultdict[str, Decimal] = defaultdict(Decimal)
        for grid in self._grids.values():
            sums[grid.pair.base.name] += grid.view.asks
            sums[grid.pair.quote.name] += grid.view.bids_worth
        return sums

    # --- Between two processes ---

    def may_allocate(self, changes: Sequence[tuple[Decimal, ...]]) -> bool:
        """Return whether the account holds what would then be allocated."""
        return not self._find_missing(changes)

    def find_missing(self) -> dict[int, Decimal]:
        """Find what the account lacks of the allocations, by token."""
        return self._find_missing([(Decimal(0), Decimal(0))] * len(self._configured))

    @property
    def _configured(self) -> list[Grid]:
        return [grid for grid in self._grids.values() if grid.is_configured]

    def _find_missing(self, changes: Sequence[tuple[Decimal, ...]]) -> dict[int, Decimal]:
        needed: defaultdict[int, Decimal] = defaultdict(Decimal)
        for grid, (tokens, quote) in zip(self._configured, changes, strict=False):
            needed[grid.pair.base.index] += grid.view.tokens + tokens
            needed[grid.pair.quote.index] += grid.view.quote + quote
        wallet = self._exchange.account(self._address)
        missing = {token: amount - wallet.usable(token) for token, amount in needed.items()}
        return {token: amount for token, amount in missing.items() if amount > 0}

    # --- In calm ---

    def find_shown_error(self, shown: Shown) -> str | None:
        """Describe what S30 forbids of what the grids were shown, by coin and as (base, quote); None: nothing.

        A grid that is alone with its token is shown all of it. One that is missing, because it is halted, has no part;
        in the session in which it ended the others still have theirs.
        """
        parts: defaultdict[int, list[_Part]] = defaultdict(list)
        for coin, grid in self._grids.items():
            if coin not in shown or not grid.is_configured:
                continue
            tokens = grid.pair.base.index, grid.pair.quote.index
            for token, amount, due in zip(tokens, shown[coin], (grid.view.tokens, grid.view.quote), strict=True):
                if amount is None:
                    return f"{coin} was not shown what it may offer"
                parts[token].append(_Part(coin, amount, due))
        wallet = self._exchange.account(self._address)
        shared = self.shared_tokens
        wrong = (
            None
            if len(of_token) == 1 and token in shared and of_token[0].shown == of_token[0].due <= wallet.usable(token)
            else _find_unfair(of_token, wallet.usable(token))
            for token, of_token in parts.items()
        )
        return next((text for text in wrong if text is not None), None)


def _find_unfair(parts: Sequence[_Part], usable: Decimal) -> str | None:
    """Describe what is wrong with the parts of one token."""
    told = ", ".join(f"{part.coin} {part.shown} for {part.due}" for part in parts)
    if len(parts) == 1:
        is_right = parts[0].shown == usable
        return None if is_right else f"a grid is shown not all of its token: {told}, and there is {usable}"
    total = sum((min(part.shown, part.due) for part in parts), Decimal(0))
    if total > usable:
        return f"the grids are shown more of a token than the {usable} that there is: {told}"
    is_enough = sum((part.due for part in parts), Decimal(0)) <= usable
    if is_enough and any(part.shown < part.due for part in parts):
        return f"a grid is shown less than its own of a token of which there is enough, {usable}: {told}"
    return None
