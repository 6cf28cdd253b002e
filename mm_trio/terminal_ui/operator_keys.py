"""Keys by which an operator pauses, resumes and stops a maker that the screen shows.

The same keys work beside the maker and over its control socket: they differ in who passes on what is asked.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

import trio

from mm_trio.control.operator import NotFollowed, Operator, Refused
from mm_trio.halts.standing import Standing
from mm_trio.views.maker import UnknownMarket

__all__ = ["ASKED_WITHIN_S", "OperatorFailed", "OwnMaker", "Question", "TellsMaker"]

# A question that nobody answered must not be answered by a key that is meant for something else.
ASKED_WITHIN_S = 30.0
_REASON = "a key of the screen"


class OperatorFailed(Exception):
    """Reason why a maker did not do what it was told."""


class TellsMaker(Protocol):
    """What passes on a key. `coin` None: all that the maker quotes. Errors: OperatorFailed."""

    async def pause(self, coin: str | None) -> str: ...
    async def cancel_all(self, coin: str | None) -> str: ...
    async def resume(self, coin: str | None) -> str: ...
    async def explain_resumption(self, coin: str | None) -> str | None:
        """Say what a resumption does; None where there is nothing to resume."""


class Question:
    """Question of the screen, and what a yes does."""

    def __init__(self, text: str, do: Callable[[], Awaitable[str]]) -> None:
        self.text = f"{text}  y: yes, n: no"
        self.do = do
        self._asked_s = trio.current_time()

    @property
    def is_over(self) -> bool:
        """Check if it was asked so long ago that it counts as answered by no."""
        return trio.current_time() - self._asked_s > ASKED_WITHIN_S


class OwnMaker:
    """Maker of this process."""

    def __init__(self, operator: Operator) -> None:
        self._operator = operator

    async def pause(self, coin: str | None) -> str:
        """Pause, and say what holds."""
        return await self._tell(lambda: self._operator.pause(coin, reason=_REASON))

    async def cancel_all(self, coin: str | None) -> str:
        """Cancel what rests, and say what holds."""
        return await self._tell(lambda: self._operator.cancel_only(coin, reason=_REASON))

    async def resume(self, coin: str | None) -> str:
        """Resume, and say what holds."""
        return await self._tell(lambda: self._operator.resume(coin, reason=_REASON))

    async def explain_resumption(self, coin: str | None) -> str | None:
        """Say what a resumption does."""
        try:
            if self._operator.read_standing(coin).state.may_place:
                return None
            return self._operator.describe_resumption(coin)
        except (UnknownMarket, Refused) as error:
            raise OperatorFailed(str(error)) from error

    async def _tell(self, ask: Callable[[], Awaitable[Standing]]) -> str:
        try:
            return (await ask()).describe()
        except (UnknownMarket, Refused, NotFollowed) as error:
            raise OperatorFailed(str(error)) from error
