"""Coin that log lines are about, where one process makes several markets.

A task says once which coin it works for; what is logged below it, also in threads, begins with that coin.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

__all__ = ["name_coins_in_log", "read_subject", "speaking_of"]

_SUBJECT: ContextVar[str | None] = ContextVar("coin of log lines", default=None)


def read_subject() -> str | None:
    """Return the coin that lines are about now, None for the account."""
    return _SUBJECT.get()


@contextmanager
def speaking_of(coin: str | None) -> Iterator[None]:
    """Let log lines inside be about a coin."""
    token = _SUBJECT.set(coin)
    try:
        yield
    finally:
        _SUBJECT.reset(token)


def name_coins_in_log() -> None:
    """Let every record from now on begin with its coin, if it has one."""
    make = logging.getLogRecordFactory()

    def make_named(*args: Any, **options: Any) -> logging.LogRecord:
        record = make(*args, **options)
        if (coin := _SUBJECT.get()) is not None:
            # No coin has a percent sign, which would be taken for a place of an argument.
            record.msg = f"{coin}: {record.msg}"
        return record

    logging.setLogRecordFactory(make_named)
