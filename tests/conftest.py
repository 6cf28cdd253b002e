"""What all tests share: the venue messages they read, and a way to listen to a method that goes on working."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from time import time_ns
from typing import Any

import pytest
import selection
from builders import Call, Spy
from captures_kit import SOURCES, Messages, as_params
from day_kit import FULL_DAY, QUIET_HOUR, TradedDay, trade_day
from hypothesis import HealthCheck, settings
from native_kit import CHOSEN
from selection import pytest_collection_modifyitems, pytest_configure

from mm_trio.journal.sqlite_journal import Journal
from mm_trio.sim.base.seeded_schedule import seeded_schedule

# What pytest calls it finds here by name.
__all__ = ["pytest_collection_modifyitems", "pytest_configure"]
# how long an example takes says something of the machine, and nothing of the program
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")
# the program refuses folders that a group may write to, and with some masks the tests would make such folders
os.umask(0o022)


def pytest_report_header() -> list[str]:
    """Name in the first lines of a run what decides which tests there are."""
    read = " and ".join(source.name for source in SOURCES)
    return [selection.pytest_report_header(), f"venue messages: {read}"]


@pytest.fixture(autouse=True)
def schedule(request: pytest.FixtureRequest) -> Iterator[None]:
    """Who of the ready tasks runs first is the same whenever a test is run; MM_TRIO_SCHEDULE=N tries another order."""
    with seeded_schedule(f"{os.environ.get('MM_TRIO_SCHEDULE', '0')} {request.node.nodeid}"):
        yield


@pytest.fixture(autouse=True)
def close_journals(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every ledger file that a test opened is closed after it; a maker that was killed in it cannot."""
    opened: list[Journal] = []
    begin: Callable[..., None] = Journal.__init__

    def note(journal: Journal, *args: Any, **options: Any) -> None:
        begin(journal, *args, **options)
        opened.append(journal)

    monkeypatch.setattr(Journal, "__init__", note)
    yield
    for journal in opened:
        journal.close()


@pytest.fixture(autouse=True)
def restore_signals() -> Iterator[None]:
    """Undo what a command leaves to a process that ends: it ignores signals, and hides what cannot be raised."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before, hook = {number: signal.getsignal(number) for number in numbers}, sys.unraisablehook
    yield
    sys.unraisablehook = hook
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(params=["sdk", "trio"])
def each_transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a test with either transport; MM_TRIO_TRANSPORT=trio gives it to all others too."""
    monkeypatch.setattr(CHOSEN, "name", request.param)
    name: str = request.param
    return name


@pytest.fixture
def sdk_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep a test of the SDK's threads to them, whatever MM_TRIO_TRANSPORT says."""
    monkeypatch.setattr(CHOSEN, "name", "sdk")


@pytest.fixture
def distinct_nonces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each signature of the SDK a nonce of its own: two within one millisecond of its clock would collide."""
    last = 0

    def next_nonce() -> int:
        nonlocal last
        last = max(last + 1, time_ns() // 1_000_000)
        return last

    monkeypatch.setattr("hyperliquid.exchange.get_timestamp_ms", next_nonce)


@pytest.fixture(params=as_params(*((source,) for source in SOURCES)))
def messages(request: pytest.FixtureRequest) -> Messages:
    """Each set of venue messages that is there."""
    source: Messages = request.param
    return source


@pytest.fixture
def spy(monkeypatch: pytest.MonkeyPatch) -> Spy:
    """`spy(owner, name)` lets the method of an object (or function of a module) run and lists its calls."""

    def listen(owner: object, name: str) -> list[Call]:
        real: Callable[..., Any] = getattr(owner, name)
        calls: list[Call] = []

        def heard(*args: Any, **options: Any) -> Any:
            result = real(*args, **options)
            calls.append(Call(args, options, result))
            return result

        monkeypatch.setattr(owner, name, heard)
        return calls

    return listen


@pytest.fixture(scope="session")
def quiet_hour(tmp_path_factory: pytest.TempPathFactory) -> TradedDay:
    """An hour of trading, some 500 fills, made once for all tests of a run: read it, or copy its folder."""
    return trade_day(tmp_path_factory.mktemp("quiet-hour"), QUIET_HOUR)


@pytest.fixture(scope="session")
def full_day(tmp_path_factory: pytest.TempPathFactory) -> TradedDay:
    """A day of more than 10,000 fills, made once for all tests of a run: read it, or copy its folder."""
    return trade_day(tmp_path_factory.mktemp("full-day"), FULL_DAY)
