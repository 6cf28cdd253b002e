"""Plan of a ladder: its figures in words, and its configuration as a file."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from random import Random
from typing import Any

from mm_trio.cli.programs.pair_facts import parse_facts
from mm_trio.config.loading import parse_settings
from mm_trio.config.settings import ACCOUNT_VARIABLE
from mm_trio.model.errors import ConfigError
from mm_trio.model.orders import DesiredOrder
from mm_trio.planning.forecast import LeaningTakers, Take, TakerFlow
from mm_trio.planning.income import BASE_TIER, TIERS, Fees
from mm_trio.planning.ladder_plan import LadderPlan, plan_ladder
from mm_trio.planning.plan_figures import Assumptions, PlanFigures, compute_figures
from mm_trio.planning.plan_file import FIRST_LINE, FilePlace, write_plan
from mm_trio.planning.plan_report import Line, describe_plan, draw_ladder
from mm_trio.planning.plan_request import PlanRequest
from mm_trio.sandbox import USDC, BookView, Level, Pair, SeededTakers, Token
from mm_trio.terminal_ui.signs import has_many_colours

__all__ = ["GridOptions", "GridReport", "make_report", "parse_fees", "save_config", "save_facts"]

# The demo's takers pause for a second on average.
DEMO_TAKERS_AN_HOUR = 3_600
_FORECAST_SEED = 1
# The colours of the live view.
_COLOURS = {"ask": (217, 140, 134), "bid": (134, 189, 151), "dim": (118, 128, 143), "title": (157, 180, 214)}
_COLOURS["alert"] = (216, 178, 106)
# For a terminal that has eight: red, green, white, cyan, yellow.
_FEW_COLOURS = {"ask": "31", "bid": "32", "dim": "37", "title": "36", "alert": "33"}
# A fee of 100 bps is beyond every venue's.
_MOST_BPS = Decimal(100)
_NOBODY = "0x" + "0" * 40


@dataclass(frozen=True, slots=True, kw_only=True)
class GridOptions:
    """What the operator asked for, as on the command line."""

    coin: str
    start_px: Decimal
    top_px: Decimal | None = None
    tokens: Decimal
    usdc: Decimal | None = None
    target_px: Decimal | None = None
    n_orders: int | None = None
    order_sz: Decimal | None = None
    gap_levels: int = 0
    step: Decimal | None = None
    fees: Fees | None = None
    assumptions: Mapping[str, Decimal | None]
    takers_per_hour: int | None = None
    demo_takers: bool = False


@dataclass(frozen=True, slots=True)
class GridReport:
    """Figures of a plan, and the configuration that came of it."""

    figures: PlanFigures
    config: str
    out: Path | None = None

    def to_json(self) -> dict[str, object]:
        """Return the figures and the configuration as plain JSON values."""
        return {
            **self.figures.to_json(),
            "config": self.config,
            "out": None if self.out is None else str(self.out),
        }

    def to_text(self, *, in_colour: bool = False) -> str:
        """Draw the ladder and describe the plan."""
        lines = [*draw_ladder(self.figures.plan, self.figures.view), (), *describe_plan(self.figures)]
        text = _paint(lines, in_colour=in_colour)
        if self.out is not None:
            return f"{text}\n\nwritten: {self.out}; start it with `mm-trio run --config {self.out}`"
        return f"{text}\n\nThe configuration; `--out FILE` writes it:\n\n{self.config}"


def _paint(lines: Sequence[Line], *, in_colour: bool) -> str:
    rows = []
    for line in lines:
        pieces = (_paint_piece(text, style) if in_colour and style else text for text, style in line)
        rows.append("".join(pieces).rstrip())
    return "\n".join(rows)


def _paint_piece(text: str, style: str) -> str:
    red, green, blue = _COLOURS[style]
    colour = f"38;2;{red};{green};{blue}" if has_many_colours(os.environ) else _FEW_COLOURS[style]
    return f"\x1b[{colour}m{text}\x1b[0m"


def make_report(
    options: GridOptions, facts: Mapping[str, Any], place: FilePlace, *, source: str | None = None
) -> GridReport:
    """Plan the ladder on these facts; `source` names their file.

    Errors: ConfigError, also for a configuration that `run` would not take; ProtocolError.
    """
    pair = parse_facts(facts, options.coin, source=source)
    request = PlanRequest(
        sz_decimals=pair.view.sz_decimals,
        start_px=options.start_px,
        top_px=options.top_px,
        n_orders=options.n_orders,
        order_sz=options.order_sz,
        tokens=options.tokens,
        usdc=options.usdc,
        target_px=options.target_px,
        mid_px=pair.view.mid,
        gap_levels=options.gap_levels,
        step=options.step,
    )
    fees, fees_source = options.fees, "given"
    if fees is None:
        fees, fees_source = (BASE_TIER, "base tier") if pair.fees is None else (pair.fees, "of the account")
    plan = plan_ladder(request)
    assumptions = Assumptions(fees=fees, fees_source=fees_source, flow=_find_flow(options, plan), **options.assumptions)
    figures = compute_figures(plan, pair.view, assumptions)
    config = write_plan(plan, pair.view, place)
    # What is written here is read by the same rules as at the start of a maker.
    environ = {} if place.account is not None else {ACCOUNT_VARIABLE: _NOBODY}
    parse_settings(tomllib.loads(config), environ=environ, source="this plan")
    return GridReport(figures, config)


def _find_flow(options: GridOptions, plan: LadderPlan) -> TakerFlow | None:
    """Find the takers that a forecast is wanted of."""
    if options.demo_takers:
        return TakerFlow(_DemoTakers(plan.grid.sz_decimals or 0), DEMO_TAKERS_AN_HOUR, "takers of the demo")
    size = options.assumptions["taker_size"]
    if options.takers_per_hour is None or size is None:
        return None
    takers = LeaningTakers(size, rng=Random(_FORECAST_SEED))
    return TakerFlow(takers, options.takers_per_hour, f"takers of {size.normalize():f} on average, who lean back")


class _DemoTakers:
    """The takers of the demo, before the book of a forecast."""

    def __init__(self, sz_decimals: int) -> None:
        base = Token("BASE", 1, sz_decimals, 8, "0x" + "0" * 32)
        self._takers = SeededTakers(Pair("@1", 1, base, USDC), rng=Random(_FORECAST_SEED))

    def draw(self, asks: list[DesiredOrder], bids: list[DesiredOrder]) -> Take | None:
        """Draw the next taker."""
        rows = [tuple(Level(order.price, order.size, 1) for order in side) for side in (bids, asks)]
        orders = self._takers.decide(BookView(*rows))
        return Take("sell" if orders[0].is_buy else "buy", orders[0].size) if orders else None


def parse_fees(text: str) -> Fees:
    """Parse a tier's name, or bps as MAKER or MAKER/TAKER.

    Errors: ConfigError.
    """
    if text in TIERS:
        return TIERS[text]
    maker, _, taker = text.partition("/")
    try:
        rates = [Decimal(maker), Decimal(taker) if taker else BASE_TIER.taker * 10_000]
    except InvalidOperation:
        rates = []
    if not rates or not all(rate.is_finite() and abs(rate) <= _MOST_BPS for rate in rates) or rates[1] < 0:
        raise ConfigError(
            f"--fees {text!r} is not a valid fee: it must be a tier ({', '.join(TIERS)}) or bps as MAKER or "
            f"MAKER/TAKER, from -{_MOST_BPS} (a rebate of the maker) to {_MOST_BPS}; change it, such as to 4/7"
        )
    return Fees(rates[0] / 10_000, rates[1] / 10_000)


def save_config(text: str, path: Path) -> None:
    """Write a configuration in one step.

    Errors: ConfigError where another file stands there: it may be an operator's own.
    """
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            first = file.readline()
    except FileNotFoundError:
        first = ""
    except OSError as error:
        raise ConfigError(f"--out {path} cannot be written: {error.strerror}; choose another file") from error
    if first and first.rstrip() != FIRST_LINE:
        raise ConfigError(f"--out {path} exists and was not written by `grid`; choose another name, or remove it")
    _write(text, path, option="--out")


def save_facts(facts: Mapping[str, Any], path: Path) -> None:
    """Write the facts that `--offline` reads. Errors: ConfigError."""
    _write(json.dumps(facts) + "\n", path, option="--save")


def _write(text: str, path: Path, *, option: str) -> None:
    beside = path.with_name(f"{path.name}.new")
    try:
        with beside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise ConfigError(f"{option} {path} cannot be written: {error.strerror}; choose another file") from error
