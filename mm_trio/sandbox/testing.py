"""A sandbox of its own for each test: a pytest plugin, and the same for any other program.

Installed with mm_trio, pytest finds the fixture `hyperliquid_sandbox` by itself. The exchange is a process, so that a
test that hangs or forks cannot hold it up; it ends with its test. Only the standard library and pytest are imported.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from tempfile import TemporaryFile
from typing import IO, Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import pytest

__all__ = ["Sandbox", "SandboxAccount", "SandboxRefused", "hyperliquid_sandbox", "open_sandbox", "pytest_configure"]

ANSWER_WITHIN_S, STOP_WITHIN_S = 30.0, 10.0
MARKER = "hyperliquid_sandbox"

Json = dict[str, Any]


class SandboxRefused(Exception):
    """Raised where the control room refuses a request, with its words."""


@dataclass(frozen=True, slots=True)
class SandboxAccount:
    """Funded account, the key of an agent that may trade for it, and its own one.

    Only its own key, `master_key`, moves funds and approves agents.
    """

    account: str
    private_key: str
    master_key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Sandbox:
    """Running exchange on loopback.

    `url` is what clients take for `base_url`; `coin` is the pair that `take` trades. Amounts are exact as texts or
    Decimals. Every method raises SandboxRefused where the value cannot be.
    """

    url: str
    coin: str
    coins: tuple[str, ...]
    accounts: tuple[SandboxAccount, ...]
    _token: str = field(repr=False)

    @property
    def account(self) -> str:
        """Return the address of the first account."""
        return self.accounts[0].account

    @property
    def private_key(self) -> str:
        """Return the key of the first account's agent; it is public."""
        return self.accounts[0].private_key

    def read_state(self) -> Json:
        """Read the truth, whatever clients were told.

        Books, accounts with balances, open orders and fills, the clock, and the faults so far.
        """
        return self._ask("state", None)

    def fund(self, token: str, amount: object, *, account: str | None = None) -> None:
        """Pay in to an account, by default the first; below zero takes out."""
        self._ask("fund", {"account": account or self.account, "token": token, "amount": str(amount)})

    def step(self, seconds: float) -> None:
        """Let time pass; needs `stepped=True`.

        What falls due meanwhile is done in order: late orders, delayed answers and frames, takers, periodic frames.
        """
        self._ask("step", {"ms": round(1000 * seconds)})

    def take(self, side: str, size: object, *, price: object | None = None, coin: str | None = None) -> Json:
        """Trade at once as somebody with plenty: "buy" takes asks, "sell" bids.

        Return `filled`, `avg_px` and `oid`.
        """
        order = {"side": side, "sz": str(size), "coin": coin or self.coin}
        return self._ask("take", order if price is None else order | {"px": str(price)})

    def set_fault_rates(self, **rates: float) -> None:
        """Set rates of faults by kind, from 0 to 1; 0 ends one."""
        self._ask("faults", {"rates": rates})

    def strike(self, kind: str, *, count: int = 1, **parameters: object) -> Json:
        """Let a fault strike now, or the next time it can.

        `parameters` are those of its kind: `delay_s`, `for_s`, `amount`.
        """
        return self._ask("faults", {"strike": kind, "count": count, **parameters})

    def _ask(self, what: str, body: Mapping[str, object] | None) -> Json:
        request = Request(f"{self.url}/sandbox/{what}", headers={"Authorization": f"Bearer {self._token}"})
        if body is not None:
            request.data = json.dumps(body).encode()
        try:
            # A proxy of the environment must not be asked for loopback.
            with build_opener(ProxyHandler({})).open(request, timeout=ANSWER_WITHIN_S) as answer:
                found: Json = json.load(answer)
        except HTTPError as error:
            with error:
                raise SandboxRefused(_read_refusal(error)) from None
        return found


def _read_refusal(error: HTTPError) -> str:
    try:
        return str(json.load(error)["error"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {error.code}"


@contextmanager
def open_sandbox(
    *,
    coins: Sequence[str] = ("@107",),
    n_accounts: int = 1,
    takers: bool = False,
    stepped: bool = False,
    limits: str = "off",
    options: Sequence[str] = (),
) -> Iterator[Sandbox]:
    """Start an exchange, and end it afterwards.

    `options` are further ones of `mm-trio sandbox`, such as ("--fault", "answer_lost:0.1"). Errors: RuntimeError, with
    what the sandbox printed, where it does not start.
    """
    words = ["--port", "0", "--json", "--coin", coins[0], "--accounts", str(n_accounts), "--limits", limits]
    words += ["--pairs", ",".join(coins[1:])] if len(coins) > 1 else []
    words += [] if takers else ["--no-takers"]
    words += ["--stepped"] if stepped else []
    command = [sys.executable, "-m", "mm_trio", "sandbox", *words, *options]
    # Its log goes to a file: a pipe that nobody reads would hold it up.
    with TemporaryFile("w+") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            yield _read_access(process, log)
        finally:
            _end(process)


def _read_access(process: subprocess.Popen[str], log: IO[str]) -> Sandbox:
    assert process.stdout is not None
    line = process.stdout.readline()
    access = json.loads(line) if line else {}
    # Where it does not start, the line says so, or there is none.
    if "url" not in access:
        process.wait(STOP_WITHIN_S)
        log.seek(0)
        raise RuntimeError(f"the sandbox did not start: {log.read().strip() or f'exit code {process.returncode}'}")
    rows = zip(access["accounts"], access["master_keys"], strict=True)
    accounts = tuple(SandboxAccount(row["account"], row["private_key"], master) for row, master in rows)
    return Sandbox(access["url"], access["coin"], tuple(access["coins"]), accounts, access["control_token"])


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.communicate(timeout=STOP_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known to pytest."""
    config.addinivalue_line("markers", f"{MARKER}(**options): options of `open_sandbox` for this test's exchange")


@pytest.fixture
def hyperliquid_sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """Give a test an exchange of its own, with a funded account.

    `@pytest.mark.hyperliquid_sandbox(stepped=True)` and the other options of `open_sandbox` change it.
    """
    marker = request.node.get_closest_marker(MARKER)
    with open_sandbox(**({} if marker is None else marker.kwargs)) as sandbox:
        yield sandbox
