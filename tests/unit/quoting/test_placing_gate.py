"""One answer to the question whether something new may be placed."""

from __future__ import annotations

import pytest

from mm_trio.quoting.placing_gate import GateState, PlacingGate


class Surroundings:
    """A feed and a journal that are as the test says."""

    def __init__(self) -> None:
        self.feed_fault: str | None = None
        self.journal_fault: str | None = None
        self.is_alive = True
        self.is_stopped = False
        self.gate = PlacingGate(
            find_feed_fault=lambda: self.feed_fault,
            find_journal_fault=lambda: self.journal_fault,
            feed_is_alive=lambda: self.is_alive,
            find_limit=lambda: "halted" if self.is_stopped else None,
            is_stopped=lambda: self.is_stopped,
        )


def test_a_gate_is_closed_until_the_session_quotes() -> None:
    gate = Surroundings().gate

    assert (gate.state, gate.reason) == (GateState.STARTING, "starting")
    assert (gate.is_quoting, gate.may_place(), gate.may_still_place()) == (False, False, False)
    gate.start_quoting()
    assert (gate.state, gate.reason) == (GateState.QUOTING, None)
    assert (gate.is_quoting, gate.may_place(), gate.may_still_place()) == (True, True, True)


def test_a_pause_names_its_reason_and_ends_by_quoting_again() -> None:
    gate = Surroundings().gate
    gate.start_quoting()
    gate.pause("socket closed")

    assert (gate.state, gate.reason) == (GateState.PAUSED, "socket closed")
    assert (gate.is_quoting, gate.may_place(), gate.may_still_place()) == (False, False, False)
    gate.start_quoting()
    assert gate.may_place()


def test_a_shutdown_is_for_good() -> None:
    gate = Surroundings().gate
    gate.start_quoting()
    gate.shut_down()
    gate.start_quoting()
    gate.pause("socket closed")

    assert (gate.state, gate.reason, gate.is_shutting_down) == (GateState.SHUTTING_DOWN, "shutting down", True)
    assert (gate.is_quoting, gate.may_place(), gate.may_still_place()) == (False, False, False)


@pytest.mark.parametrize(
    "feed_fault, journal_fault, is_alive, expected",
    [
        ("silent", None, True, (False, False, True)),
        (None, "disk full", True, (True, False, True)),
        (None, None, False, (True, True, False)),
    ],
)
def test_feed_and_journal_are_asked_each_time(
    feed_fault: str | None, journal_fault: str | None, is_alive: bool, expected: tuple[bool, bool, bool]
) -> None:
    around = Surroundings()
    around.gate.start_quoting()
    around.feed_fault, around.journal_fault, around.is_alive = feed_fault, journal_fault, is_alive

    assert (around.gate.is_quoting, around.gate.may_place(), around.gate.may_still_place()) == expected


def test_a_stop_holds_back_what_is_recorded_already() -> None:
    around = Surroundings()
    around.gate.start_quoting()
    around.is_stopped = True

    assert (around.gate.may_place(), around.gate.may_still_place(), around.gate.reason) == (False, False, "halted")


def test_r12_a_hold_outlasts_a_pause_and_the_pause_a_hold() -> None:
    """A journal that is locked and a feed that is lost: nothing is placed until both are well."""
    around = Surroundings()
    gate = around.gate
    gate.start_quoting()
    gate.hold("journal locked")
    told = [gate.reason]
    gate.pause("socket closed")
    told.append(gate.reason)
    gate.start_quoting()

    assert (gate.is_quoting, gate.may_place(), gate.may_still_place()) == (False, False, False)
    assert [*told, gate.reason] == ["journal locked", "socket closed", "journal locked"]
    gate.pause("socket closed")
    gate.release()
    assert (gate.may_place(), gate.is_paused) == (False, True)
    gate.start_quoting()
    assert gate.may_place()
