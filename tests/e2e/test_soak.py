"""A sandbox with every fault at once and three clients of the official SDK that never give up.

For so many seconds as `MM_TRIO_SOAK_S` says; the session `soak` of nox makes it minutes.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import requests
from eth_account import Account
from hyperliquid.exchange import Exchange
from hyperliquid.info import Info
from hyperliquid.utils.error import ClientError, ServerError
from hyperliquid.utils.types import Cloid
from process_kit import DEADLINE_S, Sandbox, open_sandbox, run
from websocket import WebSocketException

from mm_trio.sandbox.faults.dice import FINAL_KINDS, MACHINE_KINDS
from mm_trio.sandbox.faults.kinds import FaultKind
from mm_trio.sandbox.model.markets import DEFAULT_MARKETS

SECONDS = float(os.environ.get("MM_TRIO_SOAK_S", "8"))
TIMEOUT_S = 0.5  # so that a hung answer costs a client little
LONG_S = 240  # from here on every kind has had its chance
LEAST_KINDS = len(FaultKind) // 2 + 1
RATE = "all:0.05"

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(SECONDS + 4 * DEADLINE_S)]

# what the SDK raises, or trips over, when the venue fails; anything else is a bug of the test
TROUBLES: tuple[type[Exception], ...] = (
    ClientError,
    ServerError,
    requests.RequestException,
    KeyError,
    TypeError,
    AttributeError,
    ValueError,
)
TROUBLES += (LookupError, OSError, WebSocketException)


class Client(threading.Thread):
    """Places, changes and cancels, asks and listens, whatever comes back."""

    def __init__(self, url: str, account: str, key: str, *, seed: int, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.heard = 0
        self.asked: Counter[str] = Counter()
        self.surprise: BaseException | None = None
        self._url = url
        self._account = account
        self._rng = random.Random(seed)
        self._stop_event = stop
        self._spot_meta: Any = DEFAULT_MARKETS.spot_meta()
        self._sdk = Exchange(
            Account.from_key(key), url, meta={"universe": []}, spot_meta=self._spot_meta, timeout=TIMEOUT_S
        )
        self._info = self._make_info(skip_ws=True)
        self._feed: Info | None = None
        self._feed_until_s = 0.0

    def _make_info(self, *, skip_ws: bool) -> Info:
        return Info(self._url, skip_ws, meta={"universe": []}, spot_meta=self._spot_meta, timeout=TIMEOUT_S)

    @property
    def has_lived(self) -> bool:
        """It has heard something, and placed orders."""
        return self.heard > 0 and self.asked["_place"] > 0

    def run(self) -> None:
        try:
            while not self._stop_event.is_set():
                deed = self._rng.choice(
                    [self._place, self._place, self._modify, self._cancel, self._read, self._listen]
                )
                with contextlib.suppress(*TROUBLES):
                    deed()
                    self.asked[deed.__name__] += 1
                time.sleep(0.02)
        except BaseException as error:  # noqa: BLE001 - handed to the test
            self.surprise = error
        finally:
            self._hang_up()

    def _place(self) -> None:
        """A few levels on both sides, so that the takers come."""
        orders: list[Any] = [
            {
                "coin": "@107",
                "is_buy": is_buy,
                "sz": 2.0,
                "limit_px": round(20 * (1 + (-1 if is_buy else 1) * 0.003 * level), 3),
                "order_type": {"limit": {"tif": "Alo"}},
                "reduce_only": False,
                "cloid": Cloid.from_int(self._rng.getrandbits(120)),
            }
            for is_buy in (True, False)
            for level in range(1, self._rng.randint(2, 6))
        ]
        self._sdk.set_expires_after(time.time_ns() // 1_000_000 + 5000 if self._rng.random() < 0.5 else None)
        self._sdk.bulk_orders(orders)

    def _modify(self) -> None:
        order = self._rng.choice(self._info.open_orders(self._account))
        price = float(order["limitPx"]) * (0.999 if order["side"] == "B" else 1.001)
        alo: Any = {"limit": {"tif": "Alo"}}
        self._sdk.modify_order(order["oid"], "@107", order["side"] == "B", 2.0, round(price, 3), alo)

    def _cancel(self) -> None:
        orders = self._info.open_orders(self._account)
        self._sdk.bulk_cancel([{"coin": "@107", "oid": order["oid"]} for order in orders[:5]])

    def _read(self) -> None:
        reads: list[Any] = [
            self._info.spot_user_state,
            self._info.user_fills,
            self._info.frontend_open_orders,
            self._info.historical_orders,
        ]
        self._rng.choice(reads)(self._account)
        self._info.l2_snapshot("@107")
        for fill in self._info.user_fills(self._account)[:1]:
            self._info.query_order_by_oid(self._account, fill["oid"])

    def _listen(self) -> None:
        """A new socket every few seconds, or as soon as the old one is dead."""
        is_alive = self._feed is not None and self._feed.ws_manager.is_alive()
        if is_alive and time.monotonic() < self._feed_until_s:
            return
        self._hang_up()
        self._feed = self._make_info(skip_ws=False)
        self._feed_until_s = time.monotonic() + self._rng.uniform(3, 10)
        for kind in ("userFills", "orderUpdates", "userEvents"):
            self._feed.subscribe({"type": kind, "user": self._account}, self._hear)
        self._feed.subscribe({"type": "l2Book", "coin": "@107"}, self._hear)

    def _hear(self, _frame: Any) -> None:
        self.heard += 1

    def _hang_up(self) -> None:
        if self._feed is not None:
            self._feed.ws_manager.stop_event.set()
            with contextlib.suppress(WebSocketException, OSError, AttributeError):
                self._feed.ws_manager.ws.close()
            self._feed = None


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # the SDK's pinging threads
def test_every_fault_at_once_leaves_the_server_unharmed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    stop = threading.Event()
    arguments = ("--accounts", "3", "--fault", RATE, "--limits", "scaled:100", "--fault-seed", "7")
    with open_sandbox(tmp_path, *arguments, "--save-history", "history.jsonl") as sandbox:
        clients = [
            Client(sandbox.url, each["account"], each["private_key"], seed=number, stop=stop)
            for number, each in enumerate(sandbox.access["accounts"])
        ]
        for client in clients:
            client.start()
        began_s = time.monotonic()
        while sandbox.program.process.poll() is None:
            lasted_s = time.monotonic() - began_s
            if lasted_s >= SECONDS and (has_seen_enough(sandbox, clients) or lasted_s >= SECONDS + DEADLINE_S):
                break
            time.sleep(0.1)
        stop.set()
        for client in clients:
            client.join(DEADLINE_S)
        state = sandbox.control("state")
        code = sandbox.program.end(signal.SIGINT)
        err, summary = sandbox.program.err, sandbox.program.last_object()
    replayed, told, complaint = run(tmp_path, "sandbox", "--replay", "history.jsonl", "--json")

    print(summary, [(client.heard, dict(client.asked)) for client in clients])
    assert "Traceback" not in err
    assert code == 0
    assert [client.surprise for client in clients] == [None, None, None]
    assert all(client.has_lived for client in clients)
    assert all(float(each["total"]) >= float(each["hold"]) >= 0 for each in balances_of(state))
    assert (replayed, complaint) == (0, "")
    assert json.loads(told)["is_whole"]
    assert len(summary["faults"]) >= LEAST_KINDS
    if SECONDS >= LONG_S:
        assert sorted(summary["faults"]) == sorted(
            kind.value for kind in FaultKind if kind not in (*MACHINE_KINDS, *FINAL_KINDS)
        )


def has_seen_enough(sandbox: Sandbox, clients: list[Client]) -> bool:
    """On a slow machine that takes longer."""
    n_kinds = len(sandbox.control("state")["faults"]["struck"])
    return n_kinds >= LEAST_KINDS and all(client.has_lived for client in clients)


def balances_of(state: dict[str, Any]) -> list[dict[str, str]]:
    return [balance for account in state["accounts"].values() for balance in account["balances"].values()]
