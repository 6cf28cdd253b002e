"""Calls made at once, whose errors come in a fixed order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

import trio

__all__ = ["call_together", "settle"]

_T = TypeVar("_T")
_T1 = TypeVar("_T1")
_T2 = TypeVar("_T2")
_T3 = TypeVar("_T3")
_T4 = TypeVar("_T4")
_T5 = TypeVar("_T5")

_Call = Callable[[], Awaitable[_T]]


@overload
async def call_together(first: _Call[_T1], second: _Call[_T2], /) -> tuple[_T1, _T2]: ...
@overload
async def call_together(first: _Call[_T1], second: _Call[_T2], third: _Call[_T3], /) -> tuple[_T1, _T2, _T3]: ...
@overload
async def call_together(
    first: _Call[_T1], second: _Call[_T2], third: _Call[_T3], fourth: _Call[_T4], fifth: _Call[_T5], /
) -> tuple[_T1, _T2, _T3, _T4, _T5]: ...


@overload
async def call_together(*calls: _Call[Any]) -> tuple[Any, ...]: ...


async def call_together(*calls: _Call[Any]) -> tuple[Any, ...]:
    """Make calls at once and return their answers in order.

    Errors: that of the first one in this order that fails, as it is and never in a group. So what an operator reads
    does not depend on which answer came first. Calls behind one that failed are cancelled, those before it go on.
    """
    answers: list[Any] = [None] * len(calls)
    errors: list[Exception | None] = [None] * len(calls)
    scopes = [trio.CancelScope() for _ in calls]

    async def make(n: int) -> None:
        with scopes[n]:
            try:
                answers[n] = await calls[n]()
            except Exception as error:  # noqa: BLE001 - whatever it is, it is raised again below
                errors[n] = error
                for later in scopes[n + 1 :]:
                    later.cancel()

    async with trio.open_nursery() as nursery:
        for n in range(len(calls)):
            nursery.start_soon(make, n)
    for error in errors:
        if error is not None:
            raise error
    return tuple(answers)


async def settle(call: _Call[_T]) -> Callable[[], _T]:
    """Make a call; return what gives its answer, or raises its error, to whoever needs it.

    So a call can be made ahead, and still fail in its turn.
    """
    try:
        answer = await call()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is raised again
        return _Failure(error)
    return lambda: answer


class _Failure:
    """Raises an error each time that it is called."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __call__(self) -> Any:
        raise self._error
