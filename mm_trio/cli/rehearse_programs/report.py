"""Report of a rehearsal, in words and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from mm_trio.cli.rehearse_programs.figures import PathFigures, Peak, Trip
from mm_trio.cli.rehearse_programs.preparation import Rehearsal
from mm_trio.cli.rehearse_programs.suggested_limits import SuggestedLimit, suggest_limits, write_limits

__all__ = ["RehearsalReport", "make_report"]

_CENT = Decimal("0.01")
_HEADS = ("path", "ended", "fills", "volume", "earned", "turns", "fees", "moved", "worst loss", "items", "per 1,000")
_HEADS_OF_HOLDINGS = ("path", "base from", "to", "quote from", "to", "no bid", "no ask", "spread", "left", "faults")


@dataclass(frozen=True, slots=True)
class RehearsalReport:
    """What was rehearsed, and what came of it."""

    rehearsal: Rehearsal
    figures: tuple[PathFigures, ...]
    suggested: tuple[SuggestedLimit, ...]
    wall_s: float

    @property
    def is_clean(self) -> bool:
        """Return whether no limit was met and no rule broken."""
        return all(path.is_clean for path in self.figures)

    # --- JSON -----------------------------------------------------------------------------------

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values; amounts and prices are exact texts."""
        rehearsal, facts = self.rehearsal, self.rehearsal.facts
        options, market = rehearsal.options, rehearsal.settings.market
        allocation = rehearsal.allocation
        return {
            "coin": facts.market.coin,
            "pair": f"{facts.view.base}/{facts.view.quote}",
            "network": market.network,
            "account": market.account,
            "seed": options.seed,
            "hours": options.hours,
            "faults": "all" if options.faults is None else [kind.value for kind in options.faults],
            "assume_funded": options.is_funded,
            "token": _exact(rehearsal.account.token),
            "usdc": _exact(rehearsal.account.quote),
            "allocation": None if allocation is None else [_exact(allocation.token), _exact(allocation.quote)],
            "maker_bps": _exact(facts.fees.maker * 10_000),
            "fees_source": "of the account" if facts.are_fees_read else "base tier",
            "start_px": _exact(rehearsal.start_px),
            "requests_left": facts.requests_left,
            "notes": list(rehearsal.notes),
            "clean": self.is_clean,
            "violations": sum(len(path.violations) for path in self.figures),
            "limits_tripped": sum(trip.is_limit for path in self.figures for trip in path.trips),
            "paths": [_path_to_json(path) for path in self.figures],
            "nearest": [
                {"limit": peak.name, "path": path, "percent": _percent(peak), "peak": _exact(peak.value)}
                for peak, path in _find_nearest(self.figures)
            ],
            "suggested_limits": {limit.name: _plain(limit.value) for limit in self.suggested},
            "suggested_toml": write_limits(self.suggested, self.figures),
            "wall_s": round(self.wall_s, 2),
        }

    # --- Text -----------------------------------------------------------------------------------

    def to_text(self) -> str:
        """Describe everything for a person."""
        parts = (self._tell_what(), self._tell_paths(), self._tell_limits(), self._tell_verdict())
        text = "\n\n".join("\n".join(lines) for part in parts if (lines := list(part)))
        suggestion = write_limits(self.suggested, self.figures)
        return f"{text}\n\nLimits that this suggests, for the configuration:\n\n{suggestion}"

    def _tell_what(self) -> Iterator[str]:
        rehearsal, facts, options = self.rehearsal, self.rehearsal.facts, self.rehearsal.options
        base, quote = facts.view.base, facts.view.quote
        faults = "all" if options.faults is None else ", ".join(kind.value for kind in options.faults) or "none"
        yield (
            f"{base}/{quote} ({facts.market.coin}) of {rehearsal.settings.market.network}: {len(self.figures)} paths "
            f"of {options.hours:g} h from {rehearsal.start_px.normalize():f} {quote}, faults: {faults}, seed "
            f"{options.seed}; {self.wall_s:.1f} s"
        )
        whose = "assumed" if options.is_funded else "free in the account"
        left = "10,000 (not read)" if facts.requests_left is None else f"{facts.requests_left:,}"
        source = "of the account" if facts.are_fees_read else "base tier"
        yield (
            f"funds: {_amount(rehearsal.account.token)} {base}, {_amount(rehearsal.account.quote)} {quote} ({whose}); "
            f"fee {(facts.fees.maker * 10_000).normalize():f} bps ({source}); requests left: {left}"
        )
        yield from (f"note: {note}" for note in rehearsal.notes)

    def _tell_paths(self) -> Iterator[str]:
        quote = self.rehearsal.facts.view.quote
        yield f"in {quote}; earned against having held = turns - fees + moved"
        yield from _align([_HEADS, *(self._list_money(path) for path in self.figures), self._list_totals()])
        yield ""
        yield from _align([_HEADS_OF_HOLDINGS, *(_list_holdings(path) for path in self.figures)])

    def _list_money(self, path: PathFigures) -> tuple[str, ...]:
        is_cut = path.sim_s < 3600 * self.rehearsal.options.hours
        per_1000 = path.requests.items_per_1000
        return (
            path.path,
            _minutes(path.sim_s) if is_cut else "-",
            f"{path.trading.fills:,}",
            _amount(path.trading.volume),
            _amount(path.income.earned),
            _amount(path.income.turns),
            _amount(path.income.fees),
            _amount(path.income.moved),
            _amount(path.income.worst_loss),
            f"{path.requests.items:,}",
            "-" if per_1000 is None else f"{per_1000:.1f}",
        )

    def _list_totals(self) -> tuple[str, ...]:
        figures = self.figures
        items, volume = sum(path.requests.items for path in figures), sum(path.trading.volume for path in figures)
        return (
            "all",
            "",
            f"{sum(path.trading.fills for path in figures):,}",
            _amount(volume),
            *(
                _amount(sum(getattr(path.income, name) for path in figures))
                for name in ("earned", "turns", "fees", "moved")
            ),
            _amount(max((path.income.worst_loss for path in figures), default=Decimal(0))),
            f"{items:,}",
            f"{1000 * items / volume:.1f}" if volume else "-",
        )

    def _tell_limits(self) -> Iterator[str]:
        nearest = _find_nearest(self.figures)
        if not nearest:
            yield "[limits]: none are set"
            return
        yield "how near each number came to its limit"
        rows = [("limit", "set to", "nearest", "in percent", "on path")]
        for peak, path in nearest:
            percent = _percent(peak)
            rows.append(
                (
                    peak.name,
                    _amount(peak.limit),
                    _amount(peak.value),
                    "-" if percent is None else f"{percent:.1f}",
                    path,
                )
            )
        yield from _align(rows)

    def _tell_verdict(self) -> Iterator[str]:
        for path in self.figures:
            for trip in path.trips:
                yield f"{'TRIPPED' if trip.is_limit else 'WAITED'} on {path.path}: {_describe(trip)}"
            for violation in path.violations:
                yield (
                    f"BROKEN RULE on {path.path}: {violation}. This is a mistake of the program, not of the "
                    "configuration: report it with the configuration and the seed"
                )
        if self.is_clean:
            yield "no limit was met, and no rule of safety broken"


def make_report(rehearsal: Rehearsal, figures: Sequence[PathFigures], *, wall_s: float) -> RehearsalReport:
    """Make the report of the paths that were run."""
    suggested = suggest_limits(
        rehearsal.plan, figures, hours=rehearsal.options.hours, has_allocation=rehearsal.allocation is not None
    )
    return RehearsalReport(rehearsal, tuple(figures), suggested, wall_s)


def _find_nearest(figures: Sequence[PathFigures]) -> list[tuple[Peak, str]]:
    """Find for each limit that is set the path that came nearest to it."""
    nearest: dict[str, tuple[Peak, str]] = {}
    for path in figures:
        for peak in path.peaks:
            if peak.limit is None:
                continue
            earlier = nearest.get(peak.name)
            if earlier is None or (peak.percent or 0) > (earlier[0].percent or 0):
                nearest[peak.name] = (peak, path.path)
    return list(nearest.values())


def _list_holdings(path: PathFigures) -> tuple[str, ...]:
    quoting = path.quoting
    return (
        path.path,
        _amount(path.token.low),
        _amount(path.token.high),
        _amount(path.quote.low),
        _amount(path.quote.high),
        f"{quoting.no_bid_s} s",
        f"{quoting.no_ask_s} s",
        "-" if quoting.spread_bps is None else f"{quoting.spread_bps:.1f} bps",
        "-" if path.requests.left is None else f"{path.requests.left:,}",
        f"{path.faults:,}",
    )


def _path_to_json(path: PathFigures) -> dict[str, object]:
    trading, income, requests, quoting = path.trading, path.income, path.requests, path.quoting
    per_1000 = requests.items_per_1000
    return {
        "path": path.path,
        "sim_s": round(path.sim_s, 3),
        "fills": trading.fills,
        "volume": _exact(trading.volume),
        "earned_vs_hold": _cents(income.earned),
        "turn_income": _cents(income.turns),
        "fees": _cents(income.fees),
        "moved": _cents(income.moved),
        "worst_loss_vs_hold": _cents(income.worst_loss),
        "worst_drawdown_vs_hold": _cents(income.worst_drawdown),
        "token": [_exact(path.token.low), _exact(path.token.high)],
        "usdc": [_exact(path.quote.low), _exact(path.quote.high)],
        "items": requests.items,
        "items_per_1000": None if per_1000 is None else round(float(per_1000), 2),
        "budget_left": requests.left,
        "no_bid_s": quoting.no_bid_s,
        "no_ask_s": quoting.no_ask_s,
        "spread_bps_median": quoting.spread_bps,
        "most_orders": quoting.most_orders,
        "faults": path.faults,
        "peaks": {
            peak.name: {"peak": _exact(peak.value), "limit": _exact(peak.limit), "percent": _percent(peak)}
            for peak in path.peaks
        },
        "tripped": [
            {
                "limit": trip.name,
                "number": _exact(trip.number),
                "set_to": _exact(trip.limit),
                "unit": trip.unit,
                "at_s": round(trip.at_s, 3),
                "follows": trip.follows,
                "counts": trip.is_limit,
            }
            for trip in path.trips
        ],
        "violations": list(path.violations),
    }


def _describe(trip: Trip) -> str:
    return (
        f"{trip.name}: {_amount(trip.number)} {trip.unit}, the limit is {_amount(trip.limit)}; after "
        f"{_minutes(trip.at_s)}; {trip.follows}"
    )


def _align(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Align columns, the first to the left and all others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        first, *others = zip(row, widths, strict=True)
        cells = [f"{first[0]:<{first[1]}}", *(f"{cell:>{width}}" for cell, width in others)]
        yield "  ".join(cells).rstrip()


def _minutes(seconds: float) -> str:
    return f"{int(seconds // 60)} min {int(seconds % 60):02} s"


def _amount(value: Decimal | int | None) -> str:
    """Format for a person: whole numbers as they are, others with two decimals, small ones with more."""
    if value is None:
        return "-"
    value = Decimal(value)
    if value == value.to_integral_value():
        return f"{int(value):,}"
    return f"{value:,.2f}" if abs(value) >= 1 else f"{value:.4g}"


def _exact(value: Decimal | None) -> str | None:
    return None if value is None else f"{value.normalize():f}"


def _cents(value: Decimal) -> str:
    return f"{value.quantize(_CENT):f}"


def _plain(value: Decimal | int) -> str | int:
    return value if isinstance(value, int) else f"{value:f}"


def _percent(peak: Peak) -> float | None:
    return None if peak.percent is None else round(float(peak.percent), 1)
