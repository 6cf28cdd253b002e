"""Contract 2.1 on recorded takers: with our maker on the other side, our fills equal the recorded ones."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from tape_kit import open_tape, read, replay
from trio.testing import MockClock

from mm_trio import PricingGrid
from mm_trio.sandbox.model.records import Fill
from mm_trio.sandbox.traffic.tape import TapeRow
from mm_trio.sandbox.traffic.tape_phases import compare_oids

FIXTURES = Path(__file__).resolve().parents[2].parent / "shared" / "fixtures"
TRADES_FILE = FIXTURES / "hyperliquid" / "rest" / "hypercore_hip2like_maker_fills_testnet_selected.json"
STEP = Decimal("0.003")


def find_tapes() -> Iterator[tuple[Path, str]]:
    """All tapes of HIP-2 that are there: each file's name has its market."""
    for path in sorted((FIXTURES / "hip2").glob("tape_*.json")):
        yield path, "@" + path.stem.split("_")[1]
    if TRADES_FILE.exists():
        yield TRADES_FILE, "@1226"


TAPES = [pytest.param(path, coin, id=path.stem if "tape" in path.stem else coin) for path, coin in find_tapes()]
NO_TAPES = [pytest.param(None, "", id="none", marks=pytest.mark.skip(reason=f"no tapes at {FIXTURES}"))]


def seen(fill: Fill) -> tuple[bool, Decimal, Decimal]:
    return fill.is_buy, fill.price, fill.size


@pytest.mark.captures
@pytest.mark.parametrize("path, coin", TAPES or NO_TAPES)
async def test_a_tape_comes_out_row_by_row_with_its_oids(autojump_clock: MockClock, path: Path, coin: str) -> None:
    """In the middle of the phases that explain the tape: what a row says depends on when HIP-2 acts."""
    tape = read(path, coin)
    best = tape.phases.best

    fills = await replay(tape, phase_ms=(best.first_ms + best.last_ms) // 2)

    unlike = [place for place, (fill, row) in enumerate(zip(fills, tape.expected, strict=False)) if seen(fill) != row]
    assert not unlike, f"rows that the maker does not explain: {unlike}"
    assert len(fills) == len(tape.rows)
    assert all(compare_oids(tape.rows, [fill.oid for fill in fills]))


@pytest.mark.captures
@pytest.mark.parametrize("path, coin", TAPES or NO_TAPES)
def test_the_rule_explains_every_row_of_a_tape(path: Path, coin: str) -> None:
    tape = read(path, coin)

    assert tape.phases.rows_unexplained == ()
    assert tape.phases.n_matched == len(tape.rows)


@pytest.mark.captures
@pytest.mark.parametrize("path, coin", TAPES or NO_TAPES)
def test_the_rule_explains_which_orders_were_kept(path: Path, coin: str) -> None:
    tape = read(path, coin)

    assert all(compare_oids(tape.rows, [fills[0].oid for fills in tape.phases.best.fills]))


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
