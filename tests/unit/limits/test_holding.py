"""Spend and loss against having held."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mm_trio.limits.holding import HoldingLimits, Traded
from mm_trio.limits.terms import Reaction, RiskLimits

D = Decimal
LOSSES = RiskLimits(max_loss_vs_hold=D(10), max_drawdown_vs_hold=D(15))


def name_at(holding: HoldingLimits, traded: Traded, *, now_s: float = 0) -> str | None:
    breach = holding.find_breach(traded, now_s=now_s)
    return None if breach is None else breach.name


def mark(limits: RiskLimits, mid: str, traded: Traded = Traded()) -> HoldingLimits:  # noqa: B008 - Immutable.
    holding = HoldingLimits(limits, now_s=0)
    holding.on_mark(D(mid), traded, now_s=0)
    return holding


@pytest.mark.parametrize("mid", ["20", "10", "0.001", "100000"])
def test_a_price_that_moves_without_a_fill_is_no_loss(mid: str) -> None:
    assert name_at(mark(LOSSES, mid), Traded()) is None


@pytest.mark.parametrize("mid, name", [("18", None), ("17.99", "max_loss_vs_hold")])
def test_what_was_bought_and_is_worth_less_is_a_loss(mid: str, name: str | None) -> None:
    """Five bought at 20: at 18 they lost 10."""
    traded = Traded(D(5), D(-100))

    assert name_at(mark(LOSSES, mid, traded), traded) == name


@pytest.mark.parametrize("mid, name", [("22", None), ("22.01", "max_loss_vs_hold")])
def test_what_was_sold_and_is_worth_more_is_a_loss(mid: str, name: str | None) -> None:
    traded = Traded(D(-5), D(100))

    assert name_at(mark(LOSSES, mid, traded), traded) == name


def test_fees_are_a_loss_although_no_price_moved() -> None:
    traded = Traded(D(0), D("-10.01"))

    assert name_at(mark(LOSSES, "20", traded), traded) == "max_loss_vs_hold"


def test_a_loss_is_also_measured_from_the_best_moment() -> None:
    """Five bought at 20: 25 earned at 25, and 9.9 left at 21.98."""
    traded, holding = Traded(D(5), D(-100)), HoldingLimits(LOSSES, now_s=0)
    holding.on_mark(D(25), traded, now_s=0)
    holding.on_mark(D(22), traded, now_s=1)
    assert name_at(holding, traded, now_s=1) is None
    holding.on_mark(D("21.98"), traded, now_s=2)

    assert name_at(holding, traded, now_s=2) == "max_drawdown_vs_hold"


@pytest.mark.parametrize("spent, name", [("1000", None), ("1000.01", "max_net_spend")])
def test_spend_is_what_was_paid_less_what_was_received(spent: str, name: str | None) -> None:
    holding = HoldingLimits(RiskLimits(max_net_spend=D(1000)), now_s=0)

    assert name_at(holding, Traded(D(1), -D(spent))) == name


@pytest.mark.parametrize("age_s, name", [(60, None), (60.1, "age of the mark")])
def test_without_a_price_for_a_minute_nothing_new_is_placed(age_s: float, name: str | None) -> None:
    holding = mark(LOSSES, "20")
    holding.on_mark(None, Traded(), now_s=age_s)
    breach = holding.find_breach(Traded(), now_s=age_s)

    assert (None if breach is None else breach.name) == name
    assert breach is None or breach.reaction is Reaction.WAIT


def test_without_limits_of_loss_no_price_is_needed() -> None:
    assert name_at(HoldingLimits(RiskLimits(max_net_spend=D(1)), now_s=0), Traded(), now_s=1e6) is None


def test_a_peak_is_told_when_it_grew_by_a_hundredth_of_its_limit_and_once() -> None:
    """A hundredth of 15 is 0.15: of five tokens, 0.03 of the price."""
    traded, holding = Traded(D(5), D(-100)), HoldingLimits(LOSSES, now_s=0)
    told = []
    for mid in ("20", "20.02", "20.03", "20.03", "20.05", "20.06"):
        holding.on_mark(D(mid), traded, now_s=0)
        told.append(holding.take_peak())

    assert told == [None, None, D("0.15"), None, None, D("0.3")]


def test_a_peak_of_an_earlier_session_counts() -> None:
    traded, holding = Traded(D(5), D(-100)), HoldingLimits(LOSSES, peak=D(16), now_s=0)
    holding.on_mark(D("20.1"), traded, now_s=0)

    assert name_at(holding, traded) == "max_drawdown_vs_hold"
    assert holding.take_peak() is None
