"""Phases of an order and the table of its moves.

`TRANSITIONS[phase][event]` is the next phase. Where there is no entry the event does not concern an order in that
phase: `OUTSIDE` says for each event what happens then. `OrderState` asks this table for every move.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from mm_trio.model.orders import Phase

__all__ = ["CLOSED", "OPEN", "OUTSIDE", "PHASES", "TRANSITIONS", "Event", "find_next", "format_phase_table"]


class Event(Enum):
    """Events that move an order.

    Each value says what we learnt or did.
    """

    SENT = "we are about to send the order"
    NEVER_PLACED = "the order was refused, or is proven never to have reached the book"
    ARRIVED = "the order is proven to have reached the book, or is adopted from it"
    LEFT_UNNOTICED = "a fill proves that an order of ours existed, of which nothing else is known"
    DOUBTED = "a request about the order has no definite answer, or a snapshot lacks it"
    SEEN = "a snapshot shows the order as open, or the venue refused to touch it"
    REPORTED_OPEN = "the venue reports a live status of the order"
    CANCEL_CONFIRMED = "the venue carried out our cancel or our replacement"
    ENDED = "the venue reports a final status, and all its fills are counted"
    ENDED_SHORT = "the venue reports a final status, and fills of the order are missing"
    GHOST = "the order is proven to be gone, whatever was reported of it"
    PARTLY_FILLED = "a fill was counted, and something is left of the order"
    FILLED = "a fill was counted, and nothing is left of the order"
    FILLS_READ = "the venue's fill history was read from after the order left"
    RESTARTED = "a new session has replayed the ledger"


_UNKNOWN, _FLIGHT, _RESTING, _DOUBT = Phase.UNKNOWN, Phase.IN_FLIGHT, Phase.RESTING, Phase.IN_DOUBT
_DUE, _UNSETTLED, _GONE = Phase.FILLS_DUE, Phase.END_UNSETTLED, Phase.GONE

OPEN = frozenset({_RESTING, _DOUBT})
CLOSED = frozenset({_DUE, _UNSETTLED, _GONE})

TRANSITIONS: dict[Phase, dict[Event, Phase]] = {
    _UNKNOWN: {
        Event.SENT: _FLIGHT,
        Event.ARRIVED: _RESTING,
        Event.LEFT_UNNOTICED: _GONE,
    },
    _FLIGHT: {
        Event.NEVER_PLACED: _UNKNOWN,
        Event.ARRIVED: _RESTING,
        Event.RESTARTED: _FLIGHT,
    },
    _RESTING: {
        Event.DOUBTED: _DOUBT,
        Event.REPORTED_OPEN: _RESTING,
        Event.CANCEL_CONFIRMED: _UNSETTLED,
        Event.ENDED: _GONE,
        Event.ENDED_SHORT: _DUE,
        Event.GHOST: _GONE,
        Event.PARTLY_FILLED: _RESTING,
        Event.FILLED: _GONE,
        Event.RESTARTED: _DOUBT,
    },
    _DOUBT: {
        Event.DOUBTED: _DOUBT,
        Event.SEEN: _RESTING,
        Event.REPORTED_OPEN: _RESTING,
        Event.CANCEL_CONFIRMED: _UNSETTLED,
        Event.ENDED: _GONE,
        Event.ENDED_SHORT: _DUE,
        Event.GHOST: _GONE,
        Event.PARTLY_FILLED: _DOUBT,
        Event.FILLED: _GONE,
        Event.RESTARTED: _DOUBT,
    },
    _DUE: {
        Event.GHOST: _GONE,
        Event.PARTLY_FILLED: _DUE,
        Event.FILLED: _GONE,
        Event.RESTARTED: _DUE,
    },
    _UNSETTLED: {
        Event.ENDED: _GONE,
        Event.ENDED_SHORT: _DUE,
        Event.PARTLY_FILLED: _UNSETTLED,
        Event.FILLED: _GONE,
        Event.FILLS_READ: _GONE,
        Event.RESTARTED: _GONE,
    },
    _GONE: {
        Event.ENDED: _GONE,
        Event.ENDED_SHORT: _DUE,
        Event.PARTLY_FILLED: _GONE,
        Event.FILLED: _GONE,
        Event.RESTARTED: _GONE,
    },
}

_IGNORED = "ignored"
OUTSIDE: dict[Event, str] = {
    Event.SENT: "error while in flight: a cloid is sent once",
    Event.NEVER_PLACED: "ignored: the order was explained before",
    Event.ARRIVED: "ignored: a repeated report brings no order back",
    Event.LEFT_UNNOTICED: "ignored: the order is known",
    Event.DOUBTED: _IGNORED,
    Event.SEEN: _IGNORED,
    Event.REPORTED_OPEN: _IGNORED,
    Event.CANCEL_CONFIRMED: _IGNORED,
    Event.ENDED: "of an unknown order: kept until it is known; else ignored",
    Event.ENDED_SHORT: "of an unknown order: kept until it is known; else ignored",
    Event.GHOST: _IGNORED,
    Event.PARTLY_FILLED: "of an unknown order: kept until it is known",
    Event.FILLED: "of an unknown order: kept until it is known",
    Event.FILLS_READ: _IGNORED,
    Event.RESTARTED: _IGNORED,
}


class PhaseNote(NamedTuple):
    """Meaning of a phase for the rest of the maker."""

    known: str
    blocks: str
    ended_by: str


PHASES: dict[Phase, PhaseNote] = {
    _UNKNOWN: PhaseNote("nothing, or no longer anything", "nothing", "sending it, or a report of it"),
    _FLIGHT: PhaseNote(
        "sent, keyed by its cloid; no answer yet",
        "its level and its funds",
        "an answer, a report or a row that has its cloid; a refusal; its deadline, if the venue does not know it",
    ),
    _RESTING: PhaseNote("open at the venue with this size", "its level and its funds", "its end, or a doubt"),
    _DOUBT: PhaseNote(
        "in doubt: it may be open or not",
        "its level and its funds; it is neither modified nor taken for gone",
        "a snapshot that shows it; a direct question that proves its end",
    ),
    _DUE: PhaseNote(
        "it left the book; fills that come to its size are not reported yet",
        "its level and its funds",
        "its fills; 60 s without any in a history read as far as the newest fill known",
    ),
    _UNSETTLED: PhaseNote(
        "cancelled or replaced by us; how much was left of it then is not reported yet",
        "its funds, on a side where the venue's own balance check does not protect the ledger",
        "a report of what was left; a fill history read 60 s after it left",
    ),
    _GONE: PhaseNote(
        "it left the book; a fill that is reported late still counts",
        "nothing",
        "20,000 others that left after it",
    ),
}


def find_next(phase: Phase, event: Event) -> Phase | None:
    """Return the next phase.

    None where the event does not concern this one.
    """
    return TRANSITIONS[phase].get(event)


def format_phase_table() -> str:
    """Return phases and transitions as the two tables of `docs/order-phases.md`."""
    lines = ["| phase | what we know | what it blocks | what ends it |", "|---|---|---|---|"]
    lines += [f"| `{phase}` | {' | '.join(note)} |" for phase, note in PHASES.items()]
    lines += ["", f"| event | {' | '.join(f'`{phase}`' for phase in Phase)} | else |", "|---" * (len(Phase) + 2) + "|"]
    for event in Event:
        cells = [f"→ `{after}`" if (after := find_next(phase, event)) else "·" for phase in Phase]
        lines.append(f"| {event.value} | {' | '.join(cells)} | {OUTSIDE[event]} |")
    return "\n".join(lines) + "\n"
