"""Checks S5 and S28 for the journal that a run leaves behind."""

from __future__ import annotations

from collections.abc import Sequence

import trio

from mm_trio.journal.replay import replay as replay_entries
from mm_trio.journal.sqlite_journal import Journal
from mm_trio.model.journal_entries import Entry, Of
from mm_trio.sim.grids.fund_moves import check_moves
from mm_trio.sim.grids.grid import Grid
from mm_trio.sim.run.process_starter import MAKER
from mm_trio.sim.run.world import World

__all__ = ["check_journal"]


def check_journal(world: World) -> None:
    """Check S5, that replaying the journal file gives the ledger, and S28 for its movements.

    The file is replayed from its beginning, without checkpoints.
    """
    journal = Journal.open_to_read(world.state_folder)
    try:
        entries = [row.entry for row in journal.read(since_checkpoint=False)]
    finally:
        journal.close()
    is_shared = world.scenario.n_grids > 1
    assert world.process is not None
    for grid in world.grids:
        # One that could not be added any more has no entries.
        if grid.is_changing or grid.coin not in world.process.faces:
            continue
        own = [each.entry for each in entries if isinstance(each, Of) and each.coin == grid.coin]
        _check_grid(world, grid, own if is_shared else entries)


def _check_grid(world: World, grid: Grid, entries: Sequence[Entry]) -> None:
    exchange, expected = world.gateway.exchange, grid.expected_ledger()
    check_moves(
        entries,
        world.judge,
        rows=exchange.ledger(MAKER),
        fills=exchange.fills(MAKER),
        pair=grid.pair,
        markets=exchange.markets,
        shared=world.account_rules.shared_tokens,
    )
    order_size = grid.ladder.order_size
    found = replay_entries(entries, order_size=order_size, now_s=trio.current_time(), wall_ms=world.now_ms())
    ledger = found.inventory
    replayed = ledger.virtual_token, ledger.virtual_usdc
    world.judge.check("S5", replayed == expected, lambda: f"the replayed ledger is {replayed}, expected {expected}")
    assert world.process is not None
    last = world.process.faces[grid.coin].inventory
    account, last_account = (ledger.account_token, ledger.account_usdc), (last.account_token, last.account_usdc)
    world.judge.check(
        "S5",
        account == last_account,
        lambda: f"the replayed account holds {account}, the maker knew {last_account}",
    )
