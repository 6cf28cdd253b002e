"""A process that ends at a call that changes files by name: before it, or after it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import pytest

__all__ = ["FileKiller", "Killed"]


class Killed(BaseException):
    """The process ended here."""


class FileKiller:
    """Counts calls of `os` by these names; ends the process before or after the one it is told."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, steps: Sequence[str], die_at: int | None = None, *, after: bool = False
    ) -> None:
        self.n_steps = 0
        self._die_at, self._after = die_at, after
        for name in steps:
            monkeypatch.setattr(os, name, self._watch(getattr(os, name)))

    def _watch(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*args: Any, **options: Any) -> Any:
            self.n_steps += 1
            is_last = self.n_steps == self._die_at
            if is_last and not self._after:
                raise Killed
            result = call(*args, **options)
            if is_last:
                raise Killed
            return result

        return watched
