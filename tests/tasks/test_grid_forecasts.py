"""What `grid` plans is what the maker does: where it opens, and what an hour of the demo's takers leaves."""

from __future__ import annotations

import json
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest
import trio
from builders import MAKER, TAKER, World, booked
from plan_kit import make_facts
from trio.testing import MockClock

from mm_trio import PricingGrid, WsState
from mm_trio.cli.main import main
from mm_trio.cli.shell.exit_codes import ExitCode
from mm_trio.config.loading import load_settings
from mm_trio.sandbox import Fill, SeededTakers, trade_forever
from mm_trio.sandbox.model.markets import USDC, Markets, Pair, Token

HOUR_S = 3_600.0
ACCOUNT = ("--account", MAKER)
# szDecimals, a book around it, and what the operator says: at 20, at 2 cents, and at a thousandth of a cent.
PAIRS = {
    "HYPE": (2, ("21.80", "21.87"), ("--range", "19", "25", "--tokens", "400")),
    "PUMP": (0, ("0.020777", "0.020839"), ("--range", "0.018", "0.025", "--tokens", "400000")),
    "KOBE": (0, ("0.00001", "0.00001003"), ("--start-px", "0.000008", "--n-orders", "150", "--tokens", "5e8")),
}


def plan(folder: Path, name: str, gap: int, capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, Any], Path]:
    """What `grid` says of a pair, and the configuration that it wrote."""
    sz_decimals, book, words = PAIRS[name]
    facts = make_facts(*book)
    facts["spotMeta"]["tokens"][1] |= {"name": name, "szDecimals": sz_decimals}
    source, out = folder / "facts.json", folder / "pair.toml"
    source.write_text(json.dumps(facts))
    arguments = ["--coin", "@107", *words, "--gap-levels", str(gap), "--offline", str(source), "--out", str(out)]
    assert main(["grid", *arguments, *ACCOUNT, "--demo-takers", "--json"]) == ExitCode.CLEAN
    found: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return found, out


def value_tokens(grid: PricingGrid, order_size: Decimal, tokens: Decimal) -> Decimal:
    """Tokens at what the ladder asks for them."""
    full, rest = divmod(tokens, order_size)
    level = grid.n_orders - int(full)
    return order_size * sum(grid.levels[level:], Decimal(0)) + rest * grid.levels[level - 1]


def read_ledger(maker: WsState) -> tuple[Decimal, Decimal]:
    """What the maker's ledger says of its allocation."""
    token, usdc = booked(maker)
    assert token is not None
    assert usdc is not None
    return token, usdc


def sum_fees(fills: Iterable[Fill]) -> Decimal:
    """Fees in quote; those in base at the price of their fill."""
    return sum((f.fee if f.fee_token == "USDC" else f.fee * f.price for f in fills), Decimal(0))


@pytest.mark.sweep
@pytest.mark.parametrize("gap", [0, 1, 2])
@pytest.mark.parametrize("name", PAIRS)
async def test_a_planned_ladder_opens_where_it_was_planned_and_earns_what_was_forecast(
    autojump_clock: MockClock, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, gap: int
) -> None:
    """Within 20 % of an hour of other takers of the same kind."""
    found, out = plan(tmp_path, name, gap, capsys)
    settings = load_settings(out, environ={})
    token = Token(name, 150, PAIRS[name][0], 8, "0x" + "5" * 32)
    pair = Pair("@107", 107, token, USDC)
    world = World(token=found["token"], usdc=found["usdc"], markets=Markets((pair,), (USDC, token)))
    grid = PricingGrid(found["start_px"], found["n_orders"], tick_size=found["tick_size"], sz_decimals=PAIRS[name][0])
    maker = world.maker(**settings.maker_parameters(grid))
    size = Decimal(found["order_sz"])

    async with world.running(maker):
        inside = [order.price for order in world.resting()]
        bids = [order.price for order in world.resting() if order.is_buy]
        asks = [order.price for order in world.resting() if not order.is_buy]
        tokens, quote = read_ledger(maker)
        takers = SeededTakers(pair, rng=Random(2))
        with trio.move_on_after(HOUR_S):
            await trade_forever(world.gateway, takers, address=TAKER, coin=world.coin)
        await trio.sleep(10)
        after_tokens, after_quote = read_ledger(maker)

    assert len(inside) == found["asks"] + found["bids"]
    assert max(bids) == Decimal(found["best_bid"])
    assert min(asks) == Decimal(found["best_ask"])
    fills = world.fills()
    base_fees = sum((f.fee for f in fills if f.fee_token != "USDC"), Decimal(0))
    # Fees in base are taken off the tokens; they are counted as fees and not as income.
    before, after = (value_tokens(grid, size, amount) for amount in (tokens, after_tokens + base_fees))
    quote_fees = sum((f.fee for f in fills if f.fee_token == "USDC"), Decimal(0))
    earned = after_quote - quote + quote_fees - (before - after) - sum_fees(fills)
    forecast = Decimal(found["forecast"]["net"])
    print(f"{name} gap {gap}: forecast {forecast:f}, earned {earned:f}")
    assert abs(earned / forecast - 1) < Decimal("0.2"), (earned, forecast)
