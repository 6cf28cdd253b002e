"""A ledger of several markets that is lost, made anew from the exchange's own records, and quoted from."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import trio
from builders import MAKER, TAKER, run_inline
from grids_kit import COINS, GridsWorld, find_sums
from trio.testing import MockClock

from mm_trio.account_config.loading import parse_account_settings
from mm_trio.cli.ledger_programs.held_ledger import HeldLedger, unwrap, write_rows
from mm_trio.cli.ledger_programs.lost_entries import find_lost_entries
from mm_trio.journal.sqlite_journal import Journal, JournalRow
from mm_trio.model.journal_entries import Adjusted, Adopted, Allocated, Began, Entry, Numbered, Of
from mm_trio.sandbox.model.commands import Deposit
from mm_trio.venue import wire
from mm_trio.venue.rest_client import VenueClient

SHARING = ("@107", "@166", "@207")
"""Two of them sell HYPE, and one buys it with what another one sells."""


async def trade(world: GridsWorld, seconds: float, *, seed: int) -> None:
    rng = random.Random(seed)
    with trio.move_on_after(seconds):
        while True:
            await trio.sleep(rng.uniform(0.5, 4))
            world.take(rng.choice(world.coins), rng.choice(["buy", "sell"]), Decimal(rng.randint(1, 80)) / 10)


async def make(
    world: GridsWorld, folder: Path, coins: Sequence[str], *, seconds: float, seed: int, settle_s: float = 30
) -> dict[str, Any]:
    """Let a maker of these coins trade; what its ledgers have, beside what the exchange says of the account."""
    with closing(Journal.open(folder)) as journal:
        maker = world.account_maker(
            [world.terms(coin) for coin in coins], journal=journal, rng=random.Random(seed), checkpoint_every=100
        )
        async with world.quoting(maker):
            await trade(world, seconds, seed=seed)
            await trio.sleep(settle_s)
            return find_sums(world, maker) | {
                coin: (face.inventory.virtual_token, face.inventory.virtual_usdc) for coin, face in maker.faces.items()
            }


def read(folder: Path) -> list[JournalRow]:
    with closing(Journal.open_to_read(folder)) as journal:
        return list(journal.read(since_checkpoint=False))


def hold(world: GridsWorld, folder: Path, coins: Sequence[str]) -> HeldLedger:
    market = {
        "strategy": {"start_px": "20", "n_orders": 40, "order_sz": "5"},
        "allocation": {"token": "100", "usdc": "5000"},
    }
    account = parse_account_settings(
        {
            "account": {"network": "sandbox", "api_url": "http://127.0.0.1:9", "account": MAKER},
            "market": [{"coin": coin, **market} for coin in coins],
        },
        environ={},
        source="test",
    )
    meta = wire.parse_spot_meta(world.info.spot_meta())
    return HeldLedger(
        client=VenueClient(world.info, address=MAKER, run_sync=run_inline),
        spot_meta=meta,
        markets=tuple((grid, wire.find_market(meta, grid.market.coin)) for grid in account.grids),
        network="sandbox",
        account=MAKER,
        folder=folder,
        is_shared=True,
    )


async def rebuild(world: GridsWorld, folder: Path, rows: Sequence[JournalRow], coins: Sequence[str]) -> list[Entry]:
    """Write a new ledger; what was found beyond the rows."""
    found = await find_lost_entries(hold(world, folder, coins), rows)
    with closing(Journal.open(folder)) as journal:
        write_rows(journal, rows=rows, found=found)
        journal.mark_end()
    return found


def coins_of(found: Sequence[Entry], kind: type[Entry]) -> set[str]:
    return {entry.coin for entry in found if isinstance(entry, Of) and isinstance(entry.entry, kind)}


@pytest.mark.parametrize("coins", [COINS, SHARING], ids=["one quote", "shared bases"])
async def test_a_ledger_of_which_nothing_is_left_becomes_exact(
    tmp_path: Path, autojump_clock: MockClock, coins: tuple[str, ...]
) -> None:
    world = GridsWorld(coins, usdc=5_000 if coins is COINS else 10_000 // 3)
    if coins is SHARING:
        for owner, amount in ((MAKER, 5_000), (TAKER, 500_000)):
            world.gateway.apply(Deposit(owner, 268, Decimal(amount)))
        world.fund(MAKER, 0, 1)
    before = await make(world, tmp_path / "lost", coins, seconds=200, seed=1)

    found = await rebuild(world, tmp_path / "new", [], coins)
    after = await make(world, tmp_path / "new", coins, seconds=0, seed=2)

    assert coins_of(found, Allocated) == coins_of(found, Adjusted) == coins_of(found, Began) == set(coins)
    assert after == before
    sums = await make(world, tmp_path / "new", coins, seconds=100, seed=3)
    assert all(ledgers == exchange for token, (ledgers, exchange) in sums.items() if token not in coins), sums


async def test_what_the_rows_lack_is_found_for_each_coin(tmp_path: Path, autojump_clock: MockClock) -> None:
    world = GridsWorld()
    await make(world, tmp_path / "lost", COINS, seconds=100, seed=1)
    rows = read(tmp_path / "lost")
    before = await make(world, tmp_path / "lost", COINS, seconds=100, seed=2)

    found = await rebuild(world, tmp_path / "new", rows, COINS)
    after = await make(world, tmp_path / "new", COINS, seconds=0, seed=3)

    assert coins_of(found, Numbered) == coins_of(found, Began) == set(COINS)
    assert coins_of(found, Allocated) == set()
    assert after == before


async def test_a_coin_without_a_row_that_the_venue_knows_begins_as_configured(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    world = GridsWorld()
    await make(world, tmp_path / "lost", COINS[:1], seconds=100, seed=1)
    rows = read(tmp_path / "lost")
    before = await make(world, tmp_path / "lost", COINS[:2], seconds=100, seed=2)

    found = await rebuild(world, tmp_path / "new", rows, COINS)
    # Until two looks agree the first one has what it took while it was alone.
    after = await make(world, tmp_path / "new", COINS[:2], seconds=0, seed=3, settle_s=200)

    # The third one never had a session, so that its first start is left to it.
    assert coins_of(found, Allocated) == {COINS[1]}
    assert coins_of(found, Began) == set(COINS[:2])
    assert after == before


async def test_a_coin_that_is_not_configured_any_more_is_completed(tmp_path: Path, autojump_clock: MockClock) -> None:
    world = GridsWorld()
    await make(world, tmp_path / "lost", COINS, seconds=100, seed=1)
    rows = read(tmp_path / "lost")
    before = await make(world, tmp_path / "lost", COINS, seconds=100, seed=2)

    await rebuild(world, tmp_path / "new", rows, COINS[1:])
    await make(world, tmp_path / "new", COINS[1:], seconds=0, seed=3)
    after = await make(world, tmp_path / "new", COINS, seconds=0, seed=4)

    assert after == before


async def test_a_sound_ledger_lacks_nothing(tmp_path: Path, autojump_clock: MockClock) -> None:
    world = GridsWorld()
    await make(world, tmp_path / "sound", COINS, seconds=100, seed=1)

    found = await find_lost_entries(hold(world, tmp_path / "sound", COINS), read(tmp_path / "sound"))

    assert found == []


async def test_fills_without_a_cloid_are_asked_for_by_their_orders(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = GridsWorld(COINS[:2])
    before = await make(world, tmp_path / "lost", COINS[:2], seconds=60, seed=1)
    ask = world.info.user_fills_by_time

    def leave_out(address: str, *times: Any) -> Any:
        return [{name: value for name, value in row.items() if name != "cloid"} for row in ask(address, *times)]

    monkeypatch.setattr(world.info, "user_fills_by_time", leave_out)
    found = await rebuild(world, tmp_path / "new", [], COINS[:2])
    monkeypatch.undo()
    after = await make(world, tmp_path / "new", COINS[:2], seconds=0, seed=2)

    assert coins_of(found, Adopted) == set(COINS[:2])
    assert [unwrap(entry) for entry in found] != found
    assert after == before
