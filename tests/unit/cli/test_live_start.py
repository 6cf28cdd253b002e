"""Everything that refuses a start with real money, and what such a start tells."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from core_kit import MARKET

from mm_trio.cli.live_programs.live_start import check_live, note_plan_shown, prepare_live
from mm_trio.cli.run_programs.open_maker import Start, Terms, take_terms
from mm_trio.config.loading import parse_settings
from mm_trio.config.settings import Settings
from mm_trio.grids.schedule import read_machine_clock
from mm_trio.halts.live_marks import PLAN_NAME, note_first_run
from mm_trio.journal.data_dir import find_state_folder
from mm_trio.model.errors import ConfigError, Unreachable
from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.model.replies import ListedAgent
from mm_trio.witness.key_life import KeyLife
from mm_trio.witness.opening_check import Amounts, Inside, Opening

D = Decimal
ACCOUNT, SIGNER = "0x" + "a1" * 20, "0x" + "5e" * 20
DAY_MS = 86_400_000
# Twenty levels of asks and twenty of bids.
GRID = PricingGrid("20", 40, sz_decimals=2)
LIMITS: dict[str, Any] = {
    "max_order_notional": "130",
    "max_side_notional": "2600",
    "max_net_spend": "2300",
    "price_low": "20",
    "price_high": "22.5",
    "max_loss_vs_hold": "100",
    "max_drawdown_vs_hold": "100",
    "max_actions_per_hour": 20000,
    "max_fills_per_minute": 600,
    "max_unknown_outcomes": 20,
    "budget_floor": 500,
}


def make_settings(**changed: Any) -> Settings:
    """A live configuration with changed values, each named `section__key`; None leaves one out."""
    sections: dict[str, dict[str, Any]] = {
        "market": {"coin": "@107", "network": "mainnet", "account": ACCOUNT, "base": "HYPE"},
        "strategy": {"start_px": "20", "n_orders": 40, "order_sz": "5"},
        "allocation": {"token": "100", "usdc": "2060"},
        "limits": dict(LIMITS),
    }
    for name, value in changed.items():
        section, _, key = name.partition("__")
        if not key:
            del sections[section]
        elif value is None:
            del sections[section][key]
        else:
            sections[section][key] = value
    return parse_settings(sections, environ={}, source="the test")


def make_key(days: float | None = 100, *, is_named: bool = True) -> KeyLife:
    """What the venue told of our key; `days` None: nothing."""
    life = KeyLife(SIGNER, owner=ACCOUNT)
    if days is not None:
        now_ms = read_machine_clock()
        agent = ListedAgent(address=SIGNER, name="mm_trio", valid_until_ms=now_ms + round(days * DAY_MS))
        life.on_listed([agent] if is_named else [], now_ms=now_ms)
    return life


def environ_of(folder: Path) -> Mapping[str, str]:
    return {"XDG_STATE_HOME": str(folder)}


def make_start(folder: Path, settings: Settings | None = None, *, key: KeyLife | None = None) -> Start:
    """A start whose plan was looked at."""
    settings = settings or make_settings()
    note_plan_shown(settings, MARKET, environ=environ_of(folder))
    state = find_state_folder(environ_of(folder), network="mainnet", account=ACCOUNT, coin="@107")
    return Start(
        settings=settings, market=MARKET, grid=GRID, folder=state, key_life=key or make_key(), accepted_px=None
    )


# --- What the settings alone show -----------------------------------------------------------------------


def test_settings_with_everything_may_trade() -> None:
    check_live(make_settings())


@pytest.mark.parametrize(
    "changed, told",
    [
        ({"market__network": "testnet"}, 'for network = "mainnet" alone, and [market] network is "testnet"'),
        ({"market__network": "sandbox"}, 'for network = "mainnet" alone, and [market] network is "sandbox"'),
        ({"limits": None}, f"[limits] {', '.join(LIMITS)}: missing"),
        *(({f"limits__{name}": None}, f"[limits] {name}: missing") for name in LIMITS),
        ({"limits__price_low": "22.5"}, "[limits] price_low 22.5 is not below price_high 22.5"),
        ({"market__base": None}, "[market] base is missing"),
    ],
)
def test_settings_that_lack_something_are_refused_by_name(changed: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError) as refused:
        check_live(make_settings(**changed))

    assert told in str(refused.value)


def test_an_account_that_nobody_bounded_is_not_offered() -> None:
    money = dict.fromkeys(("limits__max_net_spend", "limits__max_loss_vs_hold", "limits__max_drawdown_vs_hold"))

    with pytest.raises(ConfigError, match=r"neither .* target_px nor .allocation. is given"):
        check_live(make_settings(allocation=None, **money))


def test_all_reasons_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as refused:
        check_live(make_settings(limits=None, market__base=None))

    assert str(refused.value).splitlines()[0] == "no live run: 2 reasons"


def test_a_maker_on_mainnet_is_not_started_as_any_other(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="`run --live` alone"):
        take_terms(make_start(tmp_path))


# --- The plan that was looked at -------------------------------------------------------------------------


def test_a_plan_that_was_not_looked_at_is_refused(tmp_path: Path) -> None:
    start = make_start(tmp_path)
    (start.folder / PLAN_NAME).unlink()

    with pytest.raises(ConfigError, match="look at the plan first"):
        prepare_live(start)


def test_another_plan_than_the_one_that_was_looked_at_is_refused(tmp_path: Path) -> None:
    start = replace(make_start(tmp_path), settings=make_settings(strategy__order_sz="4"))

    with pytest.raises(ConfigError, match="was not shown yet, or was changed since"):
        prepare_live(start)


def test_a_plan_that_is_shown_beside_a_live_maker_does_not_keep_it_from_its_restart(tmp_path: Path) -> None:
    start = make_start(tmp_path)
    prepare_live(start)
    note_plan_shown(make_settings(strategy__order_sz="4"), MARKET, environ=environ_of(tmp_path))

    prepare_live(start)


def test_a_plan_tells_what_a_live_run_would_lack(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    note_plan_shown(make_settings(market__base=None), MARKET, environ=environ_of(tmp_path))

    assert "a live run would be refused: reason=[market] base is missing" in caplog.text


def test_a_plan_tells_which_limits_a_live_run_would_refuse(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    note_plan_shown(make_settings(limits__max_net_spend="90000"), MARKET, environ=environ_of(tmp_path))

    assert "a live run would be refused: reason=[limits] max_net_spend 90000" in caplog.text


def test_a_plan_that_cannot_be_noted_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "mm_trio").write_text("in the place of the folder")

    note_plan_shown(make_settings(), MARKET, environ=environ_of(tmp_path))

    assert "plan not noted" in caplog.text


# --- The key ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("days", [-1.0, 0.5, 6.99])
def test_a_key_that_ends_within_a_week_is_refused(tmp_path: Path, days: float) -> None:
    with pytest.raises(ConfigError, match=rf"ends in {days:.1f} days, and a live run needs 7; .*keys rotate"):
        prepare_live(make_start(tmp_path, key=make_key(days)))


def test_a_key_that_lasts_a_week_may_trade(tmp_path: Path) -> None:
    prepare_live(make_start(tmp_path, key=make_key(7.01)))


def test_a_venue_that_does_not_tell_the_end_of_the_key_refuses(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="does not tell when the key"):
        prepare_live(make_start(tmp_path, key=make_key(None)))


def test_a_key_without_a_name_has_no_end_that_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    prepare_live(make_start(tmp_path, key=make_key(is_named=False)))

    assert "live: end of the key not told" in caplog.text


def test_the_key_of_a_vault_whose_leader_is_unknown_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    prepare_live(replace(make_start(tmp_path), key_life=None))

    assert "live: end of the key not known" in caplog.text


# --- Limits that do not fit ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changed, told",
    [
        ({"limits__max_order_notional": "100"}, "max_order_notional 100 is below the 112"),
        ({"limits__max_side_notional": "2000"}, "max_side_notional 2000 is below the 2"),
        ({"limits__price_low": "20.5"}, "price_low 20.5 is above the lowest order, 20"),
        ({"limits__price_high": "22"}, "price_high 22 is below the highest order, 22.458"),
        ({"limits__max_order_notional": "13000"}, "max_order_notional 13000 is more than 10 times"),
        ({"limits__max_side_notional": "260000"}, "max_side_notional 260000 is more than 10 times"),
        ({"limits__max_net_spend": "23000"}, "max_net_spend 23000 is more than 10 times"),
        ({"limits__max_loss_vs_hold": "10000"}, "max_loss_vs_hold 10000 is more than 10 times"),
        ({"limits__max_drawdown_vs_hold": "10000"}, "max_drawdown_vs_hold 10000 is more than 10 times"),
        ({"limits__price_low": "1.9"}, "price_low 1.9 is far below the ladder; 20 fits"),
        ({"limits__price_high": "230"}, "price_high 230 is far above the ladder; 22.4"),
        ({"strategy__order_sz": "5.001"}, "order_sz must be a whole number of lots of 0.01"),
    ],
)
def test_a_limit_that_stops_the_plan_or_bounds_nothing_of_it_is_refused(
    tmp_path: Path, changed: dict[str, Any], told: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        prepare_live(make_start(tmp_path, make_settings(**changed)))

    assert told in str(refused.value)


# --- What the account holds ------------------------------------------------------------------------------


def open_with(terms: Terms, *, held: tuple[str, str], moved: tuple[str, str]) -> None:
    """Ask the terms about an opening of an account that holds this."""
    terms.check_opening(
        Opening(
            grid=GRID,
            boundary_level=20,
            inside=Inside(GRID.levels[20], GRID.levels[19], GRID.levels[20]),
            market_bid=GRID.levels[19],
            market_ask=GRID.levels[20],
            tokens=("HYPE", "USDC"),
            wanted=Amounts(D(100), D(2060)),
            offered=Amounts(D(100), D(2060)),
            held=Amounts(*map(D, held)),
            moved=Amounts(*map(D, moved)),
        )
    )


@pytest.mark.parametrize(
    "held, moved",
    [(("100", "2060"), ("0", "0")), (("95", "2165"), ("-5", "105")), (("104.998", "1957"), ("4.998", "-103"))],
)
def test_an_account_that_holds_the_worst_case_may_trade(
    tmp_path: Path, held: tuple[str, str], moved: tuple[str, str]
) -> None:
    """Fills of an earlier life moved what is needed as they moved what is held."""
    open_with(prepare_live(make_start(tmp_path)), held=held, moved=moved)


@pytest.mark.parametrize(
    "held, moved, told",
    [
        (("99.99", "2060"), ("0", "0"), "100 HYPE are needed and 99.99 are free;"),
        (("100", "2059"), ("0", "0"), "2060 USDC are needed and 2059 are free;"),
        (("1", "2"), ("0", "0"), "100 HYPE are needed and 1 are free; 2060 USDC are needed and 2 are free"),
        (("95", "2060"), ("-5", "105"), "2165 USDC are needed and 2060 are free"),
    ],
)
def test_an_account_that_holds_less_than_the_worst_case_is_refused(
    tmp_path: Path, held: tuple[str, str], moved: tuple[str, str], told: str
) -> None:
    """Also in the first run, although that offers little of it."""
    with pytest.raises(ConfigError) as refused:
        open_with(prepare_live(make_start(tmp_path)), held=held, moved=moved)

    assert told in str(refused.value)


# --- What may be done, and what is told ------------------------------------------------------------------


def test_the_first_run_is_capped_and_needs_a_price(tmp_path: Path) -> None:
    terms = prepare_live(make_start(tmp_path))

    assert terms.settings.strategy.order_sz == D("0.51")
    assert terms.settings.strategy.active_levels == 1
    assert terms.limits is not None
    assert terms.limits.needs_mid
    assert terms.limits.max_side_notional is not None
    assert terms.limits.max_side_notional < 2 * D("0.51") * 21


def test_after_the_first_run_was_looked_at_the_plan_is_whole(tmp_path: Path) -> None:
    start = make_start(tmp_path)
    note_first_run(start.folder, at_ms=1)

    terms = prepare_live(start)

    assert terms.settings == start.settings
    assert start.settings.limits is not None
    assert terms.limits == replace(start.settings.limits.to_risk_limits(), needs_mid=True)


def test_a_start_tells_what_is_at_stake(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="mm_trio")

    prepare_live(make_start(tmp_path))

    told = [line for line in caplog.messages if line.startswith("live: ")]
    assert told[0].startswith("live: exposure: 100 HYPE and 2060 USDC at most; resting asks=")
    assert told[1].startswith("live: at the lowest price 20: 200 HYPE and ")
    assert told[2].startswith("live: at the highest price 22.458")
    assert ": 0 HYPE and" in told[2]
    assert told[3].startswith("live: first run, capped at one order of 0.51 HYPE a side")


@pytest.mark.parametrize("accepted_px, needs_mid", [(None, True), (Decimal("21.235"), False)])
def test_a_price_that_the_operator_named_stands_for_that_of_a_market(
    tmp_path: Path, accepted_px: Decimal | None, needs_mid: bool
) -> None:
    terms = prepare_live(replace(make_start(tmp_path), accepted_px=accepted_px))

    assert terms.limits is not None
    assert terms.limits.needs_mid is needs_mid
