"""A maker and its guard under a service manager: what each tells it, as real processes over a real socket."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from manager_kit import NotifySocket, open_notify_socket
from process_kit import Sandbox, open_sandbox, run, running, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

WATCHDOG = {"WATCHDOG_USEC": "2000000"}


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with open_sandbox(tmp_path_factory.mktemp("sandbox"), "--no-takers") as opened:
        yield opened


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[NotifySocket]:
    with open_notify_socket(tmp_path) as opened:
        yield opened


def test_a_maker_tells_when_it_quotes_lives_and_ends(tmp_path: Path, sandbox: Sandbox, listening: NotifySocket) -> None:
    environ = sandbox.key | WATCHDOG | {"NOTIFY_SOCKET": listening.name}
    with running(tmp_path, "run", "--config", str(sandbox.save_config(tmp_path)), environ=environ) as maker:
        maker.wait_for("tick=1 ")
        wait_until(lambda: len(listening.words("WATCHDOG")) > 2)
        assert listening.words("READY") == ["1"]
        assert listening.words("STOPPING") == []
        assert maker.end(signal.SIGTERM) == 0

    assert listening.words("STOPPING") == ["1"]
    assert f"{sandbox.coin} quoting, 20 orders, 0 fills" in listening.words("STATUS")


def test_a_guard_tells_that_it_watches(tmp_path: Path, sandbox: Sandbox, listening: NotifySocket) -> None:
    environ = WATCHDOG | {"NOTIFY_SOCKET": listening.name}
    with running(tmp_path, "guard", "--config", str(sandbox.save_config(tmp_path)), environ=environ) as guard:
        guard.wait_for("guard waiting")
        wait_until(lambda: len(listening.words("WATCHDOG")) > 2)
        assert listening.words("READY") == ["1"]
        assert guard.end(signal.SIGTERM) == 0

    assert listening.words("STATUS")[-2] == "maker absent; acted 0 times, 0 orders cancelled"
    assert listening.words("STOPPING") == ["1"]


def test_a_plan_is_ready_at_once(tmp_path: Path, sandbox: Sandbox, listening: NotifySocket) -> None:
    words = ("run", "--plan", "--duration", "2", "--config", str(sandbox.save_config(tmp_path)))
    code, _, _ = run(tmp_path, *words, environ={"NOTIFY_SOCKET": listening.name})

    assert (code, listening.words("READY")) == (0, ["1"])


def test_a_maker_whose_manager_is_gone_quotes_on(tmp_path: Path, sandbox: Sandbox) -> None:
    environ = sandbox.key | {"NOTIFY_SOCKET": str(tmp_path / "none"), "WATCHDOG_USEC": "200000"}
    with running(tmp_path, "run", "--config", str(sandbox.save_config(tmp_path)), environ=environ) as maker:
        maker.wait_for("tick=1 ")
        assert maker.end(signal.SIGTERM) == 0

    assert "service ended" not in maker.out + maker.err
