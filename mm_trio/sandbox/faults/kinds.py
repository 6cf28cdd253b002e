"""The names of the faults that the sandbox can cause: one list for the wire and for the simulation.

What a kind means is said here; how it is done is the business of whoever carries it out.
"""

from __future__ import annotations

from enum import Enum

__all__ = ["FaultKind"]


class FaultKind(Enum):
    """A fault by the name that command lines and plans use. Each strikes one request, frame, socket or account."""

    # --- writes -------------------------------------------------------------------------------
    REQUEST_LOST = "request_lost"  # the connection breaks before the venue has the action
    ANSWER_LOST = "answer_lost"  # the action runs, the connection breaks before its answer
    ANSWER_HUNG = "answer_hung"  # the action runs, its answer never comes, the connection stays
    ANSWER_DELAYED = "answer_delayed"  # the action runs, its answer takes seconds
    ANSWER_GARBLED = "answer_garbled"  # the action runs, a 200 comes back that is no answer
    ANSWER_TRUNCATED = "answer_truncated"  # the action runs, fewer statuses come back than it had items
    RATE_LIMITED = "rate_limited"  # 429 with the body null; nothing runs; reads too
    BAD_GATEWAY = "bad_gateway"  # 502 with HTML; nothing runs; reads too
    ERROR_BUT_APPLIED = "error_but_applied"  # the action runs, a 502 comes back
    LATE_EXECUTION = "late_execution"  # the connection breaks, the action runs up to a minute later

    # --- reads --------------------------------------------------------------------------------
    READ_FAILED = "read_failed"  # 500 with the body null
    READ_EMPTY = "read_empty"  # a list comes back empty that is not
    READ_STALE = "read_stale"  # the answer tells of some seconds ago
    STATUS_FORGOTTEN = "status_forgotten"  # orderStatus says unknownOid for an order that is over

    # --- frames and sockets -------------------------------------------------------------------
    SOCKET_CLOSED = "socket_closed"  # close frame 1000, reason Expired
    SOCKET_DROPPED = "socket_dropped"  # TCP ends without a close frame: 1006 to the client
    SOCKET_SILENT = "socket_silent"  # half open: TCP stays, nothing arrives any more
    PONG_ONLY = "pong_only"  # pongs arrive and nothing else
    FRAME_DROPPED = "frame_dropped"
    FRAME_DUPLICATED = "frame_duplicated"
    FRAME_REORDERED = "frame_reordered"  # a frame overtakes the one before it
    FRAME_DELAYED = "frame_delayed"  # by seconds
    FRAME_GARBLED = "frame_garbled"
    FEED_REPLAYED = "feed_replayed"  # fills that were told are told again after a resubscription

    # --- account and market -------------------------------------------------------------------
    BUDGET_EXHAUSTED = "budget_exhausted"  # the address has used all its requests
    AGENT_REVOKED = "agent_revoked"  # the key may not act any more
    MANUAL_ORDER = "manual_order"  # the owner places an order of his own in our coin
    MANUAL_CANCEL = "manual_cancel"  # the owner cancels an order of ours
    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    DELISTED = "delisted"  # the pair is gone, its orders are cancelled
    UPGRADE = "upgrade"  # for a while only post-only orders are taken
