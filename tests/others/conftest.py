"""Sandboxes in processes of their own, for scripts that know nothing of the program."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from process_kit import Sandbox, open_sandbox
from script_kit import Script, open_script


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """An exchange of two traders, which ends without having complained; without limits, for tests ask much."""
    arguments = ("--no-takers", "--accounts", "2", "--limits", "off")
    with open_sandbox(tmp_path_factory.mktemp("sandbox"), *arguments) as opened:
        yield opened
        assert "Traceback" not in opened.program.err


@pytest.fixture
def script(sandbox: Sandbox) -> Iterator[Script]:
    """The first trader, with nothing resting before and after."""
    opened = open_script(sandbox.access)
    yield opened
    opened.cancel_all()


@pytest.fixture
def other(sandbox: Sandbox) -> Iterator[Script]:
    """The second trader, likewise."""
    opened = open_script(sandbox.access, number=1)
    yield opened
    opened.cancel_all()
