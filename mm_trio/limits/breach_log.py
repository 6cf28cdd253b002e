"""Limits that were broken or reached, for whoever asks afterwards. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from mm_trio.limits.terms import Breach

__all__ = ["BreachLog", "Tripped"]


@dataclass(frozen=True, slots=True)
class Tripped:
    """First breach of a limit, and when it was found."""

    breach: Breach
    found_s: float


class BreachLog:
    """First breach of each limit since the start.

    There are as many entries as limits at most.
    """

    def __init__(self) -> None:
        self._first: dict[str, Tripped] = {}

    def on_breach(self, breach: Breach, *, now_s: float) -> None:
        """Note a breach; later ones of the same limit change nothing."""
        self._first.setdefault(breach.name, Tripped(breach, now_s))

    @property
    def tripped(self) -> tuple[Tripped, ...]:
        """Return the first breach of each limit, oldest first."""
        return tuple(self._first.values())
