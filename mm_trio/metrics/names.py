"""Names of the metrics, with their labels, units and meanings. `docs/metrics.md` has the same table.

A name is an interface: it keeps its meaning for ever. Units are Prometheus' base units: seconds, ratios, tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["GRID", "METRICS", "PREFIX", "Metric", "MetricKind"]

PREFIX = "mm_trio_"


class MetricKind(StrEnum):
    """Kind of a metric, as Prometheus has them."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"
    INFO = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric. `name` is without the prefix, and as it is queried: a counter ends with `_total`."""

    name: str
    kind: MetricKind
    labels: tuple[str, ...]
    help: str

    @property
    def full_name(self) -> str:
        """Return the name that is queried."""
        return f"{PREFIX}{self.name}"


def _gauge(name: str, help: str, *labels: str) -> Metric:  # noqa: A002 - the word of the format
    return Metric(name=name, kind=MetricKind.GAUGE, labels=labels, help=help)


def _counter(name: str, help: str, *labels: str) -> Metric:  # noqa: A002 - the word of the format
    return Metric(name=name, kind=MetricKind.COUNTER, labels=labels, help=help)


# Labels of a grid: its coin as it is configured.
GRID = ("coin",)
_SIDE, _TOKEN = (*GRID, "side"), (*GRID, "token")

METRICS: tuple[Metric, ...] = (
    Metric(
        name="build_info",
        kind=MetricKind.INFO,
        labels=("version", "network", "account", "mode"),
        help="Always 1: version of the program, network, account, and whether it makes one market or several.",
    ),
    _gauge("uptime_seconds", "Seconds since the maker was opened."),
    # --- The account --------------------------------------------------------------------------
    _gauge("account_standing", "1 for the standing that holds for the account, 0 for the others.", "standing"),
    _gauge("last_frame_age_seconds", "Seconds since the last frame of any feed; absent before the first one."),
    _gauge("last_commit_age_seconds", "Seconds since the ledger was last made durable; absent before that."),
    _gauge("unwritten_entries", "Entries of the ledger that are not durable yet."),
    _gauge("unwritten_age_seconds", "Seconds for which the oldest of these has waited; 0 without any."),
    _gauge("budget_remaining_requests", "Requests that the venue still allows the account."),
    _gauge(
        "budget_runway_seconds",
        "Seconds until the budget is used up at this session's mean use; +Inf where it does not shrink, NaN within the "
        "first minute.",
    ),
    _counter("account_requests_total", "Requests of the account, as the venue counts them."),
    _counter("account_volume_total", "Volume that the account traded, as the venue counts it, in quote."),
    _counter("reconnects_total", "Connections that were replaced in this session."),
    _gauge("key_remaining_seconds", "Seconds until the signing key ends; absent where no end is told."),
    _gauge("key_lost", "1 where the venue listed the signing key before, and does not any more."),
    _gauge("guard_watching", "1 where a guard gave a sign of life within seconds; absent where none is configured."),
    _gauge(
        "limit_used_ratio",
        "Part of a limit that is used, 1 at the limit; NaN where it is not known; no coin: a limit over all grids.",
        "coin",
        "limit",
    ),
    # --- Grids --------------------------------------------------------------------------------
    Metric(
        name="grid_info",
        kind=MetricKind.INFO,
        labels=("coin", "pair", "base", "quote"),
        help="Always 1: names of a grid's pair and of its tokens.",
    ),
    _gauge("grid_state", "1 for the state of a grid, 0 for the others.", *GRID, "state"),
    _gauge("grid_standing", "1 for the standing that holds for a grid, 0 for the others.", *GRID, "standing"),
    _gauge("grid_last_tick_age_seconds", "Seconds since the last tick; absent before the first one.", *GRID),
    _gauge("grid_tick_interval_seconds", "Seconds from one tick to the next, as configured.", *GRID),
    _counter("grid_ticks_total", "Ticks that planned and sent, in this session.", *GRID),
    _counter("grid_reconciliations_total", "Reconciliations that were answered, in this session.", *GRID),
    _gauge("grid_boundary_level", "Lowest level that asks; absent before the start.", *GRID),
    _gauge("grid_boundary_price", "Its price, in quote per base.", *GRID),
    _gauge("grid_mid_price", "Middle of the book as the limits saw it last; absent where they need none.", *GRID),
    _gauge("grid_spread_ratio", "Best ask of ours over the best bid, less 1; absent where a side is empty.", *GRID),
    _gauge("grid_best_price", "Price of ours that is nearest to the market; absent where the side is empty.", *_SIDE),
    _gauge("grid_resting_orders", "Orders that rest.", *_SIDE),
    _gauge("grid_resting_base", "Base that rests.", *_SIDE),
    _gauge("grid_resting_notional", "What rests, in quote.", *_SIDE),
    _gauge("grid_inventory", "What may be offered, by the ledger; token is base or quote.", *_TOKEN),
    _gauge("grid_account_balance", "What the account has, by the ledger; token is base or quote.", *_TOKEN),
    _gauge("grid_value", "Inventory in quote, at the boundary's price; absent before the start.", *GRID),
    _counter("grid_fills_total", "Fills in this session.", *GRID),
    _counter("grid_fill_volume_total", "Volume of these, in quote.", *GRID),
    _counter("grid_items_total", "Items sent in this session, which the budget is charged for.", *GRID),
    _counter("grid_actions_total", "Signed actions sent in this session.", *GRID),
    _counter("grid_errors_total", "Requests unanswered, answers not understood, refusals of correct orders.", *GRID),
    _counter("grid_refusal_pauses_total", "Pauses that began because the venue kept refusing alike.", *GRID),
    _gauge("grid_refused_items", "Items that wait because of such refusals.", *GRID, "kind"),
    _gauge("grid_left_out_levels", "Levels outside the venue's band or beyond its cap, at the last tick.", *GRID),
    _gauge("grid_doubtful_orders", "Orders in flight or in doubt.", *GRID),
    _gauge("grid_ledger_difference", "Venue's balance less the ledger, while it is not believed.", *_TOKEN),
    _gauge("grid_ledger_unexplained", "What the ledger took over in this session and nothing explains.", *_TOKEN),
    # --- The process --------------------------------------------------------------------------
    Metric(
        name="loop_lateness_seconds",
        kind=MetricKind.HISTOGRAM,
        labels=(),
        help="How late the event loop woke a task that looks four times a second.",
    ),
    _gauge("alerts_raised", "Things that are wrong, were told and are not over; absent without alerts."),
    _counter("alerts_sent_total", "Messages that a channel took.", "channel"),
    _counter("alerts_failed_attempts_total", "Attempts that a channel did not take.", "channel"),
    _counter("alerts_given_up_total", "Messages that were given up.", "channel"),
)
