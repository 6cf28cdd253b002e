"""Rehearsals before and after their paths: what is read, what is put together, and what is told."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plan_kit import make_facts
from rehearse_kit import ACCOUNT, QUOTE, TOKENS, make_rehearsal, make_settings, make_spot_state, make_venue_facts

from mm_trio.cli.main import main
from mm_trio.cli.rehearse_programs.figures import (
    Income,
    PathFigures,
    Peak,
    Quoting,
    Range,
    Requests,
    Trading,
    Trip,
    value_on_ladder,
)
from mm_trio.cli.rehearse_programs.preparation import Funds
from mm_trio.cli.rehearse_programs.price_paths import PATHS, find_highest, find_points, parse_paths
from mm_trio.cli.rehearse_programs.report import make_report
from mm_trio.cli.rehearse_programs.suggested_limits import suggest_limits, write_limits
from mm_trio.cli.rehearse_programs.venue_facts import make_markets, parse_venue_facts
from mm_trio.config.loading import parse_settings
from mm_trio.model.errors import ConfigError
from mm_trio.planning.ladder_plan import LadderPlan
from mm_trio.planning.plan_limits import find_limits

LEVELS = (Decimal(10), Decimal(11), Decimal(12), Decimal(13))
SIZE = Decimal(2)
TRIP = Trip("max_net_spend", Decimal("101.5"), Decimal(100), "quote paid less received", 65.0, "halt")


def make_figures(**changes: Any) -> PathFigures:
    values: dict[str, Any] = {
        "path": "calm",
        "sim_s": 3600.0,
        "trading": Trading(4, Decimal(800), Decimal(1), Decimal(-20), Decimal("0.32")),
        "income": Income(
            earned=Decimal(3), turns=Decimal(5), fees=Decimal(1), worst_loss=Decimal(2), worst_drawdown=Decimal(4)
        ),
        "token": Range(Decimal(1), Decimal(2)),
        "quote": Range(Decimal(30), Decimal(40)),
        "requests": Requests(items=12, left=9_988, volume=Decimal(800)),
        "quoting": Quoting(no_bid_s=0, no_ask_s=7, spread_bps=29.9, most_orders=40),
        "peaks": (
            Peak("max_net_spend", Decimal(20), Decimal(100)),
            Peak("max_actions_per_hour", Decimal(321), None),
            Peak("max_fills_per_minute", Decimal(41), None),
        ),
        "trips": (),
        "violations": (),
        "faults": 3,
    }
    return PathFigures(**(values | changes))


# --- Facts ----------------------------------------------------------------------------------------


def test_what_orders_or_margin_hold_is_not_free() -> None:
    facts = make_venue_facts(
        spotClearinghouseState=make_spot_state("30.0", "700.0", held_token="4.0", held_usdc="100.0")
    )

    assert make_rehearsal(facts=facts, is_funded=False).account == Funds(Decimal(26), Decimal(600))


def test_an_account_that_lacks_the_allocation_is_told() -> None:
    facts = make_venue_facts(spotClearinghouseState=make_spot_state("30.0", "700.0", held_usdc="400.0"))

    assert make_rehearsal(facts=facts, is_funded=False).notes == (
        "the account has 300 USDC free, and 400 held by open orders or margin; the allocation is 405.412, so the "
        "ladder is smaller; fund it, or rehearse with --assume-funded",
    )


def test_an_account_assumed_to_be_funded_holds_the_allocation() -> None:
    rehearsal = make_rehearsal()

    assert rehearsal.account == rehearsal.allocation == Funds(TOKENS, QUOTE)


def test_without_an_allocation_there_is_nothing_to_assume() -> None:
    with pytest.raises(ConfigError, match="--assume-funded needs an amount"):
        make_rehearsal(make_settings(target_px=None))


def test_balances_that_a_file_lacks_have_to_be_assumed() -> None:
    with pytest.raises(ConfigError, match="the file has no spotClearinghouseState"):
        make_rehearsal(is_funded=False)


def test_the_own_orders_in_the_book_are_not_those_of_others() -> None:
    """A maker that runs has its ladder there."""
    row = {"coin": "@107", "side": "B", "limitPx": "20.59", "oid": 1, "timestamp": 1, "origSz": "40.0"}
    others = make_venue_facts(openOrders=[{**row, "sz": "40.0"}]).bids
    alone = make_venue_facts(openOrders=[{**row, "sz": "100.0"}])

    assert [level.size for level in others] == [60]
    assert alone.bids == ()
    assert alone.mid is None


@pytest.mark.parametrize(("used", "left"), [(0, 10_100), (10_000, 100), (20_000, 0)])
def test_the_requests_left_are_those_of_the_account(used: int, left: int) -> None:
    limit = {"cumVlm": "100.9", "nRequestsUsed": used, "nRequestsCap": 10_100}

    assert make_venue_facts(userRateLimit=limit).requests_left == left


def test_the_exchange_lists_the_pair_with_its_decimals() -> None:
    raw = make_facts("0.1", "0.2")
    raw["spotMeta"]["tokens"][1] |= {"szDecimals": 0, "weiDecimals": 5}
    markets = make_markets(parse_venue_facts(raw, make_settings().market), opening_px=Decimal(1))

    pair = markets.pair("@107")
    assert (pair.asset, pair.base.name, pair.base.index, pair.base.sz_decimals, pair.base.wei_decimals) == (
        *(10_107, "HYPE", 150, 0, 5),
    )
    assert (pair.quote.name, pair.quote.wei_decimals, pair.opening_px) == ("USDC", 8, Decimal(1))


def test_another_base_than_the_configured_one_is_refused() -> None:
    market = replace(make_settings().market, base="PURR")

    with pytest.raises(ConfigError, match="base is 'PURR'"):
        parse_venue_facts(make_facts(), market)


def test_a_file_whose_balances_cannot_be_read_is_named() -> None:
    with pytest.raises(ConfigError, match=r"--offline f\.json: "):
        parse_venue_facts(make_facts(spotClearinghouseState={"balances": 1}), make_settings().market, source="f.json")


def test_a_whole_account_that_run_would_refuse_is_told() -> None:
    settings = make_settings(target_px=None)
    settings = replace(settings, market=replace(settings.market, network="mainnet"))
    facts = make_venue_facts(spotClearinghouseState=make_spot_state("20.0", "300.0"))

    rehearsal = make_rehearsal(settings, facts, is_funded=False)

    assert "`run` refuses this configuration on mainnet" in rehearsal.notes[0]


def test_a_ledger_rounded_half_to_even_is_rehearsed_as_hip2() -> None:
    rehearsal = make_rehearsal(make_settings(ladder="half-even"))

    assert rehearsal.grid.ladder == "hip2"
    assert "rehearsed as" in rehearsal.notes[0]


def test_the_price_of_an_empty_book_is_where_the_ladder_opens() -> None:
    rehearsal = make_rehearsal(facts=make_venue_facts(None, None))

    assert rehearsal.plan is not None
    assert rehearsal.start_px == rehearsal.plan.opens_at


def test_where_there_are_no_others_one_small_order_a_side_gives_a_price() -> None:
    """Without a price no loss would be measured, and no limit of it met."""
    book = make_rehearsal(facts=make_venue_facts(None, None)).book

    assert [ratio for ratio, _ in (*book.bids, *book.asks)] == [Decimal("0.99"), Decimal("1.01")]
    assert all(size > 0 for _, size in (*book.bids, *book.asks))


# --- Paths ----------------------------------------------------------------------------------------


def test_all_paths_are_those_that_there_are() -> None:
    assert parse_paths("all") == tuple(PATHS) == ("calm", "fall", "rise", "halve")


def test_paths_are_named_once_and_in_their_order() -> None:
    assert parse_paths("halve, calm,halve") == ("halve", "calm")


def test_an_unknown_path_is_told_with_those_that_there_are() -> None:
    with pytest.raises(ConfigError, match="unknown: 'up'; it must be all, or some of calm, fall, rise, halve"):
        parse_paths("calm,up")


@pytest.mark.parametrize("path", PATHS)
def test_a_path_waits_for_the_ladder(path: str) -> None:
    (share, drift), *_ = find_points(path, start_px=Decimal(20), top_px=Decimal(25))

    assert drift == 0
    assert path == "calm" or share > 0


def test_only_the_way_up_has_an_end() -> None:
    prices = {"start_px": Decimal(20), "top_px": Decimal(25)}

    ends = {path: find_highest(path, **prices) for path in PATHS}

    assert ends == {"calm": None, "fall": None, "rise": Decimal("25.075"), "halve": None}


# --- Figures --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("token", "worth"), [("0", 0), ("1", 13), ("2", 26), ("3", 26 + 12), ("8", 92), ("9", 92 + 10), ("-1", -13)]
)
def test_tokens_are_worth_what_the_ladder_asks_for_them(token: str, worth: int) -> None:
    assert value_on_ladder(LEVELS, SIZE, Decimal(token)) == worth


@given(st.integers(1, len(LEVELS)))
def test_a_tranche_sold_at_its_level_turns_nothing(n_tranches: int) -> None:
    """It brings what it was worth, and bought back there it is worth that again."""
    level = LEVELS[len(LEVELS) - n_tranches]

    lost = value_on_ladder(LEVELS, SIZE, SIZE * n_tranches) - value_on_ladder(LEVELS, SIZE, SIZE * (n_tranches - 1))

    assert lost == SIZE * level


@pytest.mark.parametrize(
    ("peak", "percent"),
    [
        (Peak("max_net_spend", Decimal(20), Decimal(80)), 25),
        (Peak("price_low", Decimal(25), Decimal(20)), 80),
        (Peak("budget_floor", Decimal(1000), Decimal(500)), 50),
        (Peak("budget_floor", Decimal(0), Decimal(500)), None),
        (Peak("max_net_spend", Decimal(20), None), None),
        (Peak("max_net_spend", None, Decimal(80)), None),
    ],
)
def test_a_peak_is_a_share_of_its_limit(peak: Peak, percent: int | None) -> None:
    assert peak.percent == percent


def test_a_number_that_was_refused_is_a_peak_too() -> None:
    assert Peak("max_side_notional", Decimal(90), Decimal(100)).reach(Decimal(110)).percent == 110
    assert Peak("budget_floor", Decimal(600), Decimal(500)).reach(Decimal(400)).percent == 125


def test_a_market_without_a_price_is_no_limit() -> None:
    waited = Trip("age of the mark", Decimal(61), Decimal(60), "s", 700.0, "wait")

    assert make_figures(trips=(waited,)).is_clean
    assert not make_figures(trips=(TRIP,)).is_clean
    assert not make_figures(violations=("S1 at 3 s",)).is_clean


# --- Suggested limits -----------------------------------------------------------------------------


def suggest(
    *figures: PathFigures, plan: LadderPlan | None = None, hours: float = 1.0, has_allocation: bool = True
) -> dict[str, Decimal | int]:
    found = suggest_limits(plan, figures, hours=hours, has_allocation=has_allocation)
    return {limit.name: limit.value for limit in found}


def test_the_amounts_are_those_of_the_plan() -> None:
    plan = make_rehearsal().plan
    assert plan is not None

    suggested = suggest(make_figures(), plan=plan)

    assert suggested["max_loss_vs_hold"] == find_limits(plan).max_loss_vs_hold
    assert suggested["price_high"] == plan.grid.levels[-1]


def test_without_an_allocation_no_limit_needs_one() -> None:
    """The configuration would refuse them."""
    suggested = suggest(make_figures(), plan=make_rehearsal().plan, has_allocation=False)

    assert {"max_net_spend", "max_loss_vs_hold", "max_drawdown_vs_hold"}.isdisjoint(suggested)
    assert "max_side_notional" in suggested


def test_a_window_with_its_slack_bounds_a_side() -> None:
    """Six orders a side and two more at the far end, of 2 at most 21.162 each, and a tenth more."""
    plan = make_rehearsal(make_settings(window_slack=2)).plan
    assert plan is not None

    most = find_limits(plan).max_side_notional

    assert most == pytest.approx(sum(plan.grid.levels[-8:]) * 2 * Decimal("1.1"), abs=Decimal("0.01"))


def test_the_pace_is_twice_what_was_seen_rounded_up() -> None:
    calm, livelier = make_figures(), make_figures(peaks=(Peak("max_actions_per_hour", Decimal(333), None),))

    assert suggest(calm, livelier) == {
        "max_actions_per_hour": 670,
        "max_fills_per_minute": 82,
        "max_unknown_outcomes": 20,
        "budget_floor": 500,
    }


def test_a_run_of_half_an_hour_has_seen_half_of_the_actions() -> None:
    assert suggest(make_figures(), hours=0.5)["max_actions_per_hour"] == 1300


def test_a_long_ladder_keeps_requests_for_two_cancels_of_each_order() -> None:
    quoting = Quoting(no_bid_s=0, no_ask_s=0, spread_bps=None, most_orders=801)

    assert suggest(make_figures(quoting=quoting))["budget_floor"] == 1700


def test_what_is_written_is_taken_by_the_configuration() -> None:
    rehearsal = make_rehearsal()
    text = write_limits(make_report(rehearsal, [make_figures()], wall_s=1.0).suggested, [make_figures()])

    document = tomllib.loads(CONFIG)
    limits = parse_settings(document | tomllib.loads(text), environ={}, source="this test").limits

    assert limits is not None
    assert limits.max_fills_per_minute == 82
    assert limits.price_low == 20


# --- Report ---------------------------------------------------------------------------------------


def test_a_limit_that_tripped_is_told_with_number_and_time() -> None:
    report = make_report(make_rehearsal(), [make_figures(trips=(TRIP,), sim_s=70.0)], wall_s=1.0)

    text = report.to_text()
    assert (
        "TRIPPED on calm: max_net_spend: 101.50 quote paid less received, the limit is 100; after 1 min 05 s; halt"
        in text
    )
    assert "1 min 10 s" in text
    assert report.to_json()["clean"] is False
    assert report.to_json()["limits_tripped"] == 1


def test_a_broken_rule_is_told_as_a_mistake_of_the_program() -> None:
    text = make_report(make_rehearsal(), [make_figures(violations=("S1 at 3 s",))], wall_s=1.0).to_text()

    assert "BROKEN RULE on calm: S1 at 3 s. This is a mistake of the program" in text


def test_the_nearest_path_of_each_limit_is_told() -> None:
    far, near = make_figures(), make_figures(path="fall", peaks=(Peak("max_net_spend", Decimal(90), Decimal(100)),))

    report = make_report(make_rehearsal(), [far, near], wall_s=1.0)

    assert report.to_json()["nearest"] == [{"limit": "max_net_spend", "path": "fall", "percent": 90.0, "peak": "90"}]


def test_the_totals_add_up_the_paths() -> None:
    text = make_report(make_rehearsal(), [make_figures(), make_figures(path="fall")], wall_s=1.0).to_text()

    totals = next(line for line in text.splitlines() if line.startswith("all "))
    assert totals.split() == ["all", "8", "1,600", "6", "10", "2", "-2", "2", "24", "15.0"]


# --- Command --------------------------------------------------------------------------------------

CONFIG = f"""
[market]
coin = "@107"
account = "{ACCOUNT}"

[strategy]
start_px = "20"
n_orders = 20
order_sz = "2"
target_px = "20.6"
"""


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, ...]:
    """The words that name a configuration and its facts."""
    (tmp_path / "maker.toml").write_text(CONFIG)
    facts = make_facts("20.59", "20.61", spotClearinghouseState=make_spot_state("20.0", "406.0"))
    (tmp_path / "facts.json").write_text(json.dumps(facts))
    return "--config", str(tmp_path / "maker.toml"), "--offline", str(tmp_path / "facts.json")


def rehearse(*words: str) -> int:
    return main(["rehearse", "--hours", "0.05", *words])


def test_a_rehearsal_prints_its_figures_and_limits(files: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert rehearse(*files, "--price-path", "calm") == 0

    out = capsys.readouterr().out
    assert "no limit was met, and no rule of safety broken" in out
    assert "\n[limits]\n" in out


def test_its_last_line_is_an_object(files: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert rehearse(*files, "--price-path", "calm,fall", "--json") == 0

    values = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [path["path"] for path in values["paths"]] == ["calm", "fall"]
    assert (values["clean"], values["violations"], values["limits_tripped"]) == (True, 0, 0)
    assert (
        tomllib.loads(values["suggested_toml"])["limits"]["max_net_spend"]
        == values["suggested_limits"]["max_net_spend"]
    )


def test_a_limit_that_tripped_is_exit_code_1(files: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    Path(files[1]).write_text(f'{CONFIG}\n[limits]\nmax_order_notional = "41"\n')

    assert rehearse(*files, "--price-path", "calm") == 1

    assert "TRIPPED on calm: max_order_notional" in capsys.readouterr().out


@pytest.mark.parametrize("words", [("--hours", "0"), ("--hours", "25"), ("--price-path", "up"), ("--faults", "rain")])
def test_words_that_are_not_valid_are_exit_code_2(files: tuple[str, ...], words: tuple[str, ...]) -> None:
    assert rehearse(*files, *words) == 2


def test_a_maker_that_would_not_start_is_exit_code_2(
    files: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    Path(files[3]).write_text(json.dumps(make_facts("25", "25.1")))

    assert rehearse(*files, "--assume-funded") == 2

    assert "market" in capsys.readouterr().err
