"""Stand-ins for tests of the request transport.

A venue that counts arrivals, a witness that notes its calls, and scenarios of chosen faults.
"""

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
    """Observer that notes each call."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def on_leaving(self, method: str, args: tuple[Any, ...]) -> None:
        self.calls.append(f"leaving {method}")

    def on_arriving(self, signed: SignedInProcess) -> None:
        self.calls.append("arriving")

    def on_arrived(self) -> None:
        self.calls.append("arrived")

    def on_answered(self, method: str, answer: Any) -> None:
        self.calls.append(f"answered {method}")

    def on_unanswered(self, signed: SignedInProcess) -> None:
        self.calls.append("unanswered")

    def on_read(self, method: str) -> None:
        self.calls.append(f"read {method}")


class Venue:
    """Venue that counts what arrives."""

    def __init__(self) -> None:
        self.arrivals: list[float] = []

    def post_signed(self, signed: SignedInProcess) -> Any:
        self.arrivals.append(trio.current_time())
        return {**BODY, "response": {"type": "order", "data": {"statuses": ["a", "b"]}}}

    def open_orders(self, address: str) -> list[str]:
        self.arrivals.append(trio.current_time())
        return ["a row"]


def make_scenario(*kinds: FaultKind) -> Scenario:
    """Make a scenario in which these faults always strike."""
    quiet = draw_scenario(1, faults=())
    return replace(quiet, rates=dict.fromkeys(kinds, 1.0), there_s=0.1, back_s=0.1, fills_have_cloids=True)
