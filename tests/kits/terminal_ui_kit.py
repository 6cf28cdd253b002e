"""Snapshot of a maker made by hand, and its lines as plain text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from mm_trio.model.orders import Quote, Side
from mm_trio.terminal_ui.render import Line
from mm_trio.views.values import BudgetView, FillRow, GridRow, HealthView, InventoryView, LadderRow, MakerView

FIVE = Decimal(5)


def make_row(level: int, price: str, **changed: Any) -> LadderRow:
    row = LadderRow(
        side="sell" if level >= 10 else "buy",
        level_index=level,
        price=Decimal(price),
        resting=FIVE,
        wanted=FIVE,
        share=1.0,
        status="resting",
    )
    return replace(row, **changed)


def make_fill(age_s: float, *, side: Side = "sell", **changed: Any) -> FillRow:
    fill = FillRow(
        age_s=age_s,
        quote=Quote(side, 10, Decimal("20.607"), FIVE),
        value=Decimal("103.035"),
        complete=True,
    )
    return replace(fill, **changed)


def make_view(**changed: Any) -> MakerView:
    """Make a healthy maker with two levels a side around level 10; `changed` replaces fields."""
    view = MakerView(
        title="demo",
        coin="@107",
        uptime_s=3723.0,
        boundary_level=10,
        boundary_price=Decimal("20.607"),
        order_size=FIVE,
        size_decimals=2,
        asks=(make_row(10, "20.607"), make_row(11, "20.669")),
        bids=(make_row(9, "20.545"), make_row(8, "20.484")),
        n_asks=2,
        n_bids=2,
        spread_bps=30.18,
        inventory=InventoryView(
            base_name="HYPE",
            quote_name="USDC",
            token=Decimal("150"),
            usdc=Decimal("3012.11"),
            virtual_token=Decimal("150"),
            virtual_usdc=Decimal("3012.11"),
            account_token=Decimal("38200"),
            account_usdc=Decimal("1200000"),
            token_value=Decimal("3091.05"),
            total_value=Decimal("6103.16"),
        ),
        budget=BudgetView(remaining=9421, items=579, items_per_1000=11.2, hours_left=9.4),
        health=HealthView(
            state="quoting",
            why=None,
            doubts=0,
            errors=0,
            reconnects=0,
            reconciliations=3,
            ticks=61,
            fills=1,
            fill_volume=Decimal("103.035"),
        ),
        fills=(make_fill(12.0),),
    )
    return replace(view, **changed)


def make_grid_row(number: int = 7, **changed: Any) -> GridRow:
    """Make a market of a list that quotes; `changed` replaces fields."""
    row = GridRow(
        coin=f"@{number}",
        pair_name=f"T{number}/USDC",
        state="quoting",
        why=None,
        boundary_price=Decimal("20.607"),
        spread_bps=30.1,
        fills=number,
        token=Decimal(150),
        usdc=Decimal("3012.11"),
        errors=0,
    )
    return replace(row, **changed)


def to_text(lines: Iterable[Line]) -> str:
    return "\n".join("".join(text for text, _ in line) for line in lines)
