"""Signals that ask a running maker for something: each is heard once, and none ends the process."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from mm_trio.cli.shell.request_signals import RequestSignals
from mm_trio.halts.requests import Asked, Request


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    found = {number: signal.getsignal(number) for number in (signal.SIGUSR1, signal.SIGUSR2)}
    yield
    for number, handler in found.items():
        signal.signal(number, handler)


def test_each_signal_is_a_request_once() -> None:
    signals = RequestSignals()

    with signals.heard():
        signal.raise_signal(signal.SIGUSR1)
        signal.raise_signal(signal.SIGUSR2)

        assert signals.take() == (Asked(Request.CANCEL_ONLY, "SIGUSR1"), Asked(Request.HALT, "SIGUSR2"))
        assert signals.take() == ()


def test_a_signal_after_the_end_does_nothing() -> None:
    signals = RequestSignals()
    with signals.heard():
        pass

    signal.raise_signal(signal.SIGUSR2)

    assert signals.take() == ()


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signals = RequestSignals()

    with signals.heard():
        signal.raise_signal(signal.SIGUSR1)

        assert signals.take() == ()
