"""HIP-2's rule as a model: the observed behaviour that tells it from its neighbours."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from mm_trio.sandbox.traffic.hip2_model import Hip2Model, LadderStart, ModelFill
from mm_trio.sandbox.traffic.ladder_search import compute_ladder

LEVELS = compute_ladder(Decimal("1"), 12, step=Decimal("0.003"), sz_decimals=2)


def make_model(tokens: str, **changes: Any) -> Hip2Model:
    parameters: dict[str, Any] = {"order_size": Decimal(1000), "lot": Decimal("0.01")} | changes
    return Hip2Model(LadderStart(levels=LEVELS, tokens=Decimal(tokens), **parameters))


def sizes(side: dict[int, Any]) -> dict[int, Decimal]:
    return {level: order.size for level, order in sorted(side.items())}


def buy(model: Hip2Model, size: str) -> list[ModelFill]:
    """A taker buys at any price."""
    return model.take(is_buy=False, size=Decimal(size), limit=LEVELS[-1])


def sell(model: Hip2Model, size: str) -> list[ModelFill]:
    return model.take(is_buy=True, size=Decimal(size), limit=LEVELS[0])


def test_the_remainder_is_an_ask_where_no_bid_rests() -> None:
    model = make_model("9941.26")

    assert sizes(model.asks) == {2: Decimal("941.26")} | {level: Decimal(1000) for level in range(3, 12)}
    assert sizes(model.bids) == {0: 1000, 1: 1000}


def test_without_a_remainder_the_level_is_a_whole_bid() -> None:
    model = make_model("9000")

    assert (min(model.asks), max(model.bids)) == (3, 2)


def test_a_bid_filled_in_part_stays_as_it_is_and_withholds_the_remainder() -> None:
    model = make_model("9000")
    oid = model.bids[2].oid
    sell(model, "948.63")

    model.update()

    assert (model.bids[2].oid, model.bids[2].size) == (oid, Decimal("51.37"))
    assert min(model.asks) == 3


def test_an_ask_above_the_remainder_is_made_whole_under_a_new_oid() -> None:
    """An ask that was sold in part is no longer the remainder's once a bid was filled."""
    model = make_model("9000")
    sell(model, "948.63")
    oid = model.asks[3].oid
    buy(model, "8.74")

    model.update()

    assert model.asks[3].size == 1000
    assert model.asks[3].oid > oid


def test_a_bid_below_the_remainder_is_made_whole() -> None:
    model = make_model("9000")
    sell(model, "948.63")
    model.update()
    buy(model, "5000")

    model.update()

    assert {level: int(size) for level, size in sizes(model.bids).items()} == dict.fromkeys(range(7), 1000)
    assert sizes(model.asks)[7] == Decimal("948.63")


def test_an_emptied_level_changes_its_side_at_the_update() -> None:
    model = make_model("9000")
    buy(model, "1000")
    assert (3 in model.asks, 3 in model.bids) == (False, False)

    model.update()

    assert model.bids[3].size == 1000


def test_new_orders_have_oids_from_the_best_bid_down_then_from_the_best_ask_up() -> None:
    model = make_model("9941.26")

    by_oid = {order.oid: (side, level) for side in ("bids", "asks") for level, order in getattr(model, side).items()}

    assert [by_oid[oid] for oid in sorted(by_oid)][:4] == [("bids", 1), ("bids", 0), ("asks", 2), ("asks", 3)]


def test_an_order_that_only_traded_keeps_its_oid() -> None:
    model = make_model("9941.26")
    before = {level: order.oid for level, order in model.asks.items()}
    buy(model, "50")

    model.update()

    assert {level: order.oid for level, order in model.asks.items()} == before


def test_bids_reach_as_far_as_the_quote() -> None:
    model = make_model("9000", quote=Decimal("1507.5"))

    # 1006 for the best bid, and 501.5 for half of the one below.
    assert sizes(model.bids) == {1: Decimal("500"), 2: Decimal(1000)}


def test_a_bid_left_from_before_is_taken_over() -> None:
    model = make_model("9100", bid_left=Decimal("3.5"))

    assert (sizes(model.bids)[2], min(model.asks)) == (Decimal("3.5"), 3)


def test_a_taker_is_filled_best_price_first_and_within_his_limit() -> None:
    model = make_model("9000")

    fills = model.take(is_buy=False, size=Decimal(5000), limit=LEVELS[4])

    assert [(fill.price, fill.size) for fill in fills] == [(LEVELS[3], Decimal(1000)), (LEVELS[4], Decimal(1000))]
    assert model.tokens == 7000
