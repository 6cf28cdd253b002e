"""Rehearsals: the real maker with an operator's configuration, in a market that follows a path."""

from __future__ import annotations

import logging
from decimal import Decimal

import pytest
from mutants import MUTANTS
from plan_kit import make_facts
from rehearse_kit import make_rehearsal, make_settings, make_spot_state, make_venue_facts

from mm_trio.cli.rehearse_programs.figures import PathFigures
from mm_trio.cli.rehearse_programs.rehearse import rehearse
from mm_trio.cli.rehearse_programs.rehearse_path import rehearse_path
from mm_trio.cli.rehearse_programs.venue_facts import parse_venue_facts
from mm_trio.model.errors import ConfigError, Interrupted
from mm_trio.sandbox.faults.kinds import FaultKind

# In the order of the command line's.
PATHS = ("calm", "fall", "rise", "halve")


def peak(figures: PathFigures, name: str) -> Decimal:
    found = {peak.name: peak.value for peak in figures.peaks}[name]
    assert found is not None
    return found


@pytest.mark.parametrize("path", PATHS)
def test_among_faults_a_path_breaks_no_rule_and_no_limit(path: str) -> None:
    figures = rehearse_path(make_rehearsal(faults=None), path)

    assert (figures.violations, figures.trips, figures.is_clean) == ((), (), True)
    assert figures.trading.fills > 0
    assert figures.faults > 0
    assert figures.sim_s == 360


def test_the_same_seed_and_facts_give_the_same_figures() -> None:
    rehearsal = make_rehearsal(faults=None)

    assert rehearse_path(rehearsal, "fall") == rehearse_path(rehearsal, "fall")


def test_another_seed_gives_other_figures() -> None:
    one, other = (rehearse_path(make_rehearsal(seed=seed), "calm") for seed in (1, 2))

    assert one.trading != other.trading


def test_without_faults_none_strikes() -> None:
    assert rehearse_path(make_rehearsal(), "calm").faults == 0


def test_only_the_faults_that_were_named_strike() -> None:
    rehearsal = make_rehearsal(faults=(FaultKind.SOCKET_CLOSED,), hours=0.5)

    assert 0 < rehearse_path(rehearsal, "calm").faults < 20


def test_the_price_runs_through_the_ladder() -> None:
    rise, halve = (rehearse_path(make_rehearsal(), path) for path in ("rise", "halve"))

    assert rise.token.low < 2
    assert rise.quoting.no_ask_s > 0
    assert halve.quote.low < 42
    assert halve.quoting.no_bid_s > 0


def test_limits_just_as_wide_as_needed_stop_nothing() -> None:
    """The numbers of a first run are the limits of a second one."""
    free = rehearse_path(make_rehearsal(), "fall")
    names = ("max_order_notional", "max_net_spend", "price_low", "price_high", "max_loss_vs_hold")
    limits: dict[str, object] = {name: f"{peak(free, name):f}" for name in names}

    figures = rehearse_path(make_rehearsal(make_settings(limits)), "fall")

    assert figures.trips == ()
    assert figures.trading == free.trading


def test_a_limit_of_money_ends_its_path_and_is_named_with_its_time() -> None:
    free = rehearse_path(make_rehearsal(), "fall")
    half = (peak(free, "max_net_spend") / 2).quantize(Decimal("0.01"))

    figures = rehearse_path(make_rehearsal(make_settings({"max_net_spend": f"{half:f}"})), "fall")

    (trip,) = figures.trips
    assert (trip.name, trip.limit, trip.follows) == ("max_net_spend", half, "halt")
    assert trip.number > half
    assert 0 < trip.at_s <= figures.sim_s < 360
    assert not figures.is_clean
    assert figures.violations == ()


def test_orders_beyond_a_limit_end_their_path() -> None:
    figures = rehearse_path(make_rehearsal(make_settings({"max_order_notional": "41"})), "calm")

    (trip,) = figures.trips
    assert (trip.name, trip.follows) == ("max_order_notional", "refuse")
    assert figures.sim_s < 60


def test_a_limit_that_makes_the_maker_wait_does_not_end_its_path() -> None:
    figures = rehearse_path(make_rehearsal(make_settings({"max_actions_per_hour": 15})), "calm")

    (trip,) = figures.trips
    assert (trip.name, trip.follows, figures.sim_s) == ("max_actions_per_hour", "wait", 360)


def test_earned_is_turns_less_fees_and_what_the_price_made_of_it() -> None:
    income = rehearse_path(make_rehearsal(), "fall").income

    assert income.earned == income.turns - income.fees + income.moved
    assert income.worst_loss >= -income.earned


def test_a_calm_price_moves_little() -> None:
    """What is left of the way of the price is small beside the volume: turns and fees explain what was earned."""
    figures = rehearse_path(make_rehearsal(hours=1.0), "calm")

    assert abs(figures.income.moved) < figures.trading.volume / 1000


def test_the_fee_of_the_account_is_charged() -> None:
    rates = {"userSpotAddRate": "0.001", "userSpotCrossRate": "0.002"}

    figures = rehearse_path(make_rehearsal(facts=make_venue_facts(userFees=rates)), "calm")

    assert figures.income.fees == pytest.approx(figures.trading.volume / 1000, rel=Decimal("0.001"))


def test_the_account_begins_with_the_requests_that_it_has_left() -> None:
    limit = {"cumVlm": "100.0", "nRequestsUsed": 9900, "nRequestsCap": 10_100}

    figures = rehearse_path(make_rehearsal(facts=make_venue_facts(userRateLimit=limit)), "calm")

    assert peak(figures, "budget_floor") < 200


def test_a_poor_account_offers_what_it_has() -> None:
    facts = make_venue_facts(spotClearinghouseState=make_spot_state("5.0", "50.0"))

    rehearsal = make_rehearsal(facts=facts, is_funded=False, accepted_px=Decimal("21.036"))
    figures = rehearse_path(rehearsal, "calm")

    assert figures.violations == ()
    assert peak(figures, "max_side_notional") < 110


def test_the_whole_account_may_be_offered() -> None:
    facts = make_venue_facts(spotClearinghouseState=make_spot_state("20.0", "300.0"))

    figures = rehearse_path(make_rehearsal(make_settings(target_px=None), facts, is_funded=False), "calm")

    assert figures.violations == ()
    assert figures.token.high >= 20


def test_a_market_without_others_is_rehearsed_too() -> None:
    figures = rehearse_path(make_rehearsal(facts=make_venue_facts(None, None), hours=0.3), "calm")

    assert figures.violations == ()
    assert figures.trading.fills > 0


def test_a_pair_of_whole_tokens_breaks_no_rule() -> None:
    facts = make_facts("0.1001", "0.1003")
    facts["spotMeta"]["tokens"][1] |= {"szDecimals": 0, "weiDecimals": 5}
    settings = make_settings(start_px="0.09", n_orders=80, order_sz="500", target_px="0.1002")

    figures = rehearse_path(make_rehearsal(settings, parse_venue_facts(facts, settings.market), faults=None), "fall")

    assert figures.violations == ()
    assert figures.trading.fills > 0


def test_a_ladder_far_from_the_market_is_refused_as_at_a_start() -> None:
    with pytest.raises(ConfigError, match="market"):
        rehearse_path(make_rehearsal(facts=make_venue_facts("23", "23.1")), "calm")


def test_a_price_that_was_accepted_opens_it() -> None:
    rehearsal = make_rehearsal(facts=make_venue_facts("23", "23.1"), accepted_px=Decimal("20.605"))

    assert rehearse_path(rehearsal, "calm").violations == ()


def test_a_mistake_of_the_maker_is_a_violation(monkeypatch: pytest.MonkeyPatch) -> None:
    MUTANTS["orders are not post only"](monkeypatch)

    figures = rehearse_path(make_rehearsal(), "calm")

    assert figures.violations[0].startswith("S9 at ")
    assert not figures.is_clean


def test_a_signal_leaves_the_figures_of_the_paths_that_ended() -> None:
    """It comes while the second path runs, and nothing there took notice of it."""
    n_done = [0]

    with pytest.raises(Interrupted) as caught:
        rehearse(
            make_rehearsal(paths=PATHS),
            is_stopped=lambda: n_done[-1] > 0,
            on_progress=lambda n, n_paths, path: n_done.append(n),
        )

    assert caught.value.checked == ("path calm",)
    assert caught.value.not_checked == ("path fall", "path rise", "path halve")
    assert caught.value.summary["clean"] is False


def test_the_log_is_as_loud_as_before() -> None:
    log = logging.getLogger("mm_trio")
    level = log.level

    rehearse_path(make_rehearsal(hours=0.02), "calm")

    assert log.level == level
