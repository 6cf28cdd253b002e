"""Calls of in-process clients, with reads frozen on demand.

Methods are known by name only. Answers are passed on unread, and no clock is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mm_trio.sandbox.api.gateway import Gateway

__all__ = ["Calls"]


class Calls:
    """Route from all clients to one gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self._frozen: dict[str, Gateway] = {}
        self._frozen_default: Gateway | None = None

    def freeze_reads(self, *methods: str) -> None:
        """Answer reads from the present state until they are thawed.

        Without names all reads are frozen. A read that is frozen already is frozen again at the present state.
        """
        frozen = self.gateway.freeze()
        if methods:
            self._frozen |= dict.fromkeys(methods, frozen)
        else:
            self._frozen, self._frozen_default = {}, frozen

    def thaw_reads(self) -> None:
        """Answer every read from the current state again."""
        self._frozen, self._frozen_default = {}, None

    def call(self, method: str, n_items: int, run: Callable[[], Any]) -> Any:
        """Run a client's call; a read has no items.

        Subclasses override it to put faults between client and exchange.
        """
        return run()

    def ask(self, method: str, request: Mapping[str, object]) -> Any:
        """Run an `/info` request.

        A frozen method is answered from its frozen state.
        """
        gateway = self._frozen.get(method) or self._frozen_default or self.gateway
        return self.call(method, 0, lambda: gateway.info(request))
