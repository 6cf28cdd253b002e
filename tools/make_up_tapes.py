"""Make up recorded fills of HIP-2 with its model in the sandbox.

They have the form of tapes recorded on the chain and show that a tape is read, explained and replayed whole. They say
nothing of what HIP-2 does on the chain: the same model explains them that made them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from make_up_relations import format_decimal

from mm_trio.sandbox.traffic.hip2_model import Hip2Model, LadderStart, ModelFill
from mm_trio.sandbox.traffic.ladder_search import compute_ladder

__all__ = ["TAPES", "Taker", "TapePlan", "draw_takers", "make_tape", "script_takers"]

STEP = Decimal("0.003")
PERIOD_MS = 3000
N_LEVELS = 40
# Whole orders above the ladder that no taker ever reaches: a ladder of HIP-2 has thousands.
ORDERS_ABOVE = 700


@dataclass(frozen=True, kw_only=True)
class TapePlan:
    """Ladder of a tape. `remainder` is what is left of the balance over whole orders."""

    coin: str
    base: str
    sz_decimals: int
    start_px: str
    order_size: str
    remainder: str = "0"
    n_takers: int = 0


@dataclass(frozen=True)
class Taker:
    """Taker that comes `at_ms` after the ladder's first update."""

    at_ms: int
    is_buy: bool
    size: Decimal


TAPES = (
    TapePlan(
        coin="@9001",
        base="ALPHA",
        sz_decimals=0,
        start_px="0.00021733",
        order_size="120000",
        remainder="70411",
        n_takers=60,
    ),
    TapePlan(
        coin="@9002", base="BETA", sz_decimals=2, start_px="0.41207", order_size="700", remainder="312.55", n_takers=5
    ),
    TapePlan(
        coin="@9003", base="GAMMA", sz_decimals=1, start_px="2.7314", order_size="15", remainder="4.3", n_takers=4
    ),
)


def draw_takers(plan: TapePlan) -> Iterator[Taker]:
    """Draw takers who come seconds or hours apart and take parts of an order or some orders at once."""
    rng, lot = Random(f"takers of {plan.coin}"), Decimal(1).scaleb(-plan.sz_decimals)
    at_ms, whole = 0, Decimal(plan.order_size)
    for _ in range(plan.n_takers):
        at_ms += rng.choice((1_700, 4_900, 61_000, 3_900_000)) + rng.randrange(3000)
        share = Decimal(rng.choice(("0.3", "0.8", "1", "1", "1.6", "2.4")))
        yield Taker(at_ms, rng.random() < 0.5, max(whole * share // lot * lot, lot))


def script_takers(order_size: str, part: str) -> tuple[Taker, ...]:
    """Sell a level, buy it back and touch its neighbour; sell both again, and on upwards."""
    whole, rest = Decimal(order_size), Decimal(part)
    taken = ((True, whole), (False, whole + rest), (True, whole), (True, rest), (True, whole), (True, whole))
    return tuple(Taker(2_000 + 47_000 * i, is_buy, size) for i, (is_buy, size) in enumerate(taken))


def make_tape(plan: TapePlan, takers: Iterable[Taker]) -> list[dict[str, Any]]:
    """Make the rows that the account with the ladder would be told, oldest first."""
    rng, order_size = Random(f"rows of {plan.coin}"), Decimal(plan.order_size)
    levels = compute_ladder(Decimal(plan.start_px), N_LEVELS, step=STEP, sz_decimals=plan.sz_decimals)
    tokens = N_LEVELS // 2 * order_size + Decimal(plan.remainder)
    lot = Decimal(1).scaleb(-plan.sz_decimals)
    model = Hip2Model(LadderStart(levels=levels, order_size=order_size, lot=lot, tokens=tokens))
    begin_ms, first_oid = 1_700_000_000_000 + rng.randrange(30_000_000_000), rng.randrange(10**10, 9 * 10**10)
    rows, updated_ms = [], 0
    for taker in takers:
        while updated_ms + PERIOD_MS <= taker.at_ms:
            model.update()
            updated_ms += PERIOD_MS
        before, limit = model.tokens, levels[-1 if taker.is_buy else 0]
        digest = f"0x{rng.randrange(16**64):064x}"
        for fill in model.take(is_buy=not taker.is_buy, size=taker.size, limit=limit):
            shown: dict[str, Any] = {
                "startPosition": format_decimal(before + ORDERS_ABOVE * order_size),
                "hash": digest,
            }
            shown |= {"time": begin_ms + taker.at_ms, "oid": first_oid + fill.oid, "tid": rng.randrange(10**13, 10**15)}
            rows.append(_write_row(plan, fill, shown))
            before += fill.size if fill.is_buy else -fill.size
    return rows


def _write_row(plan: TapePlan, fill: ModelFill, shown: dict[str, Any]) -> dict[str, Any]:
    return {
        "coin": plan.coin,
        "px": format_decimal(fill.price),
        "sz": format_decimal(fill.size),
        "side": "B" if fill.is_buy else "A",
        "time": shown["time"],
        "startPosition": shown["startPosition"],
        "dir": "Buy" if fill.is_buy else "Sell",
        "closedPnl": "0.0",
        "hash": shown["hash"],
        "oid": shown["oid"],
        "crossed": False,
        "fee": "0.0",
        "tid": shown["tid"],
        "feeToken": plan.base if fill.is_buy else "USDC",
        "twapId": None,
    }
