"""Contract 2.1 on recorded takers: with our maker on the other side, our fills equal the recorded ones."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest
import trio
from builders import World
from captures_kit import SOURCES, Messages, as_params
from tape_kit import AS_HIP2, open_tape, reach_phase, read, replay
from trio.testing import MockClock

from mm_trio import PricingGrid
from mm_trio.sandbox.model.records import Fill
from mm_trio.sandbox.traffic.hip2_model import Hip2Model, LadderStart
from mm_trio.sandbox.traffic.tape import TapeRow
from mm_trio.sandbox.traffic.tape_phases import compare_oids

PAGE = "rest/hypercore_hip2like_maker_fills_testnet_selected.json"
STEP = Decimal("0.003")


def find_tapes() -> Iterator[tuple[Messages, str, Path, str]]:
    """All tapes that are there: source, name, file, market. Each file's name has its market.

    Made-up ones come from the sandbox's model of HIP-2. They test the reader and the round trip; that HIP-2 does so on
    the chain, the recorded ones alone can show.
    """
    for source in SOURCES:
        for path in sorted((source.folder / "hip2").glob("tape_*.json")):
            yield source, path.stem, path, "@" + path.stem.split("_")[1]
        yield source, "page", source.venue / PAGE, "@1226"


TAPES = as_params(*find_tapes())
SHORT_TAPES = as_params(*(case for case in find_tapes() if case[1] != "tape_476"))


def seen(fill: Fill) -> tuple[bool, Decimal, Decimal]:
    return fill.is_buy, fill.price, fill.size


@pytest.mark.parametrize("source, name, path, coin", TAPES)
async def test_a_tape_comes_out_row_by_row_with_its_oids(
    autojump_clock: MockClock, source: Messages, name: str, path: Path, coin: str
) -> None:
    """In the middle of the phases that explain the tape: what a row says depends on when HIP-2 acts."""
    tape = read(path, coin)
    best = tape.phases.best

    fills = await replay(tape, phase_ms=(best.first_ms + best.last_ms) // 2)

    unlike = [place for place, (fill, row) in enumerate(zip(fills, tape.expected, strict=False)) if seen(fill) != row]
    assert not unlike, f"rows that the maker does not explain: {unlike}"
    assert len(fills) == len(tape.rows)
    assert all(compare_oids(tape.rows, [fill.oid for fill in fills]))


@pytest.mark.parametrize("source, name, path, coin", TAPES)
def test_the_rule_explains_every_row_of_a_tape(source: Messages, name: str, path: Path, coin: str) -> None:
    tape = read(path, coin)

    assert tape.phases.rows_unexplained == ()
    assert tape.phases.n_matched == len(tape.rows)


@pytest.mark.parametrize("source, name, path, coin", TAPES)
def test_the_rule_explains_which_orders_were_kept(source: Messages, name: str, path: Path, coin: str) -> None:
    tape = read(path, coin)

    assert all(compare_oids(tape.rows, [fills[0].oid for fills in tape.phases.best.fills]))


@pytest.mark.parametrize("source, name, path, coin", SHORT_TAPES)
async def test_at_every_phase_the_maker_does_what_the_rule_does(
    autojump_clock: MockClock, source: Messages, name: str, path: Path, coin: str
) -> None:
    """Also where that is not what was recorded: it is the clock then that differs, and not the rule."""
    tape = read(path, coin)
    phases = tape.phases.phases
    # A few of many, spread over the period.
    for phase in phases[:: 1 + len(phases) // 5]:
        fills = await replay(tape, phase_ms=(phase.first_ms + phase.last_ms) // 2)

        ruled = [fill for row in phase.fills for fill in row]
        assert [seen(fill) for fill in fills] == [(fill.is_buy, fill.price, fill.size) for fill in ruled]


@pytest.mark.sweep
@pytest.mark.parametrize("n_bids", [4, 30])
@pytest.mark.parametrize("seed", range(6))
async def test_after_random_takers_our_book_is_the_rules(autojump_clock: MockClock, seed: int, n_bids: int) -> None:
    """Sixty takers of all sizes, some within one period; with quote for thirty bids or for four and a half."""
    rng = Random(seed)
    grid = PricingGrid("20", 40, sz_decimals=2)
    tokens, quote = Decimal(100) + rng.randrange(500) * grid.lot, n_bids * Decimal("101.3")
    world = World(token=str(tokens), usdc=str(quote), maker_fee="0", min_notional="0")
    maker = world.maker(**AS_HIP2)
    start = LadderStart(levels=grid.levels, order_size=Decimal(5), lot=grid.lot, tokens=tokens, quote=quote)
    model = Hip2Model(start)
    async with world.running(maker):
        await reach_phase(maker, 1533)
        due_s, now_s = trio.current_time() + 1.533, trio.current_time()
        for _ in range(60):
            now_s += rng.choice((0.4, 2.0, 3.3, 7.0))
            while due_s < now_s:
                await trio.sleep_until(due_s + 0.01)
                model.update()
                assert world.book_of(maker) == list_orders(model)
                due_s += 3
            await trio.sleep_until(now_s)
            size = rng.choice((1, 12, 60, 290, 500, 730, 1700)) * grid.lot
            if is_buy := rng.random() < 0.5:
                world.buy(size)
            else:
                world.sell(size)
            model.take(is_buy=not is_buy, size=size, limit=grid.levels[-1 if is_buy else 0])
            assert world.book_of(maker) == list_orders(model)


def list_orders(model: Hip2Model) -> dict[tuple[str, int], Decimal]:
    """What rests in the model: (side, level) -> size."""
    bids = {("buy", level): order.size for level, order in model.bids.items()}
    return bids | {("sell", level): order.size for level, order in model.asks.items()}


@pytest.mark.parametrize(
    "start_px, sz_decimals, whole, part",
    [
        ("61", 1, "12.5", "4.2"),
        ("0.0201", 0, "1500", "333"),
        ("61234", 5, "0.0125", "0.00201"),
        ("3.2", 2, "7", "6.99"),
    ],
)
async def test_made_up_fills_of_the_same_shape_come_out_row_by_row(
    autojump_clock: MockClock, start_px: str, sz_decimals: int, whole: str, part: str
) -> None:
    """A level is sold, bought back and its neighbour touched; sold again, the touch sold there, and on upwards."""
    below, level, above, higher = PricingGrid(start_px, 4, tick_size=STEP, sz_decimals=sz_decimals).levels

    def row(at_s: int, side: str, price: Decimal, size: str) -> TapeRow:
        is_buy = side == "buy"
        return TapeRow(
            time_ms=at_s * 1000,
            is_buy=is_buy,
            price=price,
            size=Decimal(size),
            fee=Decimal(0),
            fee_token="COIN" if is_buy else "USDC",
        )

    rows = (
        row(0, "sell", level, whole),
        row(40, "buy", level, whole),
        row(40, "buy", below, part),
        row(170, "sell", level, whole),
        row(390, "sell", level, part),
        row(430, "sell", above, whole),
        row(500, "sell", higher, whole),
    )
    tape = open_tape(rows, "@9000")

    fills = await replay(tape, phase_ms=1500)

    assert [seen(fill) for fill in fills] == tape.expected
