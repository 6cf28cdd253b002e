from __future__ import annotations

import pytest
from sandbox_kit import HYPE_ASSET, MAKER, TAKER, buy, cloid, make_exchange, rest, sell, status_of

from mm_trio.sandbox.model.blocks import Rank, rank_command, sort_block
from mm_trio.sandbox.model.commands import (
    CancelByCloid,
    CancelByOid,
    Command,
    Deposit,
    ModifyOrders,
    Noop,
    PlaceOrders,
    ScheduleCancel,
)

ALO, GTC, IOC = (PlaceOrders(MAKER, (buy("20", "1", tif),)) for tif in ("Alo", "Gtc", "Ioc"))
CANCEL = CancelByOid(TAKER, ((HYPE_ASSET, 1),))


@pytest.mark.parametrize(
    "command, rank",
    [
        (ALO, Rank.WITHOUT_MATCHING),
        (PlaceOrders(MAKER, ()), Rank.WITHOUT_MATCHING),
        (Noop(MAKER), Rank.WITHOUT_MATCHING),
        (ScheduleCancel(MAKER, None), Rank.WITHOUT_MATCHING),
        (Deposit(MAKER, 0, buy("20", "1").size), Rank.WITHOUT_MATCHING),
        (ModifyOrders(MAKER, ((1, sell("20", "1")),)), Rank.WITHOUT_MATCHING),
        (CANCEL, Rank.CANCELS),
        (CancelByOid(MAKER, ((HYPE_ASSET, 1),), fast=True), Rank.CANCELS),
        (CancelByCloid(MAKER, ((HYPE_ASSET, cloid(1)),)), Rank.CANCELS),
        (GTC, Rank.WITH_MATCHING),
        (IOC, Rank.WITH_MATCHING),
        (PlaceOrders(MAKER, (buy("20", "1"), buy("20", "1", "Gtc"))), Rank.WITH_MATCHING),
        (ModifyOrders(MAKER, ((1, sell("20", "1", "Ioc")),), always_place=True), Rank.WITH_MATCHING),
    ],
)
def test_each_command_has_its_group(command: Command, rank: Rank) -> None:
    assert rank_command(command) == rank


def test_a_block_runs_group_by_group_and_inside_a_group_as_it_came() -> None:
    later = PlaceOrders(TAKER, ALO.orders)

    assert sort_block((IOC, CANCEL, GTC, ALO, later)) == (ALO, later, CANCEL, IOC, GTC)


def test_a_cancel_saves_an_order_from_an_ioc_that_came_before_it_in_the_same_block() -> None:
    exchange = make_exchange()
    oid = rest(exchange, MAKER, sell("20", "1"))
    take = PlaceOrders(TAKER, (buy("20", "1", "Ioc"),))

    for command in sort_block((take, CancelByOid(MAKER, ((HYPE_ASSET, oid),)))):
        exchange.apply(2, command)

    assert status_of(exchange, oid) == "canceled"
    assert exchange.fills(MAKER) == ()
