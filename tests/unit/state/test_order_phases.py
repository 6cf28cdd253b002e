"""The table of phases and events is complete, and is what `OrderState` does."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from core_kit import OURS, desired, intent

from mm_trio.model.orders import Phase
from mm_trio.state.order_phases import CLOSED, OPEN, OUTSIDE, PHASES, TRANSITIONS, Event, find_next
from mm_trio.state.order_state import OrderState

OID = 1
SENT = intent("buy", 1)  # of 5, with the cloid OURS
ALL = [(phase, event) for phase in Phase for event in Event]
# An order that the venue knows has used its cloid: what is sent next is another order.
KNOWN = OPEN | CLOSED


def send(state: OrderState) -> None:
    state.on_sent(SENT)


def arrive(state: OrderState) -> None:
    state.on_intent_seen(SENT, OID, now_s=1)


EVENTS: dict[Event, Callable[[OrderState], object]] = {
    Event.SENT: send,
    Event.NEVER_PLACED: lambda state: state.on_never_placed(OURS),
    Event.ARRIVED: arrive,
    Event.LEFT_UNNOTICED: lambda state: state.on_left_unnoticed(OID, desired("buy", 1), now_s=1),
    Event.DOUBTED: lambda state: state.on_doubt(OID),
    Event.SEEN: lambda state: state.on_seen_resting(OID),
    Event.REPORTED_OPEN: lambda state: state.on_status(OID, "open"),
    Event.CANCEL_CONFIRMED: lambda state: state.on_cancel_confirmed(OID),
    Event.ENDED: lambda state: state.on_status(OID, "canceled", remaining=5),
    Event.ENDED_SHORT: lambda state: state.on_status(OID, "canceled", remaining=1),
    Event.GHOST: lambda state: state.remove_ghost(OID),
    Event.PARTLY_FILLED: lambda state: state.on_fill(77, OID, 1),
    Event.FILLED: lambda state: state.on_fill(77, OID, 9),
    Event.FILLS_READ: lambda state: state.on_fills_read(100.0),
    Event.RESTARTED: lambda state: state.on_restarted(now_s=9),
}
# The shortest way to each phase.
WAYS: dict[Phase, tuple[Callable[[OrderState], object], ...]] = {
    Phase.UNKNOWN: (),
    Phase.IN_FLIGHT: (send,),
    Phase.RESTING: (send, arrive),
    Phase.IN_DOUBT: (send, arrive, EVENTS[Event.DOUBTED]),
    Phase.FILLS_DUE: (send, arrive, lambda state: state.on_status(OID, "canceled", remaining=3)),
    Phase.END_UNSETTLED: (send, arrive, EVENTS[Event.CANCEL_CONFIRMED]),
    Phase.GONE: (send, arrive, EVENTS[Event.ENDED]),
}


def bring_to(phase: Phase) -> OrderState:
    state = OrderState()
    for step in WAYS[phase]:
        step(state)
    return state


def read_phase(state: OrderState) -> Phase:
    if state.find_intent(OURS) is not None:
        return Phase.IN_FLIGHT
    order = state.find(OID) or state.find_left(OID)
    return Phase.UNKNOWN if order is None else order.status


def test_every_phase_and_event_is_described() -> None:
    assert set(TRANSITIONS) == set(PHASES) == set(Phase)
    assert set(OUTSIDE) == set(Event)
    assert {Phase.UNKNOWN, Phase.IN_FLIGHT} | KNOWN == set(Phase)


@pytest.mark.parametrize("phase", Phase)
def test_each_phase_is_reached(phase: Phase) -> None:
    assert read_phase(bring_to(phase)) is phase


@pytest.mark.parametrize(
    "phase, event", [(p, e) for p, e in ALL if not (e is Event.SENT and p in KNOWN | {Phase.IN_FLIGHT})]
)
def test_an_event_moves_an_order_as_the_table_says_or_leaves_it(phase: Phase, event: Event) -> None:
    state = bring_to(phase)

    EVENTS[event](state)

    assert read_phase(state) is (find_next(phase, event) or phase)


def test_a_cloid_in_flight_is_not_sent_again() -> None:
    with pytest.raises(AssertionError):
        send(bring_to(Phase.IN_FLIGHT))


@pytest.mark.parametrize("phase", Phase)
def test_an_order_locks_its_level_where_the_page_says_so(phase: Phase) -> None:
    assert bring_to(phase).is_taken("buy", 1) is PHASES[phase].blocks.startswith("its level")


@pytest.mark.parametrize("phase", Phase)
def test_doubts_are_the_phases_in_which_an_order_may_have_traded_unseen(phase: Phase) -> None:
    is_doubt = phase in (Phase.IN_FLIGHT, Phase.IN_DOUBT, Phase.FILLS_DUE)

    state = bring_to(phase)

    assert (len(state.get_doubts()), state.has_doubts) == (int(is_doubt), is_doubt)


@pytest.mark.parametrize("phase", sorted(KNOWN))
@pytest.mark.parametrize("event", [Event.PARTLY_FILLED, Event.FILLED])
def test_a_fill_of_a_known_order_counts_in_every_phase(phase: Phase, event: Event) -> None:
    assert EVENTS[event](bring_to(phase)) is not None


@pytest.mark.parametrize("event", [Event.ENDED_SHORT, Event.PARTLY_FILLED])
def test_a_report_of_an_unknown_order_is_kept_until_it_is_known(event: Event) -> None:
    state = bring_to(Phase.UNKNOWN)
    EVENTS[event](state)

    arrive(state)

    assert read_phase(state) is find_next(Phase.RESTING, event)
