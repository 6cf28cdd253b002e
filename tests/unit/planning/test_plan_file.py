"""The configuration that a plan writes is the plan, read by the maker's own rules."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from decimal import Decimal
from pathlib import Path

import pytest
from plan_kit import make_plan, make_view

from mm_trio.config.loading import load_settings
from mm_trio.config.settings import Limits, Settings, Tuning
from mm_trio.planning.plan_file import FIRST_LINE, FilePlace, write_plan

ACCOUNT = "0x" + "ab" * 20


def load(folder: Path, text: str) -> Settings:
    path = folder / "plan.toml"
    path.write_text(text)
    return load_settings(path, environ={"MM_TRIO_ACCOUNT_ADDRESS": ACCOUNT})


@pytest.mark.parametrize("gap", [0, 1, 2])
def test_the_maker_is_told_what_was_planned(tmp_path: Path, gap: int) -> None:
    plan = make_plan(gap_levels=gap)

    parameters = load(tmp_path, write_plan(plan, make_view(), FilePlace(network="sandbox"))).maker_parameters()

    assert parameters["coin"] == "@107"
    assert (parameters["start_px"], parameters["n_orders"], parameters["order_sz"]) == (Decimal(20), 8, Decimal(5))
    assert (parameters["tick_size"], parameters["gap_levels"]) == (Decimal("0.003"), gap)
    assert (parameters["allocated_token"], parameters["allocated_usdc"]) == (plan.tokens, plan.quote)


def test_tuning_is_written_with_the_defaults(tmp_path: Path) -> None:
    settings = load(tmp_path, write_plan(make_plan(), make_view(), FilePlace(network="sandbox")))

    assert settings.tuning == Tuning()


def test_every_limit_is_written(tmp_path: Path) -> None:
    limits = load(tmp_path, write_plan(make_plan(), make_view(), FilePlace(network="sandbox"))).limits

    assert limits is not None
    assert [item.name for item in fields(Limits) if getattr(limits, item.name) is None] == []


@pytest.mark.parametrize("network", ["testnet", "mainnet"])
def test_network_and_account_are_written(tmp_path: Path, network: str) -> None:
    text = write_plan(make_plan(), make_view(), FilePlace(network=network, account=ACCOUNT))

    assert tomllib.loads(text)["market"] == {"coin": "@107", "network": network, "account": ACCOUNT}


def test_a_sandbox_elsewhere_is_written(tmp_path: Path) -> None:
    text = write_plan(make_plan(), make_view(), FilePlace(network="sandbox", api_url="http://127.0.0.1:4"))

    assert load(tmp_path, text).market.base_url == "http://127.0.0.1:4"


def test_every_value_has_a_comment() -> None:
    text = write_plan(make_plan(), make_view(), FilePlace(network="sandbox"))

    assert text.startswith(FIRST_LINE)
    assert [line for line in text.splitlines() if re.match(r"\w+ = ", line) and " # " not in line] == []


def test_a_window_is_written_where_the_ladder_is_long(tmp_path: Path) -> None:
    plan = make_plan(start_px="1", top_px="40", target_px="20", tokens="100000", order_sz="20")

    assert load(tmp_path, write_plan(plan, make_view(), FilePlace(network="sandbox"))).strategy.active_levels == 450
