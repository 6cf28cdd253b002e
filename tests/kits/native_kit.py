"""Choice of the transport that a maker of a test gets: for one test, or for all by MM_TRIO_TRANSPORT."""

from __future__ import annotations

import os

from mm_trio.transport.native import NativeTransport, make_transport

__all__ = ["CHOSEN", "make_chosen"]


class Chosen:
    """Name of the transport of the present test."""

    def __init__(self) -> None:
        self.name = os.environ.get("MM_TRIO_TRANSPORT", "sdk")

    def environ(self) -> dict[str, str]:
        """The variables that give it to a process."""
        return {} if self.name == "sdk" else {"MM_TRIO__TUNING__TRANSPORT": self.name}


CHOSEN = Chosen()


def make_chosen(url: str) -> NativeTransport | None:
    """What `WsState` gets; to be called inside `trio.run`."""
    return make_transport(url) if CHOSEN.name == "trio" else None
