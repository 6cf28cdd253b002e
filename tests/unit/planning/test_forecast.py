"""An hour of takers before the ladder's own rule: what round trips earn, and what fees take."""

from __future__ import annotations

from decimal import Decimal
from random import Random

import pytest
from core_kit import dec

from mm_trio.cli.main import main
from mm_trio.cli.shell.exit_codes import ExitCode
from mm_trio.model.orders import DesiredOrder
from mm_trio.planning.forecast import Forecast, LeaningTakers, Take, forecast_income
from mm_trio.planning.income import BASE_TIER
from mm_trio.planning.ladder_plan import plan_ladder
from mm_trio.planning.plan_request import PlanRequest


class Turns:
    """Takers who buy so much and sell it again."""

    def __init__(self, size: str) -> None:
        self.size, self.n = dec(size), 0

    def draw(self, asks: list[DesiredOrder], bids: list[DesiredOrder]) -> Take:
        self.n += 1
        return Take("sell" if self.n % 2 else "buy", self.size)


def let_trade(takers: Turns | LeaningTakers, *, gap: int = 0, n_takers: int = 40) -> Forecast:
    plan = plan_ladder(
        PlanRequest(
            sz_decimals=2, start_px=dec(20), n_orders=60, tokens=dec(150), target_px=dec("21.866"), gap_levels=gap
        )
    )
    assert plan.order_size == 5
    return forecast_income(plan, takers, BASE_TIER, n_takers=n_takers)


@pytest.mark.parametrize(
    "size, gap, gross",
    [
        ("5", 0, "0"),  # a level trades at one price both ways
        ("15", 0, "0"),
        ("2", 0, "0.13"),  # only a part that turns around earns the step
        ("5", 1, "0.325"),
        ("2", 1, "0.13"),
        ("5", 2, "0.65"),
    ],
)
def test_a_turn_earns_what_its_levels_are_apart(size: str, gap: int, gross: str) -> None:
    found = let_trade(Turns(size), gap=gap, n_takers=2)

    assert found.fills >= 2
    assert found.gross == dec(gross)
    assert found.fees == found.volume * BASE_TIER.maker
    assert found.net == found.gross - found.fees


@pytest.mark.parametrize(
    "mean, gap, low, high",
    [("0.25", 0, 11, 15), ("1.25", 0, 9, 11), ("5", 0, 7, 9), ("20", 0, 6, 8), ("5", 1, 14, 16), ("5", 2, 29, 31)],
)
def test_what_takers_who_lean_back_leave_follows_their_size(mean: str, gap: int, low: int, high: int) -> None:
    """Gross, in bps of the volume; about 14, 10, 8 and 7 for 0.05, 0.25, 1 and 4 orders were measured."""
    found = let_trade(LeaningTakers(dec(mean), rng=Random(1)), gap=gap, n_takers=1500)

    assert low < found.gross / found.volume * 10_000 < high


def test_the_same_takers_leave_the_same() -> None:
    one, two = (let_trade(LeaningTakers(dec(3), rng=Random(4)), n_takers=50) for _ in range(2))

    assert one == two


def test_without_a_fill_there_is_no_rate() -> None:
    assert Forecast(0, 0, Decimal(0), Decimal(0), Decimal(0)).net_bps is None


def test_takers_need_a_size(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--coin", "@107", "--start-px", "20", "--tokens", "100", "--offline", "nowhere.json")

    assert main(["grid", *words, "--takers-per-hour", "60"]) == ExitCode.CONFIG
    assert "--takers-per-hour needs --taker-size" in capsys.readouterr().err
