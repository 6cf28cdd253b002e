"""Processor time and memory of a certificate over 90 days, and of its verification.

The history is made up: so many changes of the best prices and of a ladder of 80 orders, spread over 90 days, and a
fill for every tenth of them.
"""

from __future__ import annotations

import random
import resource
import tempfile
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from common import describe_machine, make_parser, print_figures, tell
from eth_account import Account
from eth_account.messages import encode_defunct

from mm_trio.cli.liquidity_programs.verify_certificate import verify_certificate
from mm_trio.liquidity.certificate import Event, Header, Writing
from mm_trio.liquidity.presets import read_preset
from mm_trio.liquidity.samples import BookChange, Change, Fill, MarketPrices, Volume

DAYS, DAY_S, FROM_S = 90, 86_400, 1_772_323_200
KEY = "0x" + "11" * 32
UNIT = 10**8


def make_events(n: int) -> Iterator[Event]:
    """Yield changes in order: three of four of the market alone, the fourth of our book too."""
    rng = random.Random(1)
    levels = [2_000_000_000 + 6_000_000 * i for i in range(80)]
    for i in range(n):
        second = FROM_S + i * DAYS * DAY_S // n
        place = rng.randrange(30, 50)
        prices = MarketPrices(levels[place] - rng.randrange(1_000_000), levels[place + 1] + rng.randrange(1_000_000))
        if i % 10 == 0 and i:
            yield Fill(second * 1000 - 1, i, i, levels[place], 5 * UNIT, "sell")
        if i == 0:
            rows = sorted(("buy" if k < 40 else "sell", price, 100 * UNIT) for k, price in enumerate(levels))
            yield Change(second, prices, BookChange("quoting", None, tuple(rows)))  # type: ignore[arg-type]
        elif i % 4 == 0:
            k = rng.randrange(80)
            row = ("buy" if k < 40 else "sell", levels[k], rng.randrange(1, 10_000) * UNIT // 100)
            yield Change(second, prices, BookChange("quoting", None, (row,)))  # type: ignore[arg-type]
        else:
            yield Change(second, prices)


def measure(n: int) -> dict[str, Any]:
    """Make a certificate of so many changes, and verify it."""
    wallet = Account.from_key(KEY)
    header = Header(
        network="sandbox",
        account="0x" + "ab" * 20,
        agent=wallet.address.lower(),
        coin="@107",
        from_s=FROM_S,
        until_s=FROM_S + DAYS * DAY_S,
        made_ms=0,
        is_partial=False,
        preset="audit-5k",
        ladder=[],
        journal=None,
        terms=read_preset("audit-5k"),
    )
    writing = Writing(header, lambda text: f"0x{wallet.sign_message(encode_defunct(text=text)).signature.hex()}")
    volumes = [Volume(FROM_S + day * DAY_S, 0, 0, 0, 0, 0) for day in range(DAYS)]
    with tempfile.TemporaryDirectory(prefix="mm_trio-bench-") as folder:
        path = Path(folder) / "certificate.jsonl"
        began_s = time.process_time()
        with path.open("wb") as file:
            file.writelines(writing.lines(make_events(n), volumes))
        made_s = time.process_time() - began_s
        began_s = time.process_time()
        assert verify_certificate(path).is_ok
        verified_s = time.process_time() - began_s
        size_mb = path.stat().st_size / 1e6
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"made_cpu_s": made_s, "verified_cpu_s": verified_s, "size_mb": size_mb, "peak_rss_mib": peak_mib}


def main(argv: Sequence[str] | None = None) -> None:
    """Measure once, and print one line a figure or a JSON object."""
    parser = make_parser(__doc__)
    parser.add_argument("--changes", type=int, default=780_000, metavar="N", help="changes in 90 days (one in 10 s)")
    arguments = parser.parse_args(argv)
    machine = describe_machine()
    found = {"changes": arguments.changes, **measure(arguments.changes)}
    tell(arguments, {"machine": machine, **found}, partial(print_figures, found))


if __name__ == "__main__":
    main()
