"""Properties of earnings: one identity for every period and mark, to the last digit, whatever happened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from earnings_kit import NO_MIDS, START, T0, tally_up
from effort import FACTOR
from hypothesis import given, settings
from hypothesis import strategies as st
from ladders import grids, in_lots
from plain_ladder import PureBook

from mm_trio.earnings.exact import exactly
from mm_trio.earnings.figures import EndMark, Figures, Setting, compute_figures
from mm_trio.earnings.tally import Holdings, Tally
from mm_trio.earnings.trade import Trade, make_trade
from mm_trio.model.pricing_grid import PricingGrid

pytestmark = pytest.mark.timeout(120 * FACTOR)
many = settings(max_examples=1000 * FACTOR, deadline=None)
some = settings(max_examples=300 * FACTOR, deadline=None)

# Up to 24 digits: a product has far more than the 28 of the default context.
amounts = st.integers(1, 10**24).map(lambda n: Decimal(n).scaleb(-12)) | st.integers(1, 5).map(Decimal)
fees = st.integers(-(10**18), 10**18).map(lambda n: Decimal(n).scaleb(-15))
marks = st.integers(1, 10**24).map(lambda n: Decimal(n).scaleb(-12))
tokens = st.sampled_from(("base", "quote", "HYPE", None))
sides = st.sampled_from(("buy", "sell"))


@st.composite
def trades(draw: st.DrawFn) -> Trade:
    fee = draw(st.just(Decimal(0)) | fees)
    return make_trade(
        T0 + draw(st.integers(0, 3)) * 86_400_000,
        draw(sides),
        0,
        draw(amounts),
        draw(amounts),
        fee=fee,
        fee_token=draw(tokens),
    )


@dataclass
class Account:
    """The same history in fractions: what an account would hold, and what came without a fill."""

    base: Fraction = Fraction(START.base)
    quote: Fraction = Fraction(START.quote)
    moved: list[tuple[Fraction, Fraction]] = field(default_factory=list)

    def trade(self, one: Trade) -> None:
        self.base += Fraction(one.base) - Fraction(one.fee_base)
        self.quote -= Fraction(one.base) * Fraction(one.price) + Fraction(one.fee_quote)

    def move(self, base: Decimal, quote: Decimal) -> None:
        self.base += Fraction(base)
        self.quote += Fraction(quote)
        self.moved.append((Fraction(base), Fraction(quote)))

    def gain(self, mark: Decimal) -> Fraction:
        """Against having held: by balances alone."""
        base = self.base - Fraction(START.base) - sum(base for base, _ in self.moved)
        return base * Fraction(mark) + self.quote - Fraction(START.quote) - sum(quote for _, quote in self.moved)


def figure(
    tally: Tally, mark: Decimal | None = None, *, terms: Sequence[dict[str, str]] = (), base: Decimal
) -> Figures:
    held = Holdings(base, START.quote)
    return compute_figures(
        tally, Setting(start=held, quoted=held, end_mark=EndMark(price=mark, absent="no mark"), terms=terms)
    )


def known(amount: Decimal | None) -> Decimal:
    assert amount is not None
    return amount


@many
@given(st.lists(trades(), max_size=12), st.lists(st.tuples(fees, fees), max_size=3), marks)
def test_the_gain_is_the_same_by_the_account_and_by_either_split(
    history: list[Trade], moves: list[tuple[Decimal, Decimal]], mark: Decimal
) -> None:
    """By balances less transfers; realised and open less fees; edge and inventory less fees, with mids of its own."""
    account = Account()
    tally = tally_up(history, [[one.price / 3 + n for _ in NO_MIDS] for n, one in enumerate(history)])
    for one in history:
        account.trade(one)
    with exactly():
        for base, quote in moves:
            account.move(base, quote)
            tally.add_moved("transfer", base, quote)

    figures = figure(tally, mark, base=START.base)

    gain, opened, paid = (known(part) for part in (figures.pnl_vs_hold, figures.open.at(mark), figures.fees.at(mark)))
    edge, inventory = known(figures.edge), known(figures.inventory)
    assert Fraction(gain) == account.gain(mark)
    assert (Fraction(figures.end.base), Fraction(figures.end.quote)) == (account.base, account.quote)
    with exactly():
        assert gain == figures.realised + opened - paid
        assert gain == edge + inventory - paid


units = st.lists(st.tuples(sides, st.integers(1, 4), st.integers(1, 30)), max_size=20)


@many
@given(units)
def test_pairs_are_last_in_first_out_unit_by_unit(history: list[tuple[str, int, int]]) -> None:
    tally, realised = Tally(), 0
    held: list[tuple[str, int]] = []
    with exactly():
        for side, size, price in history:
            tally.pairs.add(Decimal(size if side == "buy" else -size), Decimal(price))
            for _ in range(size):
                if held and held[-1][0] != side:
                    _, other = held.pop()
                    realised += price - other if side == "sell" else other - price
                else:
                    held.append((side, price))

        assert tally.pairs.realised == realised
        opened = tally.pairs.value_open()
        assert opened.base == sum(1 if side == "buy" else -1 for side, _ in held)
        assert opened.quote == sum(-price if side == "buy" else price for side, price in held)


# --- Ladders --------------------------------------------------------------------------------------


class TracedBook(PureBook):
    """A book that writes its fills down."""

    def _fill(self, side: str, level: int, size: Decimal) -> None:
        super()._fill(side, level, size)
        fee = size * Decimal("0.0004")
        self.trades.append(make_trade(T0, side, level, self.grid.levels[level], size, fee=fee, fee_token=None))

    trades: list[Trade]


def run_book(grid: PricingGrid, data: st.DataObject, gap: int) -> tuple[TracedBook, Decimal]:
    order_size = data.draw(in_lots(grid, 2, 40), label="order_size")
    most = int(grid.n_orders * order_size / grid.lot)
    book = TracedBook(grid, order_size, gap, data.draw(in_lots(grid, 0, most)), Decimal(10) ** 9)
    book.trades = []
    start = book.tokens
    book.update()
    takers = st.lists(st.tuples(sides, st.integers(1, 90)), max_size=15)
    for side, lots in data.draw(takers):
        book.take(side, lots * grid.lot)
        book.update()
    return book, start


def describe(grid: PricingGrid, order_size: Decimal) -> dict[str, str]:
    terms = {"start_px": grid.levels[0], "n_orders": grid.n_orders, "tick_size": grid.tick_size}
    rest = {"order_sz": order_size, "ladder": "hip2", "sz_decimals": grid.sz_decimals}
    return {name: str(value) for name, value in (terms | rest).items()}


@some
@given(grids, st.data(), st.integers(1, 3))
def test_the_income_of_turns_is_the_gap_of_what_was_bought(grid: PricingGrid, data: st.DataObject, gap: int) -> None:
    book, start = run_book(grid, data, gap)

    figures = figure(tally_up(book.trades), base=start, terms=[describe(grid, book.order_size)])

    assert figures.turns.income == book.compute_steps_earned()


@some
@given(grids, st.data(), st.integers(0, 3), marks)
def test_turns_and_the_ladder_less_fees_are_the_gain(
    grid: PricingGrid, data: st.DataObject, gap: int, mark: Decimal
) -> None:
    book, start = run_book(grid, data, gap)

    figures = figure(tally_up(book.trades), mark, base=start, terms=[describe(grid, book.order_size)] * 2)

    income, moved, paid = known(figures.turns.income), known(figures.ladder_vs_hold), known(figures.fees.at(mark))
    with exactly():
        assert figures.pnl_vs_hold == income + moved - paid


def test_the_context_of_the_caller_rounds_nothing() -> None:
    sold = make_trade(T0, "sell", 0, Decimal("1.2345678"), Decimal("7.654321"), fee=Decimal(0), fee_token=None)
    mark = Decimal("3.3333333")
    with localcontext(prec=5):
        found = figure(tally_up([sold]), mark, base=START.base).pnl_vs_hold

    assert found is not None
    assert Fraction(found) == Fraction("7.654321") * (Fraction("1.2345678") - Fraction("3.3333333"))
