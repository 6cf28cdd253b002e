"""Properties of replay: the same sums and orders as before, and no fill counted twice."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any, cast

import pytest
from effort import FACTOR
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule
from ladders import GRIDS, sides

from mm_trio.journal.replay import Recovered, replay
from mm_trio.model.cloid import CloidParts, encode_cloid
from mm_trio.model.entry_codec import decode_entry, encode_entry
from mm_trio.model.journal_entries import (
    Adjusted,
    Adopted,
    Allocated,
    Arrived,
    Began,
    Booked,
    Checkpoint,
    Ended,
    Entry,
    LookedUp,
    NeverPlaced,
    Peaked,
    Quoted,
    Remembered,
    Requested,
    Sent,
    Summed,
)
from mm_trio.model.market import Balances, Market, Token
from mm_trio.model.orders import FillResult, Intent, Quote, Side
from mm_trio.model.replies import Fill, FillKey, OpenOrder, OrderUpdate
from mm_trio.state.fill_history import FillHistory
from mm_trio.state.inventory import Inventory
from mm_trio.state.maker_state import MakerState
from mm_trio.state.order_state import OrderState
from mm_trio.state.ownership import Ownership
from mm_trio.state.rate_limit import RateLimitBudget

GRID = GRIDS[0]
COIN = "@107"
MARKET = Market(COIN, 10107, Token(150, "HYPE", 2), Token(0, "USDC", 8), {COIN: (150, 0)})
ORDER_SIZE = Decimal(5)
START_MS = 1_790_000_000_000

sizes = st.integers(1, 900).map(lambda lots: Decimal(lots).scaleb(-2))
shares = st.integers(1, 100).map(lambda percent: Decimal(percent) / 100)
amounts = st.integers(0, 10**12).map(lambda wei: Decimal(wei).scaleb(-8))
fees = st.integers(-(10**6), 10**6).map(lambda wei: Decimal(wei).scaleb(-8))
fee_tokens = st.sampled_from(("base", "quote", "USDT0", None))
levels = st.integers(0, GRID.n_orders - 1)
ENDINGS = ("canceled", "filled", "rejected", "selfTradeCanceled", "inventedTomorrow")


def replay_now(entries: Iterable[Entry], *, wall_ms: int = START_MS) -> Recovered:
    return replay(entries, order_size=ORDER_SIZE, now_s=100.0, wall_ms=wall_ms)


def since_checkpoint(entries: list[Entry]) -> list[Entry]:
    starts = [n for n, entry in enumerate(entries) if isinstance(entry, Checkpoint)]
    return entries[starts[-1] if starts else 0 :]


def through_json(entry: Entry) -> Entry:
    kind, values = encode_entry(entry)
    return decode_entry(kind, json.loads(json.dumps(values)))


def sums(ledger: Inventory) -> tuple[object, ...]:
    return (
        ledger.virtual_token,
        ledger.virtual_usdc,
        ledger.account_token,
        ledger.account_usdc,
        ledger.allocation,
    )


def resting(orders: OrderState) -> set[tuple[object, ...]]:
    return {(o.oid, o.side, o.level_index, o.price, o.size, o.cloid, o.filled) for o in orders.get_current_orders()}


def in_flight(orders: OrderState) -> set[tuple[object, ...]]:
    return {(i.cloid, i.quote, i.replaces, i.expires_ms, i.nonce) for i in orders.get_intents()}


def untold(orders: OrderState) -> set[tuple[object, ...]]:
    return {(o.oid, o.side, o.level_index, o.price, o.size) for o in orders.get_fills_due()}


class LedgerMachine(RuleBasedStateMachine):
    """A maker that is told of its orders in any order and any number of times, beside what it recorded of that.

    The oid of an order is settled when it is sent, as if the venue knew: so fills and endings may be told of it
    before it arrives.
    """

    lives = Bundle("lives")  # (oid, cloid, side, level, price, size) of an order that was sent, or rested before
    told = Bundle("told")

    def __init__(self) -> None:
        super().__init__()
        self.entries: list[Entry] = []
        self.booked: list[FillResult] = []
        self.n = 0  # oids, trade ids and cloids all rise with it
        self.now_ms = START_MS
        self.epoch = 0
        self.checked: set[tuple[int, int]] = set()
        self.begin(None)

    def begin(self, found: Recovered | None) -> None:
        """A life, as the maker begins it."""
        self.epoch += 1
        earlier = set() if found is None else found.epochs
        orders = OrderState() if found is None else found.order_state
        ledger = Inventory(ORDER_SIZE, 100, None) if found is None else found.inventory
        self.state = MakerState(
            MARKET,
            GRID,
            orders,
            ledger,
            RateLimitBudget(),
            Ownership(COIN, keep_foreign=False, epochs={*earlier, self.epoch}, knows_all_sessions=True),
            FillHistory(COIN, looked_up_ms=0 if found is None else found.looked_up_ms, must_join=True),
            on_booked=self.booked.append,
        )
        self.state.record = orders.record = ledger.record = self.record
        self.record(Began(self.epoch, {"coin": COIN}))
        if found is None:
            self.record(Allocated(*ledger.allocation))
            self.state.on_opened(0)

    def record(self, entry: Entry) -> None:
        self.entries.append(through_json(entry))

    def tick(self) -> int:
        self.n += 1
        self.now_ms += 1
        return self.n

    @property
    def now_s(self) -> float:
        return (self.now_ms - START_MS) / 1000

    # --- orders -------------------------------------------------------------------------------

    @initialize(target=lives, n=st.integers(0, 4))
    def begin_with_some_at_rest(self, n: int) -> Any:
        lives = [self._send("sell" if level > 1 else "buy", 3 * level, ORDER_SIZE, None) for level in range(n)]
        for life in lives:
            self.arrive(life)
        return multiple(*lives)

    @rule(target=lives, side=sides, level=levels, size=sizes)
    def send(self, side: Side, level: int, size: Decimal) -> Any:
        return self._send(side, level, size, None)

    @rule(target=lives, life=lives, size=sizes)
    def send_replacement(self, life: Any, size: Decimal) -> Any:
        oid, _, side, level, _, _ = life
        if self.state.order_state.find(oid) is None:
            return multiple()
        return self._send(side, level, size, oid)

    def _send(self, side: Side, level: int, size: Decimal, replaces: int | None) -> Any:
        n = self.tick()
        cloid = encode_cloid(CloidParts(self.epoch, side, level, n))
        nonce = self.now_ms
        intent = Intent(
            cloid,
            Quote(side, level, GRID.levels[level], size),
            replaces,
            self.now_s,
            self.now_s + 10,
            self.now_ms + 10_000,
            nonce,
        )
        self.state.order_state.on_sent(intent)
        self.record(Requested(nonce, "bulk_orders", 1, "ab" * 32, intent.expires_ms))
        return n, cloid, side, level, intent.quote.price, size

    @rule(life=lives)
    def arrive(self, life: Any) -> None:
        oid, cloid = life[:2]
        self.tick()
        if (intent := self.state.order_state.find_intent(cloid)) is not None:
            self.state.apply_arrival(intent, oid, now_s=self.now_s)

    @rule(life=lives, has_cloid=st.booleans())
    def open_frame(self, life: Any, has_cloid: bool) -> None:
        self.tick()
        self.state.apply_order_update(
            OrderUpdate(self.row(life, life[5], has_cloid), "open", live=True), now_s=self.now_s
        )

    @rule(life=lives, status=st.sampled_from(ENDINGS), share=shares | st.just(Decimal(0)), has_cloid=st.booleans())
    def end_frame(self, life: Any, status: str, share: Decimal, has_cloid: bool) -> None:
        self.tick()
        left = Decimal(0) if status == "filled" else (life[5] * share).quantize(GRID.lot)
        self.state.apply_order_update(
            OrderUpdate(self.row(life, left, has_cloid), status, live=False), now_s=self.now_s
        )

    def row(self, life: Any, left: Decimal, has_cloid: bool) -> OpenOrder:
        oid, cloid, side, _, price, size = life
        return OpenOrder(COIN, oid, side, price, left, size, cloid if has_cloid else None)

    @rule(target=lives, side=sides, level=levels, size=sizes)
    def adopt(self, side: Side, level: int, size: Decimal) -> Any:
        """An order of ours by nothing but its price, as a start finds it."""
        oid = self.tick()
        row = OpenOrder(COIN, oid, side, GRID.levels[level], size)
        self.state.adopt(row, now_s=self.now_s)
        return oid, None, side, level, row.price, size

    @rule(life=consumes(lives))
    def never_placed(self, life: Any) -> None:
        self.tick()
        if life[1] is not None:
            self.state.order_state.on_never_placed(life[1], why="refused")

    @rule(life=lives, word=st.sampled_from(("cancel confirmed", "cancel confirmed", "ghost", "doubt", "seen resting")))
    def word(self, life: Any, word: str) -> None:
        self.tick()
        orders = self.state.order_state
        {
            "cancel confirmed": orders.on_cancel_confirmed,
            "ghost": orders.remove_ghost,
            "doubt": orders.on_doubt,
            "seen resting": orders.on_seen_resting,
        }[word](life[0], now_s=self.now_s)

    @rule(target=lives, life=lives)
    def rekey(self, life: Any) -> Any:
        oid = self.tick()
        if self.state.order_state.find(life[0]) is None:
            return multiple()
        self.state.order_state.on_modify_response(life[0], oid, "resting", now_s=self.now_s)
        return oid, None, *life[2:]

    # --- money --------------------------------------------------------------------------------

    @rule(target=told, life=lives, share=shares, fee=fees, fee_token=fee_tokens, has_cloid=st.booleans())
    def fill(self, life: Any, share: Decimal, fee: Decimal, fee_token: str | None, has_cloid: bool) -> Fill:
        oid, cloid, side, _, price, size = life
        tid = self.tick()
        traded = max(GRID.lot, (size * share).quantize(GRID.lot))
        fill = Fill(oid, tid, traded, price, side, self.now_ms, fee, fee_token, cloid if has_cloid else None, COIN)
        self.state.apply_fill(fill, now_s=self.now_s)
        return fill

    @rule(fill=told)
    def fill_again(self, fill: Fill) -> None:
        """A fill that was booked counts no more; one that only waited for its order in an earlier session may, once."""
        was_booked = any(isinstance(entry, Booked) and entry.tid == fill.tid for entry in self.entries)
        before = sums(self.state.inventory)
        self.state.apply_fill(replace(fill, cloid=None), now_s=self.now_s)
        after = sums(self.state.inventory)
        assert after == before or not was_booked
        self.state.apply_fill(replace(fill, cloid=None), now_s=self.now_s)
        assert sums(self.state.inventory) == after

    @rule(balances=st.none() | st.tuples(amounts, amounts), token=st.none() | amounts, usdc=st.none() | amounts)
    def money_moves(
        self, balances: tuple[Decimal, Decimal] | None, token: Decimal | None, usdc: Decimal | None
    ) -> None:
        """A balance is taken over; or the operator allots something else."""
        if balances is None:
            self.state.inventory.on_allocated(Allocated(token, usdc))
        else:
            self.state.apply_balances(Balances(*balances), asked_s=None, now_s=self.now_s)

    # --- the ledger's own ---------------------------------------------------------------------

    @rule(
        later_ms=st.sampled_from((1, 1_000, 59_000, 61_000, 600_000)), arrives=st.booleans(), is_settled=st.booleans()
    )
    def reconcile(self, later_ms: int, arrives: bool, is_settled: bool) -> None:
        """The venue explains all that is in doubt; its history is read from where that has to be."""
        self.now_ms += later_ms
        orders = self.state.order_state
        for intent in orders.get_intents() if is_settled else ():
            if arrives:
                self.state.apply_arrival(intent, self.tick(), now_s=self.now_s)
            else:
                orders.on_never_placed(intent.cloid, why="unknown")
        for order in orders.get_current_orders() if is_settled else ():
            orders.on_seen_resting(order.oid, now_s=self.now_s)
        for fill in self.history(self.state.history.look_up_from_ms):
            self.state.apply_fill(fill, now_s=self.now_s)
            self.state.history.on_looked_up(fill)
        orders.on_fills_read(self.now_s)
        for order in orders.get_fills_due() if is_settled else ():
            orders.remove_ghost(order.oid, now_s=self.now_s)
        self.state.on_reconciled()

    def history(self, since_ms: int) -> list[Fill]:
        return [e.to_fill() for e in self.entries if isinstance(e, Booked) and (e.time_ms or 0) >= since_ms]

    @rule()
    def checkpoint(self) -> None:
        """As the maker has it made: nothing else is awaited in between."""
        began = (Began(epoch, {}) for epoch in sorted(self.state.ownership.epochs))
        self.record(Checkpoint((*began, *self.state.summarise())))

    @rule(checkpoint_first=st.booleans())
    def restart(self, checkpoint_first: bool) -> None:
        """Another life, on what was recorded; then the history is read from where that says."""
        self._restart()
        if checkpoint_first:  # many entries were recorded since the last one
            self.checkpoint()
            self._restart()

    def _restart(self) -> None:
        self.begin(replay_now(since_checkpoint(self.entries), wall_ms=self.now_ms))
        before = sums(self.state.inventory)
        self.booked.clear()
        for fill in self.history(self.state.history.look_up_from_ms):
            self.state.apply_fill(fill, now_s=self.now_s)
            self.state.history.on_looked_up(fill)
        assert self.booked == []
        assert sums(self.state.inventory) == before

    # --- what is so after every step ------------------------------------------------------------

    @invariant()
    def a_replay_arrives_where_we_are(self) -> None:
        """From the last checkpoint on, and from the very beginning through all of them."""
        orders = self.state.order_state
        told_ms = [entry.until_ms for entry in self.entries if isinstance(entry, LookedUp)]
        for entries in (since_checkpoint(self.entries), self.entries):
            found = replay_now(entries, wall_ms=self.now_ms)
            assert sums(found.inventory) == sums(self.state.inventory)
            assert resting(found.order_state) == resting(orders)
            assert in_flight(found.order_state) == in_flight(orders)
            assert all(order.status == "in_doubt" for order in found.order_state.get_current_orders())
            assert found.epochs == self.state.ownership.epochs
            assert found.looked_up_ms == max(told_ms, default=0)

    @invariant()
    def a_fill_that_was_recorded_never_counts_again_and_one_that_was_not_still_can(self) -> None:
        found = replay_now(since_checkpoint(self.entries), wall_ms=self.now_ms)
        before = sums(found.inventory)
        for fill in self.history(0):
            assert (
                found.order_state.on_fill(
                    fill.tid, fill.oid, fill.size, time_ms=fill.time_ms, coin=fill.coin, price=fill.price
                )
                is None
            )
        assert sums(found.inventory) == before
        for order in found.order_state.get_current_orders():
            new = self.now_ms + 1
            assert found.order_state.on_fill(10**9, order.oid, "0.01", time_ms=new, coin=COIN) is not None

    @invariant()
    def what_ended_short_is_untold_after_a_replay_too(self) -> None:
        found = replay_now(since_checkpoint(self.entries), wall_ms=self.now_ms)

        assert untold(found.order_state) <= untold(self.state.order_state)


LedgerMachine.TestCase.settings = settings(max_examples=60 * FACTOR, stateful_step_count=30, deadline=None)
# each step replays all before it
TestLedger = pytest.mark.slow(pytest.mark.timeout(120 * FACTOR)(LedgerMachine.TestCase))


# --- entries as plain values ------------------------------------------------------------------

decimals = st.decimals(allow_nan=False, allow_infinity=False, places=None)
texts = st.text(max_size=12)
numbers = st.integers(0, 2**63)
optional_oids = st.none() | numbers
quotes = st.builds(Quote, sides, numbers, decimals, decimals)
fill_keys = st.builds(FillKey, numbers, texts, numbers, numbers)
parts: st.SearchStrategy[Entry] = st.one_of(
    st.builds(Began, st.integers(0, 2**32 - 1), st.dictionaries(texts, texts, max_size=3)),
    st.builds(Allocated, st.none() | decimals, st.none() | decimals),
    st.builds(Quoted, numbers),
    st.builds(Sent, texts, quotes, optional_oids, optional_oids, numbers),
    st.builds(Requested, numbers, texts, numbers, texts, numbers),
    st.builds(NeverPlaced, texts, texts),
    st.builds(Arrived, texts, numbers),
    st.builds(Adopted, numbers, quotes, st.none() | texts, decimals),
    st.builds(Ended, numbers, texts, st.none() | decimals),
    st.builds(
        Booked,
        numbers,
        numbers,
        optional_oids,
        st.none() | texts,
        quotes,
        decimals,
        st.none() | texts,
    ),
    st.builds(Adjusted, decimals, decimals, texts),
    st.builds(Summed, st.none() | decimals, st.none() | decimals, decimals, decimals),
    st.builds(Peaked, decimals),
    st.builds(LookedUp, numbers),
    st.builds(Remembered, st.integers(-1, 2**63), st.lists(fill_keys, max_size=4).map(tuple)),
)
entries = parts | st.lists(parts, max_size=6).map(lambda some: Checkpoint(tuple(some)))


@settings(deadline=None)
@given(entries)
def test_any_entry_comes_back_from_json_as_it_was(entry: Entry) -> None:
    back = through_json(entry)

    assert back == entry
    assert repr(back) == repr(entry)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)
kinds = st.sampled_from(
    [encode_entry(cast("Entry", kind))[0] for kind in (LookedUp(0), Checkpoint(()))]
) | st.sampled_from(("began", "sent", "booked", "ended", "adjusted", "summed", "remembered", "checkpoint", "invented"))


@settings(deadline=None)
@given(kinds, json_values)
def test_what_is_no_entry_is_refused_with_one_kind_of_error(kind: str, values: Any) -> None:
    try:
        decode_entry(kind, values)
    except ValueError:
        return
    assert isinstance(values, list | str | dict)
