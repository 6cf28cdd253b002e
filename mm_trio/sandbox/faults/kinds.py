"""Names and meanings of the faults in the sandbox.

The server and the simulation share this list. It says what a kind means; the layers that inject it know how.
"""

from __future__ import annotations

from enum import Enum

__all__ = ["FaultKind"]


class FaultKind(Enum):
    """Fault, by its name on command lines and in plans.

    Each strikes one request, frame, socket, account, or the market.
    """

    # --- Writes -------------------------------------------------------------------------------
    REQUEST_LOST = "request_lost"  # The connection breaks before the venue has the action.
    ANSWER_LOST = "answer_lost"  # The action runs; the connection breaks before its answer.
    ANSWER_HUNG = "answer_hung"  # The action runs; its answer never comes and the connection stays.
    ANSWER_DELAYED = "answer_delayed"  # The action runs; its answer takes seconds.
    ANSWER_GARBLED = "answer_garbled"  # The action runs; a 200 with an invalid body comes back.
    ANSWER_TRUNCATED = "answer_truncated"  # The action runs; fewer statuses come back than it had items.
    RATE_LIMITED = "rate_limited"  # 429 with the body null; nothing runs. Reads too.
    BAD_GATEWAY = "bad_gateway"  # 502 with HTML; nothing runs. Reads too.
    ERROR_BUT_APPLIED = "error_but_applied"  # The action runs; a 502 comes back.
    LATE_EXECUTION = "late_execution"  # The connection breaks; the action runs up to a minute later.

    # --- Reads --------------------------------------------------------------------------------
    READ_FAILED = "read_failed"  # 500 with the body null.
    READ_EMPTY = "read_empty"  # A list that has rows comes back empty.
    READ_STALE = "read_stale"  # The answer shows the state of some seconds ago.
    STATUS_FORGOTTEN = "status_forgotten"  # The query orderStatus answers unknownOid for an order that has ended.

    # --- Frames and sockets -------------------------------------------------------------------
    SOCKET_CLOSED = "socket_closed"  # Close frame 1000, reason Expired.
    SOCKET_DROPPED = "socket_dropped"  # TCP ends without a close frame: 1006 to the client.
    SOCKET_SILENT = "socket_silent"  # Half-open: TCP stays, nothing arrives any more.
    PONG_ONLY = "pong_only"  # Pongs arrive and nothing else.
    FRAME_DROPPED = "frame_dropped"
    FRAME_DUPLICATED = "frame_duplicated"
    FRAME_REORDERED = "frame_reordered"  # A frame overtakes the one before it.
    FRAME_DELAYED = "frame_delayed"  # By seconds.
    FRAME_GARBLED = "frame_garbled"
    FEED_REPLAYED = "feed_replayed"  # Earlier fills are sent again as new ones after a resubscription.

    # --- Account and market -------------------------------------------------------------------
    BUDGET_EXHAUSTED = "budget_exhausted"  # The address has used all its requests.
    AGENT_REVOKED = "agent_revoked"  # For a while the agent's key may not act.
    MANUAL_ORDER = "manual_order"  # The owner places an order of his own in the maker's coin.
    MANUAL_CANCEL = "manual_cancel"  # The owner cancels an order of the maker.
    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    DELISTED = "delisted"  # The pair is delisted and its orders are cancelled.
    UPGRADE = "upgrade"  # For a while only post-only orders are accepted.

    # --- What is told of fills ----------------------------------------------------------------
    HISTORY_LATE = "history_late"  # The history lists a fill 1 to 50 s late, behind newer ones.
    FRAME_LIES = "frame_lies"  # A frame tells a fill whose side, time, price or order is not the true one.
    FILLED_AT_ONCE = "filled_at_once"  # A resting order trades in its own block: its answer says `filled`.

    # --- The client's machine -----------------------------------------------------------------
    CLOCK_DRIFT = "clock_drift"  # The machine's clock drifts or leaps away, and is set right later. Simulation only.

    # --- Added later: rates are drawn in this order ---------------------------------------------
    HELD_ELSEWHERE = "held_elsewhere"  # For a while margin of positions holds funds of the account.
    REFUSED_FOR_GOOD = "refused_for_good"  # For a while the account's new orders are refused, all with one text.
    AGENT_EXPIRED = "agent_expired"  # The agent's key may never act again: its owner has to approve a new one.
    COIN_GARBLED = "coin_garbled"  # For a while no row of one coin of several can be read. Simulation only.
