"""In-process venue without faults: immediate frames and frozen reads."""

from __future__ import annotations

from inprocess_kit import listen, oid_of, request, take
from sandbox_kit import HYPE, MAKER, Clock, make_exchange, make_front

from mm_trio.sandbox.api.gateway import Gateway
from mm_trio.sandbox.inprocess.info import InProcessVenue

NOW_MS = Clock().now_ms


def test_a_frame_reaches_its_callback_within_the_call_that_caused_it() -> None:
    venue = InProcessVenue(make_front())
    frames = listen(venue.info(MAKER), type="orderUpdates", user=MAKER)

    venue.exchange(MAKER).bulk_orders([request()])

    assert [frame["data"][0]["status"] for frame in frames] == ["open"]


def test_frozen_reads_of_every_client_tell_of_the_moment_they_froze() -> None:
    """An order is partly filled before the freeze and ends after it.

    Then another order is placed.
    """
    clock = Clock()
    venue = InProcessVenue(Gateway(make_exchange(), now_ms=clock))
    exchange, first, second = venue.exchange(MAKER), venue.info(MAKER), venue.info(MAKER)
    oid = oid_of(exchange.bulk_orders([request(sz=2.0)]))
    take(venue)

    def read() -> list[object]:
        return [
            answer
            for info in (first, second)
            for answer in (
                info.open_orders(MAKER),
                info.spot_user_state(MAKER),
                info.user_fills_by_time(MAKER, NOW_MS),
                info.query_order_by_oid(MAKER, oid),
                info.historical_orders(MAKER),
                info.l2_snapshot(HYPE),
                info.user_rate_limit(MAKER),
            )
        ]

    before = read()

    venue.freeze_reads()
    clock.now_ms += 1_000
    take(venue)
    new = oid_of(exchange.bulk_orders([request(limit_px=21.0)]))
    frozen, unheard_of = read(), first.query_order_by_oid(MAKER, new)
    venue.thaw_reads()

    assert frozen == before
    assert unheard_of == {"status": "unknownOid"}
    assert [row["oid"] for row in first.open_orders(MAKER)] == [new]
    assert len(first.user_fills_by_time(MAKER, NOW_MS)) == 2
    assert first.query_order_by_oid(MAKER, oid)["order"]["status"] == "filled"


def test_only_the_named_reads_freeze_each_at_its_own_moment() -> None:
    venue = InProcessVenue(make_front())
    exchange, info = venue.exchange(MAKER), venue.info(MAKER)

    venue.freeze_reads("open_orders")
    exchange.bulk_orders([request()])
    venue.freeze_reads("frontend_open_orders")
    exchange.bulk_orders([request(limit_px=21.0)])

    lengths = [len(read(MAKER)) for read in (info.open_orders, info.frontend_open_orders, info.historical_orders)]
    assert lengths == [0, 1, 2]


def test_a_frozen_read_freezes_anew() -> None:
    venue = InProcessVenue(make_front())
    info = venue.info(MAKER)
    venue.freeze_reads("open_orders")
    venue.exchange(MAKER).bulk_orders([request()])

    venue.freeze_reads()

    assert len(info.open_orders(MAKER)) == 1
