"""Eight ways in which other programs' profit was wrong: the right figure, and that each way would be seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest
from earnings_kit import Case, tally_up, trade

from mm_trio.earnings.exact import Linear, exactly
from mm_trio.earnings.figures import Figures
from mm_trio.earnings.tally import Tally
from mm_trio.earnings.trade import Trade

Figure = Callable[[Figures], object]


def pnl(figures: Figures) -> object:
    return figures.pnl_vs_hold


REBATES = (
    trade("sell", "5", "20.06", "-0.001003", "quote"),
    trade("buy", "5", "20", "-0.001", "quote"),
)
THIRD_TOKEN = (trade("sell", "5", "20.06", "0.01", "Z"), trade("buy", "5", "20", "0", "quote"))
MANY_FEES = tuple(trade("buy", "1", "20", "0.00014975", "base") for _ in range(10_000))


@dataclass(frozen=True)
class Claim:
    """A figure of a case, and its value."""

    case: Case
    figure: Figure
    value: object


CLAIMS = {
    "1 fees taken off once": Claim(Case(), pnl, Decimal("0.21982")),
    "1 their own line": Claim(Case(), lambda f: f.fees.at(f.mark), Decimal("0.08018")),
    "2 a rebate is income": Claim(Case(trades=REBATES), pnl, Decimal("0.302003")),
    "3 a third token is not quote": Claim(Case(trades=THIRD_TOKEN), pnl, Decimal("0.30")),
    "3 and is told": Claim(Case(trades=THIRD_TOKEN), lambda f: f.tally.fees_other, {"Z": Decimal("0.01")}),
    "4 a transfer is no profit": Claim(Case(moved=[("deposit", "0", "500")]), pnl, Decimal("0.21982")),
    "4 and is in the account": Claim(
        Case(moved=[("deposit", "0", "500")]), lambda f: f.end.quote, Decimal("1500.25988")
    ),
    "5 a hand trade is none of ours": Claim(Case(moved=[("hand trade", "10", "-200")]), pnl, Decimal("0.21982")),
    "6 no price is not zero": Claim(Case(mark=None), pnl, None),
    "6 base is exact without": Claim(Case(mark=None), lambda f: f.earned.base, Decimal("-0.002")),
    "6 quote is exact without": Claim(Case(mark=None), lambda f: f.earned.quote, Decimal("0.25988")),
    "6 the reason is given": Claim(Case(mark=None), lambda f: f.absent.get("pnl_vs_hold"), "no mark"),
    "7 the first price plays no part": Claim(Case(start_mark="21"), pnl, Decimal("0.21982")),
    "7 the change of wealth does": Claim(Case(start_mark="21"), lambda f: f.wealth_change, Decimal("-96.78018")),
    "8 nothing is rounded": Claim(Case(trades=MANY_FEES), lambda f: f.fees.base, Decimal("1.4975")),
}


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS)
def test_the_right_figure(claim: Claim) -> None:
    assert claim.figure(claim.case.compute()) == claim.value


# --- The mistakes, made on purpose ----------------------------------------------------------------


def take_fees_twice(patch: pytest.MonkeyPatch) -> None:
    whole = Tally.earned
    patch.setattr(Tally, "earned", lambda self: whole(self) - self.fees())


def turn_rebates(patch: pytest.MonkeyPatch) -> None:
    whole = Tally.add_trade

    def add(self: Tally, one: Trade, mids: Any) -> None:
        whole(self, one._replace(fee_quote=abs(one.fee_quote), fee_base=abs(one.fee_base)), mids)

    patch.setattr(Tally, "add_trade", add)


def take_third_token_for_quote(patch: pytest.MonkeyPatch) -> None:
    whole = Tally.add_trade

    def add(self: Tally, one: Trade, mids: Any) -> None:
        quote = one.fee_quote + one.fee_other
        whole(self, one._replace(fee_quote=quote, fee_other=Decimal(0), fee_token=""), mids)

    patch.setattr(Tally, "add_trade", add)


def count_transfers(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Tally, "earned", lambda self: Linear(self.change()[1], self.change()[0]))
    patch.setattr(Tally, "change", lambda self: _change(self, "deposit"))


def count_hand_trades(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Tally, "earned", lambda self: Linear(self.change()[1], self.change()[0]))
    patch.setattr(Tally, "change", lambda self: _change(self, "hand trade"))


def _change(tally: Tally, kind: str) -> tuple[Decimal, Decimal]:
    """Return what fills brought and movements of one kind."""
    base = tally.buys.base - tally.sells.base - tally.fee_base
    quote = tally.sells.quote - tally.buys.quote - tally.fee_quote
    flow = tally.moved.get(kind)
    return (base, quote) if flow is None else (base + flow.base, quote + flow.quote)


def take_missing_for_zero(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Linear, "at", lambda self, mark: self.quote + self.base * (mark or 0))


def start_at_the_first_trade(patch: pytest.MonkeyPatch) -> None:
    def change(self: Figures) -> Decimal:
        start, first = self.setting.start, Decimal("20.06")
        return self.end.base * (self.mark or 0) + self.end.quote - start.base * first - start.quote

    patch.setattr(Figures, "wealth_change", property(change))


def round_on_the_way(patch: pytest.MonkeyPatch) -> None:
    whole = Tally.add_trade

    def add(self: Tally, one: Trade, mids: Any) -> None:
        fee = Decimal(round(one.fee_base * 10**7)).scaleb(-7)
        whole(self, one._replace(fee_base=fee), mids)

    patch.setattr(Tally, "add_trade", add)


MISTAKES = {
    "1 fees twice": take_fees_twice,
    "2 sign of rebates": turn_rebates,
    "3 third token as quote": take_third_token_for_quote,
    "4 transfer as profit": count_transfers,
    "5 trade by hand as ours": count_hand_trades,
    "6 missing price as zero": take_missing_for_zero,
    "7 start at the first trade": start_at_the_first_trade,
    "8 rounding on the way": round_on_the_way,
}


@pytest.mark.parametrize("mistake", MISTAKES, ids=MISTAKES)
def test_the_mistake_would_be_seen(mistake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """At least one claim of the same number fails with it, and no claim raises."""
    MISTAKES[mistake](monkeypatch)

    wrong = [name for name, claim in CLAIMS.items() if claim.figure(claim.case.compute()) != claim.value]
    assert any(name[0] == mistake[0] for name in wrong)


# --- What else the table says ---------------------------------------------------------------------


def test_the_parts_add_up_in_the_base_case() -> None:
    figures = Case().compute()

    assert figures.realised == Decimal("0.30")
    assert figures.open.at(figures.mark) == 0


def test_the_return_is_on_what_there_was_at_the_beginning() -> None:
    """0.21982 of 100 * 20 + 1,000."""
    figures = Case(start_mark="20").compute()

    assert figures.return_on_capital == Decimal("0.000073273333")


def test_cost_of_requests() -> None:
    """Four items for 200.30 quote."""
    figures = Case().compute()

    assert (figures.request_cost, figures.requests_per_1000) == (Decimal("0.0020"), Decimal("19.970045"))


def test_edge_inventory_and_markouts_add_up() -> None:
    """The mid was 20.03 before both, and 20.05 after a second."""
    mids = [Decimal("20.03"), *[Decimal("20.05")] * 5]
    figures = replace(Case(), mids=[mids, mids]).compute()

    assert figures.edge == Decimal("0.30")
    # The base fee lost nothing with the price, which is that of the fills.
    assert figures.inventory == Decimal("0.21982") - Decimal("0.30") + Decimal("0.08018")
    assert figures.find_adverse(1_000) == Decimal(0)
    assert figures.lvr == Decimal("-0.30")


def test_a_fill_without_its_price_makes_the_sum_absent() -> None:
    mids = [Decimal("20.03")] * 6
    figures = replace(Case(), mids=[mids, [None] * 6]).compute()

    assert figures.edge is None
    assert figures.absent["edge"] == "1 of 2 fills have no price recorded before them"
    assert figures.find_marked(0).of_marked == Decimal("0.15")


def test_a_side_without_a_name_of_its_fee_pays_in_what_it_got() -> None:
    tally = tally_up([trade("sell", "5", "20.06", "0.04012"), trade("buy", "5", "20", "0.002")])

    assert (tally.fee_quote, tally.fee_base) == (Decimal("0.04012"), Decimal("0.002"))


def test_every_absent_figure_has_its_reason() -> None:
    values = Case(mark=None).compute().to_json()

    absent = values["absent"]
    assert isinstance(absent, dict)
    told = {name for name, value in values.items() if value is None}
    not_figures = {"from_ms", "until_ms", "edge_bps", "edge_of_marked", "fee_share"}
    assert told - not_figures <= set(absent)


def test_deployers_share_is_an_estimate_of_both_sides() -> None:
    """Half of: our 0.002 base at 20.03, and 7 bps of what takers bought from us."""
    figures = Case().compute()
    figures = replace(figures, setting=replace(figures.setting, fee_share=Decimal("0.5")))

    with exactly():
        assert figures.fee_share_income == (Decimal("0.04006") + Decimal("0.07021")) / 2
