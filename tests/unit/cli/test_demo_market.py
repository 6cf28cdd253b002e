"""Markets that a demo derives from a tape."""

from __future__ import annotations

import json
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from mm_trio.cli.programs.demo_market import DemoMarket, tape_demo_market
from mm_trio.cli.programs.sandbox_report import SandboxAccess, TestAccount
from mm_trio.config.loading import parse_settings
from mm_trio.model.errors import ConfigError


def fill(time_ms: int, side: str, price: str, size: str, **changes: Any) -> dict[str, Any]:
    row = {
        "coin": "@9000",
        "px": price,
        "sz": size,
        "side": "A" if side == "sell" else "B",
        "time": time_ms,
        "fee": "0.0",
        "feeToken": "USDC" if side == "sell" else "BASE",
    }
    return row | changes


def read(folder: Path, *rows: dict[str, Any], **options: Any) -> DemoMarket:
    (folder / "tape.json").write_text(json.dumps(rows))
    return tape_demo_market(folder / "tape.json", **({"coin": None, "duration_s": None} | options))


def test_the_only_coin_of_a_tape_need_not_be_named(tmp_path: Path) -> None:
    assert read(tmp_path, fill(1, "sell", "20", "5.25")).pair.name == "@9000"


def test_of_several_coins_one_has_to_be_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"fills of 2 coins \(@9000, @9001\); name one with --coin"):
        read(tmp_path, fill(1, "sell", "20", "5"), fill(2, "sell", "20", "5", coin="@9001"))


def test_a_one_percent_market_is_read_off_the_tape(tmp_path: Path) -> None:
    market = read(tmp_path, fill(1, "sell", "0.70427", "14.4"), fill(3000, "buy", "0.6973", "14.39"))

    assert market.step == Decimal("0.01")


def test_the_order_size_can_be_given(tmp_path: Path) -> None:
    market = read(tmp_path, fill(1, "sell", "20", "5.25"), order_size=Decimal(8))

    assert market.order_sz == 8
    assert market.tokens % 8 == 0


def test_an_order_size_below_a_fill_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"tape: an order size of 5 is too small: one order was filled 5\.25"):
        read(tmp_path, fill(1, "sell", "20", "5.25"), order_size=Decimal(5))


def test_the_demo_begins_with_the_tapes_remainder(tmp_path: Path) -> None:
    rows = fill(1, "sell", "20", "3", startPosition="43.0"), fill(1, "sell", "20.06", "10", startPosition="40.0")

    assert read(tmp_path, *rows).tokens % 10 == 3


@pytest.mark.parametrize(
    "duration_s, takes_s, period_s", [(None, 4.0, 3.0), (60.0, 4.0, 3.0), (5.0, 2.0, 1.5), (0.01, 0.004, 0.1)]
)
def test_pauses_are_cut_before_the_clock_is_hurried(
    tmp_path: Path, duration_s: float | None, takes_s: float, period_s: float
) -> None:
    """A pause of 100 s is 4 s without the whole periods; the ladder has two periods to be built in."""
    rows = fill(0, "sell", "20", "5.25"), fill(100_000, "buy", "20", "5.25")

    market = read(tmp_path, *rows, duration_s=duration_s, cuts_pauses=True)

    assert market.takers.pause_s() == 0
    market.takers.decide(None)  # type: ignore[arg-type]
    assert market.takers.pause_s() == pytest.approx(takes_s)
    assert market.tape is not None
    assert market.tape.period_s == pytest.approx(period_s)


@pytest.mark.parametrize(
    "pause_ms, price, told",
    [
        (9000, "20", "no row depends on the phase of HIP-2's 3 s clock"),
        (2000, "20", "row 1 depends on the phase of HIP-2's 3 s clock, which the tape does not show: a replay"),
        (
            9000,
            "20.12",
            "no row depends on the phase of HIP-2's 3 s clock; row 1 follows from HIP-2's rule in no phase",
        ),
    ],
)
def test_the_note_names_the_rows_that_cannot_be_promised(tmp_path: Path, pause_ms: int, price: str, told: str) -> None:
    market = read(tmp_path, fill(0, "sell", "20", "5.25"), fill(pause_ms, "buy", price, "5.25"))

    assert market.tape is not None
    assert market.tape.note.startswith(told)


def test_the_sandbox_prints_a_configuration_with_the_tapes_step(tmp_path: Path) -> None:
    market = read(tmp_path, fill(1, "sell", "0.70427", "14.4"), fill(3000, "buy", "0.6973", "14.39"))
    access = SandboxAccess("http://127.0.0.1:1", (TestAccount("0x" + "ab" * 20, "key"),), "token", (market,))

    settings = parse_settings(tomllib.loads(access.to_config()), environ={}, source="printed")

    assert settings.strategy.tick_size == Decimal("0.01")
