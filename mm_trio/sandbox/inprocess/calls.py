"""Where the calls of all in-process clients pass: each reaches the front, and a read may tell of an earlier moment.

Knows methods by name only. What an answer means is not known here, and no clock is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mm_trio.sandbox.api.gateway import Gateway

__all__ = ["Calls"]


class Calls:
    """Pass the calls of every client on to one front."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self._frozen: dict[str, Gateway] = {}
        self._frozen_rest: Gateway | None = None

    def freeze_reads(self, *methods: str) -> None:
        """Let those reads (all, if none is named) tell of this moment.

        What froze before freezes anew.
        """
        frozen = self.gateway.freeze()
        if methods:
            self._frozen |= dict.fromkeys(methods, frozen)
        else:
            self._frozen, self._frozen_rest = {}, frozen

    def thaw_reads(self) -> None:
        """Let every read tell of now again."""
        self._frozen, self._frozen_rest = {}, None

    def call(self, method: str, n_items: int, run: Callable[[], Any]) -> Any:
        """Run a client's call; a read has no items."""
        return run()

    def ask(self, method: str, request: Mapping[str, object]) -> Any:
        """`call` for a question of `/info`, which may be answered from the past."""
        gateway = self._frozen.get(method) or self._frozen_rest or self.gateway
        return self.call(method, 0, lambda: gateway.info(request))
