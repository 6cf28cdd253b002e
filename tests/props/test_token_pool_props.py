"""A token of several grids: nobody has what is another's, and fills never look like a transfer."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from effort import FACTOR
from hypothesis import given, settings
from hypothesis import strategies as st

from mm_trio.funds.token_parts import Part, plan_allocations, spread
from mm_trio.funds.token_pool import Look, LookVerdict, TokenBalance, TokenPool

many = settings(max_examples=150 * FACTOR, deadline=None)
UNIT = Decimal("0.01")
NAMES = "ABCDEFGH"
amounts = st.integers(0, 100_000).map(lambda cents: cents * UNIT)


@st.composite
def parts_of_a_token(draw: st.DrawFn) -> list[Part]:
    """Parts below, at and above what their grids are entitled to; some of them below zero."""
    names = NAMES[: draw(st.integers(2, len(NAMES)))]
    signed = st.integers(-2_000, 100_000).map(lambda cents: cents * UNIT)
    return [Part(name=name, amount=draw(signed), entitled=draw(signed)) for name in names]


@many
@given(parts_of_a_token(), amounts.map(lambda amount: amount - 100))
def test_what_grids_have_is_never_more_than_what_is_usable(parts: list[Part], usable: Decimal) -> None:
    after = spread(parts, usable, unit=UNIT)

    assert sum(after.values()) <= max(Decimal(0), usable)


@many
@given(parts_of_a_token(), amounts)
def test_no_grid_has_more_than_it_is_entitled_to(parts: list[Part], usable: Decimal) -> None:
    after = spread(parts, usable, unit=UNIT)

    assert all(0 <= after[part.name] <= max(Decimal(0), part.entitled) for part in parts)


@many
@given(parts_of_a_token(), amounts)
def test_a_shortage_takes_from_all_and_a_surplus_from_none(parts: list[Part], usable: Decimal) -> None:
    after = spread(parts, usable, unit=UNIT)

    free = usable - sum(part.owned for part in parts)
    changes = [after[part.name] - part.owned for part in parts]
    assert all(change <= 0 for change in changes) if free < 0 else all(change >= 0 for change in changes)
    if free < 0:
        total = sum(part.owned for part in parts)
        assert all(abs(after[part.name] - part.owned * usable / total) < 2 * UNIT for part in parts)


@many
@given(parts_of_a_token(), amounts)
def test_a_spread_that_was_taken_over_changes_nothing_more(parts: list[Part], usable: Decimal) -> None:
    after = spread(parts, usable, unit=UNIT)
    settled = [replace(part, amount=after[part.name]) for part in parts]

    assert spread(settled, usable, unit=UNIT) == after


@many
@given(parts_of_a_token(), amounts)
def test_the_order_of_the_grids_does_not_matter(parts: list[Part], usable: Decimal) -> None:
    turned = parts[::-1]

    assert spread(turned, usable, unit=UNIT) == spread(parts, usable, unit=UNIT)
    assert plan_allocations(turned) == plan_allocations(parts)


# --- An account that trades ---------------------------------------------------------------------


class Account:
    """Account whose grids trade, hear of it late, and look at balances that may be older or newer.

    `truth` is each grid's part by the venue's record of its own fills; `parts` is what the ledgers have. A fill is
    booked in the venue's order, less than two seconds later. `rest` is nobody's.
    """

    def __init__(self, start: list[Decimal], rest: Decimal) -> None:
        self.pool = TokenPool(unit=UNIT)
        self.now_s = 100.0
        self.parts = {name: Part(name=name, amount=a, entitled=a) for name, a in zip(NAMES, start, strict=False)}
        self.rest = rest
        self.total = sum(start, rest)
        # When a total began to hold, the newest last.
        self.totals = [(0.0, self.total)]
        self.unbooked: list[tuple[float, str, Decimal]] = []
        self.looks: list[Look] = []

    def book(self) -> None:
        """Book what is due by now."""
        while self.unbooked and self.unbooked[0][0] <= self.now_s:
            due_s, name, amount = self.unbooked.pop(0)
            part = self.parts[name]
            self.parts[name] = replace(
                part, amount=part.amount + amount, entitled=part.entitled + amount, unquiet_s=due_s, changed_s=due_s
            )
            self.pool.on_moved(amount, now_s=due_s)

    def wait(self, seconds: float) -> None:
        self.now_s += seconds
        self.book()

    def trade(self, grid: int, amount: Decimal, late_s: float) -> None:
        """Fill an order of a grid, if the account can pay; its frame comes late, and not before an earlier one."""
        if self.total + amount < 0:
            return
        name = NAMES[grid % len(self.parts)]
        due_s = max([self.now_s + late_s, *(due_s for due_s, _, _ in self.unbooked)])
        self.unbooked.append((due_s, name, amount))
        self._set_total(self.total + amount)

    def transfer(self, amount: Decimal) -> None:
        self._set_total(max(Decimal(0), self.total + amount))

    def _set_total(self, total: Decimal) -> None:
        self.total = total
        self.totals.append((self.now_s, total))

    def look(self, old_s: float) -> Look:
        """Look at a balance that is that old, and take over what it means."""
        total = next(total for since_s, total in reversed(self.totals) if since_s <= self.now_s - old_s)
        seen = self.pool.look(list(self.parts.values()), TokenBalance(total, Decimal(0)), asked_s=self.now_s)
        for name, amount in seen.adopted.items():
            self.parts[name] = replace(self.parts[name], amount=amount)
        self.looks.append(seen)
        return seen


late = st.sampled_from([0.0, 0.3, 1.0, 1.9])
few_cents = st.sampled_from([-50, -20, -20, 20, 20, 50]).map(lambda cents: cents * UNIT)
trades = st.tuples(st.just("trade"), st.integers(0, 7), few_cents, late)
waits = st.tuples(st.just("wait"), st.sampled_from([0.2, 1.0, 2.0, 2.0, 5.0]))
looks = st.tuples(st.just("look"), late)
transfers = st.tuples(st.just("transfer"), st.sampled_from([-30_000, -1_000, -7, 7, 1_000, 30_000]))
acts_without_transfers = st.lists(st.one_of(trades, waits, looks, looks), max_size=60)
acts = st.lists(st.one_of(trades, waits, looks, looks, transfers), max_size=60)
starts = st.lists(st.integers(5_000, 20_000).map(lambda cents: cents * UNIT), min_size=2, max_size=8)
rests = st.sampled_from([0, 0, 3, 100_000]).map(lambda cents: cents * UNIT)


def act(account: Account, step: tuple[object, ...]) -> None:
    match step:
        case ("trade", int(grid), Decimal() as amount, float(late_s)):
            account.trade(grid, amount, late_s)
        case ("wait", float(seconds)):
            account.wait(seconds)
        case ("look", float(old_s)):
            account.look(old_s)
        case ("transfer", int(cents)):
            account.transfer(cents * UNIT)


@many
@given(starts, rests, acts_without_transfers)
def test_fills_alone_never_look_like_a_transfer(
    start: list[Decimal], rest: Decimal, steps: list[tuple[object, ...]]
) -> None:
    """Whatever is late, and however alike the fills are. Thousands of looks by the end of all examples."""
    account = Account(start, rest)

    for step in steps:
        act(account, step)

    assert all(look.verdict is not LookVerdict.ADOPTED for look in account.looks)
    assert all(part.amount == part.entitled for part in account.parts.values())


@many
@given(starts, rests, acts)
def test_only_its_own_fills_raise_a_part_beyond_its_allocation(
    start: list[Decimal], rest: Decimal, steps: list[tuple[object, ...]]
) -> None:
    account = Account(start, rest)

    for step in steps:
        act(account, step)
        assert all(part.amount <= part.entitled for part in account.parts.values())


@many
@given(starts, rests, acts)
def test_after_a_quiet_time_no_part_is_more_than_the_account_has(
    start: list[Decimal], rest: Decimal, steps: list[tuple[object, ...]]
) -> None:
    """All parts together fit then, and whatever grids are entitled to is either theirs or not there."""
    account = Account(start, rest)
    for step in steps:
        act(account, step)

    for _ in range(8):
        account.wait(40)
        account.look(0)

    owned, entitled = (sum(getattr(part, name) for part in account.parts.values()) for name in ("owned", "entitled"))
    assert owned <= account.total
    assert min(entitled, account.total) - owned <= len(account.parts) * UNIT


@many
@given(starts, acts)
def test_parts_do_not_depend_on_the_order_of_the_grids(start: list[Decimal], steps: list[tuple[object, ...]]) -> None:
    one, other = Account(start, Decimal(0)), Account(start, Decimal(0))
    other.parts = dict(reversed(other.parts.items()))

    for step in steps:
        act(one, step)
        act(other, step)

    assert one.parts == other.parts
    assert one.looks == other.looks


@many
@given(starts, st.lists(st.tuples(st.integers(0, 7), few_cents), min_size=4, max_size=20), st.integers(100, 4_000))
def test_a_withdrawal_is_proven_to_grids_that_never_rest(
    start: list[Decimal], fills: list[tuple[int, Decimal]], cents: int
) -> None:
    """A fill a look, told at once; three looks prove it."""
    account = Account(start, Decimal(0))
    account.transfer(-cents * UNIT)
    verdicts = []
    for grid, amount in fills:
        account.trade(grid, amount, 0.0)
        account.wait(2.1)
        verdicts.append(account.look(0).verdict)

    assert verdicts[2] is LookVerdict.ADOPTED
    assert verdicts.count(LookVerdict.ADOPTED) == 1
