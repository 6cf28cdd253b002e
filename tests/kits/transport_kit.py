"""A venue that counts, a witness that notes and a swarm of chosen faults: for tests of the way to the venue."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import trio

from mm_trio.sandbox.faults.kinds import FaultKind
from mm_trio.sandbox.inprocess.info import SignedInProcess
from mm_trio.sim.base.scenario import Scenario, draw_scenario

__all__ = ["BODY", "SIGNED", "Venue", "Witness", "make_scenario"]

SIGNED = SignedInProcess(method="bulk_orders", n_items=2, address="0x1", action="{}", nonce=1, expires_after=10)
BODY: dict[str, Any] = {"status": "ok", "response": {"type": "order", "data": {"statuses": ["a", "b"]}}}


class Witness:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def on_leaving(self, method: str, args: tuple[Any, ...]) -> None:
        self.told.append(f"leaving {method}")

    def on_arriving(self, signed: SignedInProcess) -> None:
        self.told.append("arriving")

    def on_arrived(self) -> None:
        self.told.append("arrived")

    def on_answered(self, method: str, answer: Any) -> None:
        self.told.append(f"answered {method}")

    def on_unanswered(self, signed: SignedInProcess) -> None:
        self.told.append("unanswered")

    def on_read(self, method: str) -> None:
        self.told.append(f"read {method}")


class Venue:
    """Counts what arrives."""

    def __init__(self) -> None:
        self.arrivals: list[float] = []

    def post_signed(self, signed: SignedInProcess) -> Any:
        self.arrivals.append(trio.current_time())
        return {**BODY, "response": {"type": "order", "data": {"statuses": ["a", "b"]}}}

    def open_orders(self, address: str) -> list[str]:
        self.arrivals.append(trio.current_time())
        return ["a row"]


def make_scenario(*kinds: FaultKind) -> Scenario:
    """A swarm in which these faults strike each time."""
    quiet = draw_scenario(1, faults=())
    return replace(quiet, rates=dict.fromkeys(kinds, 1.0), there_s=0.1, back_s=0.1, fills_have_cloids=True)
