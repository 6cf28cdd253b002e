"""What the cancels for a guard cost: processor time of each action, by how many orders rest on how many coins.

Run by `nox -s bench`, or `python benchmarks/guard.py`. Each action places two orders of one coin, and two others end;
the file is refreshed after every fifth. Of one market all is signed and written anew, of several what is new. The sizes
take turns, and of each the best round counts. Figures of one machine.
"""

from __future__ import annotations

import random
import tempfile
import time
from pathlib import Path
from typing import Any

from common import compute_quantile, describe_machine, make_parser, print_machine, print_table, print_targets, tell

from mm_trio.config.settings import MarketSettings
from mm_trio.guard.cover import CancelCover, GuardTerms
from mm_trio.guard.signed_file import CANCELS_NAME, SignedCancels, read_cancels
from mm_trio.model.cloid import CloidParts, encode_cloid
from mm_trio.model.numbers import to_decimal
from mm_trio.model.orders import Intent, Quote
from mm_trio.state.order_state import OrderState
from mm_trio.venue.sdk import make_cancelling_exchange, make_wallet
from mm_trio.venue.wire import parse_spot_meta

__all__: list[str] = []

# One market first, then several: coins, and orders of each.
SIZES = ((1, 40), (3, 40), (25, 40), (50, 40))
ACTIONS, REFRESH_EVERY = 400, 5
ROUNDS = 3
# Of the median of one market.
MOST_TIMES = 1.6
NOW_MS = 1_790_000_000_000
_FIELDS = {"weiDecimals": 8, "isCanonical": False, "evmContract": None, "fullName": None}


def make_exchange(n_coins: int, account: str, wallet: Any) -> Any:
    """Return an exchange that signs for so many pairs; nothing is sent."""
    tokens = [
        {"name": f"T{n}", "index": n, "szDecimals": 2, "tokenId": f"0x{n:032x}", **_FIELDS} for n in range(n_coins + 1)
    ]
    universe = [{"name": f"@{n}", "tokens": [n, 0], "index": n, "isCanonical": False} for n in range(1, n_coins + 1)]
    meta = parse_spot_meta({"tokens": tokens, "universe": universe})
    market = MarketSettings(coin="@1", api_url="http://127.0.0.1:9", account=account)
    return make_cancelling_exchange(market, wallet, meta)


class Account:
    """Orders of several coins."""

    def __init__(self, n_coins: int, each: int) -> None:
        self._n_orders = 0
        self.states = [(f"@{number + 1}", OrderState()) for number in range(n_coins)]
        for _, state in self.states:
            for intent in self.send(state, each):
                self.arrive(state, intent)

    def send(self, state: OrderState, n: int) -> list[Intent]:
        intents = []
        for _ in range(n):
            self._n_orders += 1
            cloid = encode_cloid(CloidParts(7, "buy", self._n_orders % 1000, self._n_orders))
            intents.append(Intent(cloid, Quote("buy", self._n_orders % 1000, to_decimal("10"), to_decimal(2))))
            state.on_sent(intents[-1])
        return intents

    def arrive(self, state: OrderState, intent: Intent) -> None:
        state.on_intent_seen(intent, int(intent.cloid[-8:], 16), now_s=0.0)


def measure(folder: Path, *, n_coins: int, each: int) -> dict[str, float]:
    """Measure what an action waits for, and a refresh."""
    wallet = make_wallet("0x" + "11" * 32)
    address = wallet.address.lower()
    account, of_account = Account(n_coins, each), n_coins > 1
    terms = GuardTerms(
        folder=folder,
        network="sandbox",
        account=address,
        coin="account" if of_account else "@1",
        signer=address,
        of_account=of_account,
    )
    exchange = make_exchange(n_coins, address, wallet)
    cover = CancelCover(terms, exchange, clock_ms=lambda: NOW_MS, list_orders=lambda: account.states)
    # As a maker does that has run for a while.
    while not cover.is_near():
        cover.refresh()()
    rng, waits, refreshes, widths = random.Random(1), [], [], []
    for n in range(ACTIONS):
        _, state = rng.choice(account.states)
        intents = account.send(state, 2)
        began_s = time.thread_time()
        cover.make_cover()()
        waits.append(1000 * (time.thread_time() - began_s))
        for intent, old in zip(intents, state.get_current_orders(), strict=False):
            account.arrive(state, intent)
            state.on_cancel_confirmed(old.oid, now_s=0.0)
        widths.append(len(_read(folder).volleys[0]))
        if n % REFRESH_EVERY == 0:
            began_s = time.thread_time()
            cover.refresh()()
            refreshes.append(1000 * (time.thread_time() - began_s))
    return {
        "coins": n_coins,
        "orders": n_coins * each,
        "action p50 ms": compute_quantile(waits, 0.5),
        "p90 ms": compute_quantile(waits, 0.9),
        "refresh p50 ms": compute_quantile(refreshes, 0.5),
        "most actions": max(widths),
        "volleys": len(_read(folder).volleys),
        "file kB": (folder / CANCELS_NAME).stat().st_size / 1000,
    }


def _measure_in_folder(n_coins: int, each: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        return measure(Path(folder), n_coins=n_coins, each=each)


def _read(folder: Path) -> SignedCancels:
    found = read_cancels(folder)
    assert found is not None
    return found


def main() -> None:
    arguments = make_parser(__doc__).parse_args()
    machine, rounds = describe_machine(), []
    for _ in range(ROUNDS):
        rounds.append([_measure_in_folder(n_coins, each) for n_coins, each in SIZES])
    rows = [min(some, key=lambda row: row["action p50 ms"]) for some in zip(*rounds, strict=True)]
    one, most = rows[0]["action p50 ms"], max(row["action p50 ms"] for row in rows[1:])
    targets = {
        "an action of several markets, times one of one market": {
            "value": most / one,
            "at_most": MOST_TIMES,
            "met": most <= MOST_TIMES * one,
        }
    }

    def print_tables() -> None:
        print_machine(machine)
        print_table(list(rows[0]), [list(row.values()) for row in rows])
        print_targets(targets)

    tell(arguments, {"machine": machine, "sizes": rows, "targets": targets}, print_tables)


if __name__ == "__main__":
    main()
