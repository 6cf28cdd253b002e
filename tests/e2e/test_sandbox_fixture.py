"""The pytest fixture for tests of other programs: as documented, and what it does when something is wrong."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from decimal import Decimal
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from mm_trio.sandbox.testing import SandboxRefused, open_sandbox

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = "mm_trio.sandbox.testing"


def run_pytest(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    """Run tests as a stranger does, in a folder of their own."""
    (folder / "test_bot.py").write_text(text)
    # An installed mm_trio brings its plugin; a checkout names it.
    is_installed = any(each.value == PLUGIN for each in entry_points(group="pytest11"))
    words = [] if is_installed else ["-p", PLUGIN]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words, str(folder)]
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""}
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=120, check=False)


def test_the_tests_of_the_page_pass_as_they_stand(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "sandbox.md").read_text()
    (text,) = [block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "hyperliquid_sandbox" in block]

    ended = run_pytest(tmp_path, text)

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "2 passed" in ended.stdout


def test_a_test_that_fails_leaves_no_sandbox_behind(tmp_path: Path) -> None:
    ended = run_pytest(
        tmp_path,
        "def test_it(hyperliquid_sandbox):\n"
        f"    open({str(tmp_path / 'url')!r}, 'w').write(hyperliquid_sandbox.url)\n"
        "    assert False\n",
    )

    port = int((tmp_path / "url").read_text().rsplit(":", 1)[1])
    assert ended.returncode == 1
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def test_money_and_time_and_faults_are_in_the_hands_of_the_test() -> None:
    with open_sandbox(stepped=True, n_accounts=2) as sandbox:
        first, second = sandbox.accounts
        before = sandbox.read_state()
        sandbox.fund("USDC", Decimal("12.34"), account=second.account)
        sandbox.step(1.5)
        sandbox.set_fault_rates(answer_lost=0.5)
        struck = sandbox.strike("deposit", amount="5")
        after = sandbox.read_state()

    assert first.account != second.account
    assert after["clock"]["now_ms"] - before["clock"]["now_ms"] == 1500
    assert struck["rates"] == {"answer_lost": 0.5}
    assert struck["struck_now"] == 1


@pytest.mark.parametrize(
    "token, amount, told", [("GOLD", "1", "unknown token 'GOLD'"), ("USDC", "much", "amount must be a number")]
)
def test_what_the_exchange_refuses_is_told_in_its_words(token: str, amount: str, told: str) -> None:
    with open_sandbox() as sandbox, pytest.raises(SandboxRefused, match=told):
        sandbox.fund(token, amount)


def test_a_sandbox_that_cannot_start_says_why() -> None:
    with (
        pytest.raises(RuntimeError, match=r"did not start: .*unknown coin '@9'"),
        open_sandbox(coins=["@9"]),
    ):
        pass


def test_its_token_is_in_no_text() -> None:
    with open_sandbox() as sandbox:
        assert sandbox._token not in repr(sandbox)
