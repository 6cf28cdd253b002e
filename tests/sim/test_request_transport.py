"""Effects of a fault on a call or a frame.

They also show what a fault leaves alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import pytest
import trio
from transport_kit import BODY, SIGNED, Venue, Witness, make_scenario

from mm_trio.sandbox.faults.kinds import FaultKind
from mm_trio.sim.base.crash_points import CrashSwitch
from mm_trio.sim.base.fault_counter import FaultCounter
from mm_trio.sim.base.seeded_schedule import run_virtual
from mm_trio.sim.network.frame_delivery import FrameDelivery
from mm_trio.sim.network.request_transport import RequestTransport


def run_transport(
    work: Callable[[RequestTransport, Venue], Awaitable[Any]], *kinds: FaultKind
) -> tuple[Venue, Witness, FaultCounter]:
    """Run `work` on a transport where these faults always strike.

    Afterwards it waits for requests that are still travelling.
    """
    venue, witness = Venue(), Witness()
    scenario = make_scenario(*kinds)
    fault_counter = FaultCounter(scenario.rates)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            crash = CrashSwitch(lambda where: None)
            await work(
                RequestTransport(scenario, fault_counter, witness, rng=Random(1), nursery=nursery, crash=crash), venue
            )

    run_virtual(main, seed=1)
    return venue, witness, fault_counter


def test_a_call_travels_there_and_back() -> None:
    answers: list[Any] = []

    async def work(transport: RequestTransport, venue: Venue) -> None:
        answers.append(await transport(venue.post_signed, SIGNED, abandon_on_cancel=True))
        assert trio.current_time() > venue.arrivals[0]

    venue, witness, fault_counter = run_transport(work)

    assert answers == [BODY]
    assert 0 < venue.arrivals[0] < 0.1
    assert witness.calls == ["leaving bulk_orders", "arriving", "arrived", "answered bulk_orders"]
    assert not fault_counter.struck


def test_a_request_that_was_given_up_on_arrives_all_the_same() -> None:
    async def work(transport: RequestTransport, venue: Venue) -> None:
        with trio.move_on_after(0.0005):
            await transport(venue.post_signed, SIGNED)
        assert venue.arrivals == []
        assert transport.n_underway == 1

    venue, witness, _ = run_transport(work)

    assert len(venue.arrivals) == 1
    assert "answered bulk_orders" not in witness.calls


@pytest.mark.parametrize(
    ("kind", "n_arrivals"),
    [
        (FaultKind.REQUEST_LOST, 0),
        (FaultKind.BAD_GATEWAY, 0),
        (FaultKind.ANSWER_LOST, 1),
        (FaultKind.ANSWER_HUNG, 1),
        (FaultKind.ERROR_BUT_APPLIED, 1),
        (FaultKind.LATE_EXECUTION, 1),
    ],
)
def test_a_lost_answer_leaves_open_whether_the_request_arrived(kind: FaultKind, n_arrivals: int) -> None:
    async def work(transport: RequestTransport, venue: Venue) -> None:
        with pytest.raises(OSError, match=r".*"):
            await transport(venue.post_signed, SIGNED)

    venue, _, fault_counter = run_transport(work, kind)

    assert len(venue.arrivals) == n_arrivals
    assert fault_counter.struck == {kind: 1}


def test_a_truncated_answer_has_fewer_statuses() -> None:
    answers: list[Any] = []

    async def work(transport: RequestTransport, venue: Venue) -> None:
        answers.append(await transport(venue.post_signed, SIGNED))

    _, _, fault_counter = run_transport(work, FaultKind.ANSWER_TRUNCATED)

    assert len(answers[0]["response"]["data"]["statuses"]) < 2
    assert fault_counter.struck == {FaultKind.ANSWER_TRUNCATED: 1}


def test_an_empty_list_is_counted_only_where_it_was_not_empty() -> None:
    class Empty(Venue):
        def open_orders(self, address: str) -> list[str]:
            return []

    async def work(transport: RequestTransport, venue: Venue) -> None:
        assert await transport(venue.open_orders, "0x1") == []
        assert await transport(Empty().open_orders, "0x1") == []

    _, _, fault_counter = run_transport(work, FaultKind.READ_EMPTY)

    assert fault_counter.struck == {FaultKind.READ_EMPTY: 1}


# --- Frames ---


class RecordingSocket:
    """Socket that notes the frames it receives."""

    def __init__(self) -> None:
        self.frames: list[Any] = []

    def dispatch(self, frame: Any) -> None:
        self.frames.append(frame["data"])


def carry(*kinds: FaultKind, n: int = 20) -> tuple[list[Any], FaultCounter]:
    """Deliver `n` frames at once where these faults always strike.

    Returns the frames that were received, and the fault counter.
    """
    socket: Any = RecordingSocket()
    fault_counter = FaultCounter(dict.fromkeys(kinds, 1.0))

    async def main() -> None:
        delivery = FrameDelivery(fault_counter, latest_s=0.2, fills_have_cloids=True, rng=Random(2))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(delivery.carry_forever)
            for number in range(n):
                delivery.deliver(socket, {"channel": "orderUpdates", "data": [{"order": {"oid": number}}]})
            await trio.sleep(60)
            nursery.cancel_scope.cancel()

    run_virtual(main, seed=1)
    return [
        row["order"].get("oid") if isinstance(row, dict) else row for data in socket.frames for row in data or []
    ], fault_counter


def test_frames_keep_their_order_whatever_their_latency() -> None:
    received, fault_counter = carry()

    assert received == list(range(20))
    assert not fault_counter.struck


def test_a_dropped_frame_is_never_heard() -> None:
    received, fault_counter = carry(FaultKind.FRAME_DROPPED)

    assert received == []
    assert fault_counter.struck == {FaultKind.FRAME_DROPPED: 20}


def test_a_doubled_frame_is_heard_twice() -> None:
    received, _ = carry(FaultKind.FRAME_DUPLICATED)

    assert sorted(received) == sorted([*range(20), *range(20)])


def test_frames_that_overtake_are_all_heard_and_out_of_order() -> None:
    received, _ = carry(FaultKind.FRAME_REORDERED)

    assert sorted(received) == list(range(20))
    assert received != list(range(20))


def test_no_fault_strikes_in_calm() -> None:
    fault_counter = FaultCounter({FaultKind.FRAME_DROPPED: 1.0})
    fault_counter.is_on = False

    assert fault_counter.pick(Random(1), (FaultKind.FRAME_DROPPED,)) is None
