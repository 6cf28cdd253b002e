"""Check S28: what the journal says of movements of funds, against the venue's own record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from decimal import Decimal
from functools import partial

from mm_trio.model.journal_entries import Adjusted, Entry, Moved, MoveKind
from mm_trio.sandbox import USDC, Fill, LedgerRow, Markets, Pair
from mm_trio.sim.base.judge import Judge
from mm_trio.sim.oracle.venue_view import is_own

__all__ = ["check_moves"]

_Amounts = tuple[Decimal, Decimal]
_NOTHING = Decimal(0)


def check_moves(
    entries: Iterable[Entry],
    judge: Judge,
    *,
    rows: Iterable[LedgerRow],
    fills: Iterable[Fill],
    pair: Pair,
    markets: Markets,
    shared: Collection[int] = (),
) -> None:
    """Check S28: each recorded movement was made at the venue, with these amounts, and is recorded once.

    The reverse is not required: faults hide rows, and what they hide stays unexplained. Of tokens that are `shared`, by
    index, nothing moves, as what moves the account moves no grid's part, unless the other grids were halted.
    """
    made = _find_made(rows, fills, pair, markets)
    moves = [entry for entry in entries if isinstance(entry, Moved) and entry.kind != MoveKind.FOREIGN_HOLD]
    counts = Counter(move.ref for move in moves)
    twice = sorted(ref for ref, n in counts.items() if n > 1)
    judge.check("S28", not twice, lambda: f"movements are recorded twice: {twice[:3]}")
    for move in moves:
        found = made.get(move.ref)
        is_right = found is not None and move.kind == found[0] and _fits(move, found[1], pair, shared)
        judge.check("S28", is_right, partial("{} is recorded, the venue made {}".format, move, found))
    judge.coverage.update(f"moved: {entry.kind}" for entry in entries if isinstance(entry, Moved))
    judge.coverage["moved: unexplained"] += sum(isinstance(entry, Adjusted) for entry in entries)


def _fits(move: Moved, amounts: _Amounts, pair: Pair, shared: Collection[int]) -> bool:
    """Check the amounts of a movement; what is shared at that time is left out."""
    parts = zip((move.token, move.usdc), amounts, (pair.base, pair.quote), strict=True)
    return all(told == made or (not told and token.index in shared) for told, made, token in parts)


def _find_made(
    rows: Iterable[LedgerRow], fills: Iterable[Fill], pair: Pair, markets: Markets
) -> dict[str, tuple[str, _Amounts]]:
    """Find what the venue moved besides fills of this grid, by the references that the maker gives them.

    Trades of other pairs count too: those of a grid that is halted move a token that is then another one's alone.
    """
    made: dict[str, tuple[str, _Amounts]] = {}
    for row in rows:
        amount = row.amount if row.receiver == row.address else -row.amount
        kind = MoveKind.TRANSFER
        if row.token == USDC.index and row.kind != "send":
            kind = MoveKind.DEPOSIT if row.kind == "deposit" else MoveKind.WITHDRAWAL
        amounts = (
            amount if row.token == pair.base.index else _NOTHING,
            amount if row.token == pair.quote.index else _NOTHING,
        )
        made[row.hash] = (kind, amounts)
    for fill in fills:
        is_other = fill.coin != pair.name
        if is_other or not is_own(fill.cloid):
            made[f"{fill.tid}:{fill.oid}"] = (MoveKind.HAND_TRADE, _find_effect(fill, markets.pair(fill.coin), pair))
    return made


def _find_effect(fill: Fill, traded: Pair, pair: Pair) -> _Amounts:
    """Find what a fill moved of a pair's tokens."""
    sign = 1 if fill.is_buy else -1
    moved = {pair.base.name: _NOTHING, pair.quote.name: _NOTHING}
    for name, amount in (
        (traded.base.name, sign * fill.size),
        (traded.quote.name, -sign * fill.size * fill.price),
        (fill.fee_token, -fill.fee),
    ):
        if name in moved:
            moved[name] += amount
    return moved[pair.base.name], moved[pair.quote.name]
