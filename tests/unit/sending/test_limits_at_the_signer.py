"""For every limit: an order beyond it that comes to the gateway past the planner is not signed; a cancel still is."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any

import pytest
import requests
import trio
from builders import run_inline
from core_kit import GRID, MARKET, dec, make_state, rest, tracked
from desk_kit import make_desk
from trio.testing import MockClock

from mm_trio.config.settings import MarketSettings
from mm_trio.halts.standing import ACTIVE
from mm_trio.limits.terms import RiskLimits
from mm_trio.model.market import Book, BookLevel
from mm_trio.model.orders import DesiredOrder, Intent, Side
from mm_trio.model.replies import Answer, Refused
from mm_trio.sending.action_lane import Departure
from mm_trio.sending.limit_guard import LimitGuard
from mm_trio.sending.order_desk import OrderDesk
from mm_trio.state.inventory import Inventory
from mm_trio.state.maker_state import MakerState
from mm_trio.venue import wire
from mm_trio.venue.order_gateway import OrderGateway
from mm_trio.venue.sdk import make_exchange, make_wallet
from mm_trio.witness.venue_clock import VenueClock

NOW_MS = 1_790_000_000_000
META = {
    "universe": [{"name": "@107", "tokens": [150, 0], "index": 107, "isCanonical": False}],
    "tokens": [
        {"name": "HYPE", "szDecimals": 2, "weiDecimals": 8, "index": 150},
        {"name": "USDC", "szDecimals": 8, "weiDecimals": 8, "index": 0},
    ],
}
ACCOUNT = "0x" + "a1" * 20
MID = (GRID.levels[4] + GRID.levels[5]) / 2


class Http:
    """In the place of the network: keeps what was signed, and answers every item alike."""

    def __init__(self) -> None:
        self.actions: list[dict[str, Any]] = []

    def post(self, url: str, *, data: bytes, timeout: float) -> requests.Response:
        action = json.loads(data)["action"]
        self.actions.append(action)
        items = action.get("orders") or action.get("cancels") or action.get("modifies")
        statuses = [{"resting": {"oid": 7}} if action["type"] == "order" else "success" for _ in items]
        answer = {"status": "ok", "response": {"type": action["type"], "data": {"statuses": statuses}}}
        response = requests.Response()
        response.status_code, response._content = 200, json.dumps(answer).encode()
        return response

    @property
    def kinds(self) -> list[str]:
        return [action["type"] for action in self.actions]


class Forgetful:
    """A ledger that writes nothing down."""

    covers = True

    def record(self, entry: object) -> None:
        pass

    async def flush_unless_covered(self) -> None:
        await trio.lowlevel.checkpoint()

    async def flush_then(self, is_wanted: Callable[[], bool], send: Callable[..., Any], *args: Any) -> Any:
        return await run_inline(send, *args)


@dataclass
class Bench:
    """A gateway on the signer itself, with these limits."""

    state: MakerState
    guard: LimitGuard
    desk: OrderDesk
    http: Http

    async def send(self, side: Side, price: str | Decimal, size: str, *, replaces: int | None = None) -> Answer:
        """Hand the gateway an order that no planner made."""
        order, now_s = DesiredOrder(side, 0, Decimal(price), dec(size)), trio.current_time()

        def make(departure: Departure) -> list[Intent]:
            nonce, expires_ms = departure.take()
            intent = Intent(f"0x{9:032x}", order, replaces, now_s, now_s + 10, expires_ms, nonce)
            self.state.order_state.on_sent(intent)
            return [intent]

        send = self.desk.send_places if replaces is None else self.desk.send_modifies
        (answer,) = await send(make, most=1)
        return answer

    async def cancel(self) -> tuple[Answer, ...]:
        return await self.desk.send_cancels([1])


def open_bench(**limits: Any) -> Bench:
    state = make_state()
    state.inventory = Inventory(5, "100", "2000", "100", "2000")
    rest(state.order_state, tracked(1, "sell", 8))
    guard = LimitGuard(RiskLimits(**limits), state, standing=ACTIVE, wall_ms=lambda: NOW_MS)
    market = MarketSettings(coin="@107", account=ACCOUNT)
    exchange = make_exchange(market, make_wallet("0x" + "11" * 32), wire.parse_spot_meta(META))
    exchange.session = http = Http()
    gateway = OrderGateway(
        exchange,
        run_sync=run_inline,
        ledger=Forgetful(),
        clock=VenueClock(lambda: NOW_MS),
        limits=guard,
    )
    return Bench(state, guard, make_desk(gateway, MARKET.coin, limits=guard), http)


def book_at(mid: Decimal) -> Book:
    bid, ask = (BookLevel(mid * Decimal(ratio), dec(1), 1) for ratio in ("0.999", "1.001"))
    return Book((bid,), (ask,))


# --- What brings a maker to its limit -----------------------------------------------------------------


def nothing(bench: Bench) -> None:
    pass


def see_mid(bench: Bench) -> None:
    bench.guard.on_book(book_at(MID))


def buy_25(bench: Bench) -> None:
    bench.state.inventory.on_bid_fill(GRID.levels[3], 25)


def buy_25_and_fall(bench: Bench) -> None:
    buy_25(bench)
    bench.guard.on_book(book_at(MID * Decimal("0.9")))


def earn_and_fall(bench: Bench) -> None:
    """Sell dear and buy back cheap, and then the price falls."""
    bench.state.inventory.on_ask_fill(GRID.levels[9], 100)
    bench.state.inventory.on_bid_fill(GRID.levels[0], 120)
    bench.guard.on_book(book_at(MID))
    bench.guard.on_book(book_at(MID * Decimal("0.5")))


def act_often(bench: Bench) -> None:
    bench.guard.on_signed(100)


def fill_often(bench: Bench) -> None:
    bench.guard.on_fills(5)


def lose_answers(bench: Bench) -> None:
    for n in range(3):
        order = DesiredOrder("sell", 9, GRID.levels[9], dec(5))
        bench.state.order_state.on_sent(Intent(f"0x{20 + n:032x}", order, sent_s=trio.current_time() - 60))


def spend_budget(bench: Bench) -> None:
    bench.state.rate_limit.on_request(9_500)


CASES: list[tuple[str, Any, Callable[[Bench], None], tuple[Side, str, str]]] = [
    ("max_order_notional", dec(1000), nothing, ("sell", "20.5", "50")),
    ("max_side_notional", dec(300), nothing, ("sell", "20.5", "15")),
    ("max_side_notional", dec(300), nothing, ("buy", "20", "16")),
    ("price_low", dec(20), nothing, ("buy", "19.99", "5")),
    ("price_high", dec(21), nothing, ("sell", "21.01", "5")),
    ("max_net_spend", dec(500), buy_25, ("buy", "20", "5")),
    ("max_loss_vs_hold", dec(40), buy_25_and_fall, ("buy", "20", "5")),
    ("max_drawdown_vs_hold", dec(40), earn_and_fall, ("buy", "20", "5")),
    ("max_actions_per_hour", 100, act_often, ("buy", "20", "5")),
    ("max_fills_per_minute", 4, fill_often, ("buy", "20", "5")),
    ("max_unknown_outcomes", 2, lose_answers, ("buy", "20", "5")),
    ("budget_floor", 500, spend_budget, ("buy", "20", "5")),
    ("needs_mid", True, nothing, ("buy", "20", "5")),
    # Always, once a price was seen: a digit too many or too few.
    ("max_order_notional", dec(10_000), see_mid, ("sell", "62", "5")),
    ("max_order_notional", dec(10_000), see_mid, ("buy", "6.7", "5")),
]


@pytest.mark.parametrize("replaces", [None, 1])
@pytest.mark.parametrize("name, value, reach, order", CASES)
async def test_an_order_beyond_a_limit_is_not_signed_and_a_cancel_is(
    autojump_clock: MockClock,
    name: str,
    value: Any,
    reach: Callable[[Bench], None],
    order: tuple[Side, str, str],
    replaces: int | None,
) -> None:
    bench = open_bench(**{name: value})
    reach(bench)

    answer = await bench.send(*order, replaces=replaces)
    n_signed = len(bench.http.actions)
    await bench.cancel()

    assert n_signed == 0
    assert isinstance(answer, Refused)
    assert answer.untouched
    assert bench.http.kinds == ["cancel"]


@pytest.mark.parametrize("name, value, reach, order", CASES)
async def test_just_within_the_limit_the_same_order_is_signed(
    autojump_clock: MockClock, name: str, value: Any, reach: Callable[[Bench], None], order: tuple[Side, str, str]
) -> None:
    """So it was the limit that kept the order back."""
    wider = {"price_low": dec(19), "price_high": dec(22), "needs_mid": False, "budget_floor": 499}
    bench = open_bench(**{name: wider.get(name, value * 10)})
    # What is far from a price that was seen is within no limit.
    (nothing if reach is see_mid else reach)(bench)

    await bench.send(*order)

    assert bench.http.kinds == ["order"]


async def test_with_a_price_seen_the_first_order_is_signed(autojump_clock: MockClock) -> None:
    bench = open_bench(needs_mid=True)
    see_mid(bench)

    await bench.send("buy", "20", "5")

    assert bench.http.kinds == ["order"]


def test_every_limit_has_a_case() -> None:
    assert {name for name, *_ in CASES} == {item.name for item in fields(RiskLimits)}


async def test_a_missing_price_does_not_hide_a_halt(autojump_clock: MockClock) -> None:
    bench = open_bench(needs_mid=True, max_fills_per_minute=4)
    fill_often(bench)

    wanted = bench.guard.find_wanted()

    assert wanted is not None
    assert "max_fills_per_minute: 5" in wanted.why
