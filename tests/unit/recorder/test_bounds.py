"""The record's bounds: the oldest goes first, what stays can be read, and the file stays below its size."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from mm_trio.model.observations import BestPrices, Coverage, MarketTrade, Observed, OwnBook, RestingSize
from mm_trio.recorder.kept_file import DAY_MS, KeptFile, RecordBounds
from mm_trio.recorder.record_file import RECORD_NAME, WHOLE_EVERY, RecordFile

ALWAYS_MS = (0, 2**42)
START_MS = 1_790_000_000_000
ADDRESSES = ("0x" + "a1" * 20, "0x" + "b2" * 20)


def at(second: int) -> int:
    return START_MS + second * 1_000


def observe(second: int) -> list[Observed]:
    """A second of a market: prices, two trades, and a book that differs from the one before."""
    ms, price = at(second), Decimal(20) + second % 100
    sides = tuple(RestingSize("buy", Decimal(i + 1), Decimal(5 + (second + i) % 2)) for i in range(3))
    return [
        BestPrices(ms, price, Decimal(5), price + 1, Decimal(5)),
        MarketTrade(ms, 1, price, Decimal(1), "buy", *ADDRESSES),
        MarketTrade(ms, 2, price, Decimal(1), "sell", *ADDRESSES),
        OwnBook(ms, sides, "quoting"),
        *(Coverage(watched, at(0), ms) for watched in ("own", "market")),
    ]


def fill(kept: KeptFile, first: int, last: int, *, step: int = 200) -> int:
    """Write these seconds; return the largest size that the folder had after a write."""
    largest = 0
    for begin in range(first, last, step):
        seconds = range(begin, min(begin + step, last))
        observed = [value for second in seconds for value in observe(second)]
        assert kept.append(observed, fills_ms=[at(begin)], now_ms=at(seconds[-1]))
        largest = max(largest, sum(path.stat().st_size for path in kept._folder.iterdir()))
    return largest


def test_observations_of_too_long_ago_are_removed(tmp_path: Path) -> None:
    kept = KeptFile(tmp_path, RecordBounds(keep_days=1))
    fill(kept, 0, 1_000)
    later_ms = at(500) + DAY_MS
    for i in range(5):
        assert kept.append([], fills_ms=[], now_ms=later_ms + i * 60_000)

    record = RecordFile.open_to_read(tmp_path)
    gone_s = 740
    trades = list(record.read_trades(*ALWAYS_MS))
    assert trades[0].time_ms == at(gone_s)
    assert len(trades) == 2 * (1_000 - gone_s)
    assert list(record.read_marked_fills(0)) == [at(800)]
    assert [span.from_ms for span in record.read_coverage("own", *ALWAYS_MS)] == [at(gone_s)]


def test_what_stays_is_read_as_before(tmp_path: Path) -> None:
    """A book is written as what differs from the last one; the whole one that it begins with stays."""
    kept = KeptFile(tmp_path, RecordBounds(keep_days=1))
    fill(kept, 0, 2 * WHOLE_EVERY + 300)
    before = list(RecordFile.open_to_read(tmp_path).read_own_books(at(500), at(900)))
    kept.append([], fills_ms=[], now_ms=at(500) + DAY_MS)

    record = RecordFile.open_to_read(tmp_path)
    assert list(record.read_own_books(at(500), at(900))) == before
    assert record.find_prices_at(at(500)) == observe(500)[0]
    assert next(record.read_best_prices(*ALWAYS_MS)).time_ms == at(500)


def test_many_old_observations_are_removed_in_small_steps(tmp_path: Path) -> None:
    kept = KeptFile(tmp_path, RecordBounds(keep_days=1))
    fill(kept, 0, 5_000)
    left = []
    for i in range(8):
        kept.append([], fills_ms=[], now_ms=at(100_000) + DAY_MS + i * 1_000)
        left.append(sum(1 for _ in RecordFile.open_to_read(tmp_path).read_trades(*ALWAYS_MS)))

    assert all(before - after <= 2_000 for before, after in zip([10_000, *left], left, strict=False))
    assert left[-1] == 0


def test_the_file_stays_below_its_size(tmp_path: Path) -> None:
    """Three times as much is written as there is room for."""
    kept = KeptFile(tmp_path, RecordBounds(max_mb=10))
    largest = fill(kept, 0, 60_000, step=1_000)
    kept.close()

    record = RecordFile.open_to_read(tmp_path)
    assert largest <= 10_000_000
    assert (tmp_path / RECORD_NAME).stat().st_size > 3_000_000
    assert record.find_prices_at(at(59_999)) == observe(59_999)[0]
    assert record.find_prices_at(at(100)) is None
