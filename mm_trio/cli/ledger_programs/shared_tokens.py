"""Tokens that several markets of one account use, in an audit of one of these markets.

The venue has one total of a token, and each market's ledger a part of it. A part is what the market was allotted, with
its fills; what no market was allotted belongs to none.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from mm_trio.journal.audit import Audit
from mm_trio.journal.data_dir import ACCOUNT_NAME, is_in_shared_ledger
from mm_trio.journal.ledger_sums import AuditLine, read_ledger
from mm_trio.journal.sqlite_journal import Journal
from mm_trio.model.errors import ConfigError
from mm_trio.model.market import Market, SpotMeta
from mm_trio.model.numbers import EXACT
from mm_trio.venue import wire

__all__ = ["OtherPart", "SharedPairs", "leave_to_others", "read_other_parts"]

_NOTHING = Decimal(0)
# After any fill: none of them is kept, because only the sums are asked for.
_NO_FILLS = 2**63


@dataclass(frozen=True, slots=True)
class SharedPairs:
    """Pairs of the venue, and the market that is audited."""

    spot_meta: SpotMeta
    market: Market


@dataclass(frozen=True, slots=True)
class OtherPart:
    """What another market's ledger has of our two tokens; None: it does not use that one."""

    coin: str
    token: Decimal | None
    usdc: Decimal | None


def read_other_parts(folder: Path, pairs: SharedPairs) -> tuple[OtherPart, ...]:
    """Read what the other markets in the ledger of an account have of our tokens. Blocks. Errors: JournalError."""
    found = []
    for other in sorted(folder.parent.iterdir()):
        if other.name in (folder.name, ACCOUNT_NAME) or not other.is_dir() or not is_in_shared_ledger(other):
            continue
        try:
            # A folder cannot have the slash of a name like PURR/USDC.
            pair = wire.find_market(
                pairs.spot_meta, other.name if other.name[0] == "@" else other.name.replace("-", "/")
            )
        except ConfigError:
            continue
        amounts = _read_amounts(other)
        ours = pairs.market.base.index, pairs.market.quote.index
        parts = [
            sum((amount for index, amount in zip(_find_tokens(pair), amounts, strict=True) if index == token), _NOTHING)
            if token in _find_tokens(pair)
            else None
            for token in ours
        ]
        found.append(OtherPart(other.name, *parts))
    return tuple(found)


def _find_tokens(pair: Market) -> tuple[int, int]:
    return pair.base.index, pair.quote.index


def _read_amounts(folder: Path) -> tuple[Decimal, Decimal]:
    """Read what a market may call its own: what it was allotted, with all fills."""
    with closing(Journal.open_to_read(folder)) as journal:
        rows = journal.read(since_checkpoint=False)
        ledger = read_ledger(((row.at_ms, row.entry) for row in rows), reach_ms=_NO_FILLS).ledger
    return ledger.virtual_token or _NOTHING, ledger.virtual_usdc or _NOTHING


def leave_to_others(audit: Audit, parts: Sequence[OtherPart]) -> Audit:
    """Explain what the account has of shared tokens beyond this market's part.

    Where the account has less than all parts together, the difference stays unexplained.
    """
    own = audit.ledger
    left = [
        _find_left(venue, account, mine, [part for part in others if part is not None])
        for venue, account, mine, others in (
            (audit.venue.token, audit.account.token, own[0], [part.token for part in parts]),
            (audit.venue.usdc, audit.account.usdc, own[1], [part.usdc for part in parts]),
        )
    ]
    if left == [None, None]:
        return audit
    line = AuditLine(
        "other markets of the account, and what none is allotted", len(parts), left[0] or _NOTHING, left[1] or _NOTHING
    )
    return replace(audit, explained=(*audit.explained, line))


def _find_left(venue: Decimal, account: Decimal, own: Decimal | None, others: Sequence[Decimal]) -> Decimal | None:
    """Return what is not this market's; None where the token is not shared."""
    if not others:
        return None
    missing = max(_NOTHING, EXACT.subtract(sum(others, own or _NOTHING), venue))
    return EXACT.add(EXACT.subtract(venue, account), missing)
