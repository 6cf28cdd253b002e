"""State of a ladder at a time of the past, replayed from the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import get_args

from mm_trio.history.ledger_reader import LedgerReader
from mm_trio.history.past_terms import PastTerms, find_terms
from mm_trio.journal.replay import Recovered, accumulate
from mm_trio.journal.sqlite_journal import Journal, JournalRow
from mm_trio.model.errors import ConfigError, JournalError
from mm_trio.model.journal_entries import Adopted, Arrived, Checkpoint, Entry
from mm_trio.model.orders import Phase, Quote
from mm_trio.quoting.plan import TickPlan, plan_tick
from mm_trio.state.order_state import OrderState

__all__ = ["MayRest", "PastState", "list_may_rest", "read_past_state", "read_terms"]

KINDS: tuple[type[Entry], ...] = get_args(Entry)
# A clock that was set back may have recorded entries after a checkpoint with earlier times than its own.
CLOCK_SET_BACK_MS = 3_600_000
# What follows within a minute is the answer to what was sent.
AFTERWARDS_MS = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class MayRest:
    """Order of ours that may rest, by the ledger alone.

    `phase` is "resting", "in flight" or "in doubt"; `since_ms` the time it was recorded to be there, None where that
    is older than what was read. `oid` is None while the venue has not named it.
    """

    quote: Quote
    phase: str
    oid: int | None
    cloid: str | None
    since_ms: int | None

    def to_json(self, *, now_ms: int) -> dict[str, object]:
        """Return plain JSON values."""
        quote = self.quote
        return {
            "side": quote.side,
            "level": quote.level_index,
            "price": f"{quote.price:f}",
            "size": f"{quote.size:f}",
            "phase": self.phase,
            "oid": self.oid,
            "cloid": self.cloid,
            "since_ms": self.since_ms,
            "age_s": None if self.since_ms is None else (now_ms - self.since_ms) / 1000,
        }


@dataclass(slots=True, kw_only=True)
class PastState:
    """What the ledger knew at `at_ms`.

    `last_ms` is the time of the last entry by then; `read_from_ms` that of the checkpoint which the reading began at,
    None: it began at the first entry. `since_ms` has by oid when an order was recorded to rest.
    """

    at_ms: int
    last_ms: int
    read_from_ms: int | None
    terms: PastTerms
    recovered: Recovered
    since_ms: dict[int, int] = field(default_factory=dict)

    @property
    def token(self) -> Decimal:
        """Return the base that was offered."""
        return self.recovered.inventory.effective_token

    @property
    def quote(self) -> Decimal:
        """Return the quote that was offered."""
        return self.recovered.inventory.effective_usdc

    @property
    def boundary_level(self) -> int | None:
        """Return the last boundary quoted from, None before the first."""
        return self.recovered.boundary_level

    def plan(self) -> TickPlan:
        """Plan as the maker's tick does, from what the ledger knew."""
        found = self.recovered
        return plan_tick(
            self.terms.grid,
            found.inventory,
            found.order_state,
            self.terms.settings,
            last_boundary=found.boundary_level,
        )

    def list_orders(self, *, now_ms: int) -> tuple[MayRest, ...]:
        """List every order that may rest, from the highest price down.

        One that was sent is in flight until its deadline, and in doubt after it.
        """
        return list_may_rest(self.recovered.order_state, now_ms=now_ms, since_ms=self.since_ms)


def list_may_rest(orders: OrderState, *, now_ms: int, since_ms: Mapping[int, int] | None = None) -> tuple[MayRest, ...]:
    """List every order that may rest, from the highest price down.

    `since_ms` has by oid since when an order rests, as far as that is known.
    """
    since = since_ms or {}
    found = [
        MayRest(
            quote=order.quote,
            phase="resting" if order.status is Phase.RESTING else "in doubt",
            oid=order.oid,
            cloid=order.cloid,
            since_ms=since.get(order.oid),
        )
        for order in (*orders.get_current_orders(), *orders.get_fills_due())
    ]
    for intent in orders.get_intents():
        phase = "in flight" if intent.expires_ms > now_ms else "in doubt"
        found.append(MayRest(quote=intent.quote, phase=phase, oid=None, cloid=intent.cloid, since_ms=intent.nonce))
    return tuple(sorted(found, key=lambda each: -each.quote.price))


def read_past_state(
    journal: Journal, *, at_ms: int | None = None, on_row: Callable[[JournalRow], None] = lambda row: None
) -> PastState:
    """Replay the ledger up to a time, None: to its end.

    `on_row` gets every row that is read, also those up to a minute later. Errors: ConfigError where no session had
    begun by then, JournalError.
    """
    terms = read_terms(journal, at_ms=at_ms)
    reading = _Reading(journal, at_ms, on_row)
    try:
        # Deadlines are compared with the time asked for, so the clock of the loop stands at 0 there.
        wall_ms = terms.began_ms if at_ms is None else at_ms
        recovered = accumulate(reading.read(), order_size=terms.settings.order_size, now_s=0.0, wall_ms=wall_ms)
    except ValueError as error:
        raise JournalError(f"the ledger contradicts itself: {error}") from error
    reading.finish()
    return PastState(
        at_ms=reading.last_ms if at_ms is None else at_ms,
        last_ms=reading.last_ms,
        read_from_ms=reading.read_from_ms,
        terms=terms,
        recovered=recovered,
        since_ms=reading.since_ms,
    )


def read_terms(journal: Journal, *, at_ms: int | None = None) -> PastTerms:
    """Read the terms in force at a time, None: the last ones.

    Errors: ConfigError where no session had begun by then, JournalError.
    """
    sessions = list(LedgerReader(journal).read_terms())
    if not sessions:
        raise ConfigError(
            f"{journal.path}: no maker has begun a session there yet; run one first, or name another folder"
        )
    terms = find_terms(sessions, at_ms=at_ms)
    if terms is None:
        first = datetime.fromtimestamp(sessions[0][0] / 1000, UTC).isoformat(timespec="milliseconds")
        raise ConfigError(
            f"{journal.path}: no session had begun by then; the first began at {first}: name a later time"
        )
    return terms


def _read_by(journal: Journal, at_ms: int) -> Iterator[JournalRow]:
    """Yield rows from the last checkpoint recorded by a time on, in archives too; without one from the first row.

    Errors: JournalError. The chain of hashes is checked by `ledger audit`, not here.
    """
    first_seq, first_ms = 1, CLOCK_SET_BACK_MS
    for row in journal.read_kinds(Checkpoint):
        if row.at_ms <= at_ms:
            first_seq, first_ms = row.seq, row.at_ms
    for row in journal.read_kinds(*KINDS, since_ms=first_ms - CLOCK_SET_BACK_MS):
        if row.seq >= first_seq:
            yield row


class _Reading:
    """Rows of a ledger up to a time, and what a replay forgets of them."""

    def __init__(self, journal: Journal, at_ms: int | None, on_row: Callable[[JournalRow], None]) -> None:
        self._rows = journal.read() if at_ms is None else _read_by(journal, at_ms)
        self._at_ms = at_ms
        self._on_row = on_row
        self._later: JournalRow | None = None
        self._oids: dict[str, int] = {}
        self.last_ms = 0
        self.read_from_ms: int | None = None
        self.since_ms: dict[int, int] = {}

    def read(self) -> Iterator[Entry]:
        """Yield the entries up to the time."""
        for row in self._rows:
            if self._at_ms is not None and row.at_ms > self._at_ms:
                self._later = row
                return
            if self.last_ms == 0 and isinstance(row.entry, Checkpoint):
                self.read_from_ms = row.at_ms
            self.last_ms = row.at_ms
            if isinstance(row.entry, Arrived | Adopted):
                self.since_ms[row.entry.oid] = row.at_ms
            self._on_row(row)
            yield row.entry

    def finish(self) -> None:
        """Hand on what was recorded within a minute after the time."""
        row = self._later
        while row is not None and self._at_ms is not None and row.at_ms <= self._at_ms + AFTERWARDS_MS:
            self._on_row(row)
            row = next(self._rows, None)
