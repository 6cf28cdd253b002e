"""What `cancel-all` sweeps, and what it reports."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mm_trio.cli.halt_programs.order_sweep import SweepScope
from mm_trio.cli.halt_programs.sweep_report import SweepReport
from mm_trio.cli.halt_programs.sweep_venue import find_pair_number
from mm_trio.model.cloid import CloidParts, encode_cloid
from mm_trio.model.replies import OpenOrder

OURS = encode_cloid(CloidParts(7, "sell", 3, 1))
THEIRS = "0x" + "5a" * 16
COINS = frozenset(["@107", "PURR/USDC"])


def row(coin: str, cloid: str | None = OURS) -> OpenOrder:
    return OpenOrder(coin, 7, "sell", Decimal("20.500"), Decimal("1.50"), Decimal(2), cloid)


def report(*rows: OpenOrder, unverified: str | None = None) -> SweepReport:
    return SweepReport(
        what="orders of mm_trio in @107",
        account="0x1",
        n_cancelled=2,
        n_ended=1,
        may_rest=rows,
        left_alone=(),
        unverified=unverified,
        notes=("the disk is full",),
        took_s=1.25,
    )


@pytest.mark.parametrize(
    ("order", "foreign", "all_coins", "is_target"),
    [
        (row("@107"), False, False, True),
        (row("@107", OURS.upper().replace("X", "x")), False, False, True),
        (row("@107", None), False, False, False),
        (row("@107", THEIRS), False, False, False),
        (row("@107", None), True, False, True),
        (row("PURR/USDC"), False, False, False),
        (row("PURR/USDC"), True, False, False),
        (row("PURR/USDC"), False, True, True),
        (row("PURR/USDC", None), False, True, False),
        (row("PURR/USDC", None), True, True, True),
        (row("BTC", None), True, True, False),
    ],
)
def test_what_is_swept(order: OpenOrder, foreign: bool, all_coins: bool, is_target: bool) -> None:
    scope = SweepScope("@107", COINS, foreign=foreign, all_coins=all_coins)

    assert scope.is_target(order) is is_target


@pytest.mark.parametrize(
    ("order", "is_target"),
    [(row("@107"), True), (row("PURR/USDC"), True), (row("PURR/USDC", None), False), (row("@1"), False)],
)
def test_the_coins_of_several_grids_are_swept_together(order: OpenOrder, is_target: bool) -> None:
    scope = SweepScope("@107", COINS, foreign=False, all_coins=False, also=frozenset(["PURR/USDC", "@107"]))

    assert scope.wanted == ("@107", "PURR/USDC")
    assert scope.is_target(order) is is_target


def test_orders_of_perps_are_named_where_every_coin_is_swept() -> None:
    assert SweepScope("@107", COINS, foreign=True, all_coins=True).is_left_alone(row("BTC", None))
    assert not SweepScope("@107", COINS, foreign=True, all_coins=False).is_left_alone(row("BTC", None))


@pytest.mark.parametrize(
    ("coin", "number"),
    [("@107", 107), ("PURR/USDC", 0), ("PURR-USDC", 0), ("HYPE/USDC", None), ("@", None), ("@x", None)],
)
def test_a_name_may_tell_the_number_of_its_pair(coin: str, number: int | None) -> None:
    assert find_pair_number(coin) == number


def test_nothing_rests() -> None:
    found = report()

    assert (found.is_ok, found.fault) == (True, "")
    assert "2 cancelled, 1 had ended otherwise" in found.to_text()
    assert found.to_text().endswith("two looks show that nothing of it rests")


def test_what_may_rest_is_listed() -> None:
    found = report(row("@107"))

    assert not found.is_ok
    assert found.to_json()["may_rest"] == [
        {"coin": "@107", "side": "sell", "px": "20.5", "sz": "1.5", "oid": 7, "cloid": OURS}
    ]
    assert f"@107 sell 1.5 at 20.5, oid 7, cloid {OURS}" in found.to_text()


def test_what_is_not_proven_is_not_clean() -> None:
    found = report(unverified="no answer")

    assert not found.is_ok
    assert found.fault == "orders may still rest: 0 seen; not verified: no answer"
