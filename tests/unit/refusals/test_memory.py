"""What was refused waits: a level for itself, a kind by one probe, and every bound of items in an hour holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial
from itertools import pairwise

import pytest

from mm_trio.model.orders import OrderDiff, Quote, TrackedOrder
from mm_trio.model.replies import Answer, Refusal, Refused, Resting, Unknown
from mm_trio.refusals.kind_pauses import NOT_REMEMBERED, PauseNews
from mm_trio.refusals.memory import RefusalMemory, halve

TICK_S = 3.0
HOUR_S = 3600.0
FEW = Refused(Refusal.BALANCE, "Insufficient spot balance")
OFF_TICK = Refused(Refusal.TICK_OR_LOT, "Order has invalid price.", untouched=True)


def ask(level: int, size: int = 5) -> Quote:
    return Quote("sell", level, Decimal(20 + level), Decimal(size))


class Ticks:
    """A maker that wants what does not rest, and a venue that answers by a rule."""

    def __init__(self, wanted: Sequence[Quote], answer: Callable[[Quote], Answer]) -> None:
        self.memory, self.answer = RefusalMemory(), answer
        self.wanted = list(wanted)
        self.now_s = 0.0
        # When which item was sent, and which were refused.
        self.sent: list[tuple[float, Quote]] = []
        self.refused: list[tuple[float, Quote]] = []
        self.news: list[PauseNews] = []

    def run(self, for_s: float) -> Ticks:
        until_s = self.now_s + for_s
        while self.now_s < until_s:
            places = self.memory.choose(OrderDiff(places=self.wanted), {}, now_s=self.now_s).places
            for i in range(0, len(places), 100):
                some = [o for o in places[i : i + 100] if not self.memory.holds_back(o, now_s=self.now_s)]
                if some:
                    self._send(some)
            self.news += self.memory.take_news(now_s=self.now_s)
            self.memory.on_balances_read(is_changed=False)
            self.now_s += TICK_S
        return self

    def _send(self, places: Sequence[Quote]) -> None:
        answers = [self.answer(order) for order in places]
        self.memory.on_answers(places, answers, now_s=self.now_s)
        for order, answer in zip(places, answers, strict=True):
            self.sent.append((self.now_s, order))
            if isinstance(answer, Resting):
                self.wanted.remove(order)
            else:
                self.refused.append((self.now_s, order))


def refuse(order: Quote) -> Answer:
    return FEW


def test_an_item_refused_once_is_not_sent_at_the_next_emit() -> None:
    ticks = Ticks([ask(1)], refuse).run(3 * TICK_S)

    assert [at_s for at_s, _ in ticks.sent] == [0, 2 * TICK_S]


def test_another_item_for_the_level_may_be_sent_at_the_next_emit() -> None:
    ticks = Ticks([ask(1)], refuse).run(TICK_S)
    ticks.wanted = [ask(1, size=4)]
    ticks.run(TICK_S)

    assert [order.size for _, order in ticks.sent] == [5, 4]


def test_from_the_second_refusal_on_a_level_pauses_twice_as_long_each_time() -> None:
    ticks = Ticks([ask(1)], refuse).run(HOUR_S)

    at_s = [at_s for at_s, _ in ticks.sent]
    gaps = [later - earlier for earlier, later in pairwise(at_s)]
    assert gaps[1:5] == [12, 21, 42, 81]
    assert set(gaps[5:]) == {300}


def test_a_success_clears_the_level() -> None:
    ticks = Ticks([ask(1)], refuse).run(100)
    ticks.answer = lambda order: Resting(1)
    ticks.run(200)

    assert ticks.memory.pausing == ()
    assert not ticks.memory.holds_back(ask(1), now_s=ticks.now_s)


def test_five_levels_cost_sixty_items_in_an_hour() -> None:
    ticks = Ticks([ask(i) for i in range(5)], refuse).run(120 + HOUR_S)

    assert sum(at_s >= 120 for at_s, _ in ticks.refused) <= 60


@pytest.mark.parametrize("n_levels", [6, 40, 1000])
def test_many_levels_refused_alike_cost_sixty_items_in_an_hour(n_levels: int) -> None:
    ticks = Ticks([ask(i) for i in range(n_levels)], refuse).run(120 + HOUR_S)

    assert sum(at_s >= 120 for at_s, _ in ticks.refused) <= 60


def test_a_kind_is_probed_with_one_item_after_ten_seconds_and_then_twice_as_late() -> None:
    ticks = Ticks([ask(i) for i in range(40)], refuse).run(200)

    assert [at_s for at_s, _ in ticks.sent if at_s > 0] == [12, 33, 75, 135, 195]


def test_what_was_not_refused_goes_on_while_its_kind_pauses() -> None:
    ticks = Ticks([ask(i) for i in range(40)], lambda o: FEW if o.level_index >= 20 else Resting(1)).run(300)

    assert {order.level_index for order in ticks.wanted} == set(range(20, 40))


@pytest.mark.parametrize("n_levels", [6, 40, 1000])
def test_all_rests_ten_minutes_after_the_cause_is_gone(n_levels: int) -> None:
    ticks = Ticks([ask(i) for i in range(n_levels)], refuse).run(HOUR_S)
    ticks.answer = lambda order: Resting(1)
    ticks.run(600)

    assert ticks.wanted == []
    assert ticks.memory.pausing == ()


@pytest.mark.parametrize("first_free, last_free", [(0, 10), (30, 40), (15, 25)])
def test_levels_whose_cause_is_gone_are_found_among_the_others(first_free: int, last_free: int) -> None:
    ticks = Ticks([ask(i) for i in range(40)], refuse).run(HOUR_S)
    ticks.answer = lambda o: Resting(1) if first_free <= o.level_index < last_free else FEW
    ticks.run(1800)

    assert not {order.level_index for order in ticks.wanted} & set(range(first_free, last_free))


def test_a_pause_is_told_once_when_it_begins_and_once_when_it_ends() -> None:
    ticks = Ticks([ask(i) for i in range(40)], refuse).run(HOUR_S)
    ticks.answer = lambda order: Resting(1)
    ticks.run(600)

    assert [(news.kind, news.lasted_s is None) for news in ticks.news] == [
        (Refusal.BALANCE, True),
        (Refusal.BALANCE, False),
    ]


def test_a_refusal_of_everything_stops_what_was_not_sent_yet() -> None:
    """Two hundred items: the second hundred has the same signer."""
    signer = Refused(Refusal.SIGNER, "User or API Wallet 0xabc does not exist.", untouched=True)
    ticks = Ticks([ask(i) for i in range(200)], lambda order: signer).run(TICK_S)

    assert len(ticks.sent) == 100


def test_words_that_nobody_knows_count_as_a_refusal() -> None:
    ticks = Ticks([ask(i) for i in range(40)], lambda o: Unknown("refused", says="No.")).run(120 + HOUR_S)

    assert sum(at_s >= 120 for at_s, _ in ticks.refused) <= 60


@pytest.mark.parametrize("refusal", [Refusal.BUDGET, Refusal.EXPIRED, Refusal.NONCE, Refusal.NOT_SENT])
def test_kinds_with_a_remedy_of_their_own_are_not_remembered(refusal: Refusal) -> None:
    ticks = Ticks([ask(1)], lambda order: Refused(refusal, "no")).run(5 * TICK_S)

    assert len(ticks.sent) == 5


def test_after_too_small_a_balance_that_side_places_nothing_until_balances_are_read() -> None:
    memory = RefusalMemory()
    memory.choose(OrderDiff(), {}, now_s=0)
    memory.on_answers([ask(1)], [FEW], now_s=0)

    assert memory.holds_back(ask(2), now_s=100)
    memory.on_balances_read(is_changed=False)
    assert not memory.holds_back(ask(2), now_s=100)


@pytest.mark.parametrize("size, waits", [(4, False), (5, False), (6, True)])
def test_until_balances_are_read_only_what_needs_more_waits(size: int, waits: bool) -> None:
    memory = RefusalMemory()
    memory.on_answers([ask(1)], [FEW], now_s=0)
    present = TrackedOrder.of(7, ask(2))

    assert memory.holds_back(ask(2, size=size), now_s=100, instead_of=present) is waits


def test_a_changed_balance_is_tried_at_once() -> None:
    ticks = Ticks([ask(i) for i in range(40)], refuse).run(HOUR_S)
    n_sent = len(ticks.sent)
    ticks.memory.on_balances_read(is_changed=True)
    ticks.run(TICK_S)

    assert len(ticks.sent) == n_sent + 1


def test_what_is_wanted_no_longer_is_forgotten() -> None:
    ticks = Ticks([ask(i) for i in range(40)], refuse).run(100)
    ticks.wanted = []
    ticks.run(700)

    assert ticks.memory.pausing == ()


def test_a_batch_refused_whole_is_split_until_one_item_is_left() -> None:
    memory = RefusalMemory()

    assert memory.is_split([OFF_TICK] * 2)
    assert not memory.is_split([OFF_TICK])
    assert not memory.is_split([FEW] * 2)


def test_a_batch_is_split_between_its_sides_first() -> None:
    bid = Quote("buy", 0, Decimal(20), Decimal(5))

    assert halve([ask(1), bid, ask(2)], ["sell", "buy", "sell"]) == ([ask(1), ask(2)], [bid])
    assert halve([ask(1), ask(2), ask(3)], ["sell"] * 3) == ([ask(1)], [ask(2), ask(3)])


# Cancels, and lost races


HALTED = Refused(Refusal.HALTED, "Trading is halted.", untouched=True)
GONE = Refused(Refusal.GONE, "Order was never placed, already canceled, or filled.")


def spend_on_cancels(answer: Answer, *, n_orders: int, for_s: float, insists: bool = False) -> list[float]:
    """Return when cancels were sent of orders that never leave."""
    memory, sent_s, now_s = RefusalMemory(), list[float](), 0.0
    while now_s < for_s:
        cancels = memory.choose(OrderDiff(cancels=range(n_orders)), {}, now_s=now_s, insists=insists).cancels
        if cancels:
            memory.on_cancel_answers(sorted(cancels), [answer] * len(cancels), now_s=now_s)
            sent_s += [now_s] * len(cancels)
        now_s += TICK_S
    return sent_s


@pytest.mark.parametrize("answer", [HALTED, Refused(Refusal.OTHER, "No."), Unknown("refused", says="No.")])
@pytest.mark.parametrize("n_orders", [1, 5, 6, 40])
def test_refused_cancels_cost_sixty_items_in_an_hour(answer: Answer, n_orders: int) -> None:
    sent_s = spend_on_cancels(answer, n_orders=n_orders, for_s=120 + HOUR_S)

    assert sum(at_s >= 120 for at_s in sent_s) <= 60


def test_a_shutdown_cancels_again_whatever_was_refused() -> None:
    assert len(spend_on_cancels(HALTED, n_orders=40, for_s=3 * TICK_S, insists=True)) == 120


def test_refused_cancels_hold_no_orders_back() -> None:
    memory = RefusalMemory()
    memory.on_cancel_answers([1, 2, 3, 4, 5, 6, 7], [Refused(Refusal.OTHER, "No.")] * 7, now_s=0)

    assert not memory.holds_back(ask(1), now_s=1)
    assert [(news.what, news.n_items) for news in memory.pausing] == [("cancels", 7)]


def test_lost_races_of_many_levels_are_no_pause() -> None:
    memory = RefusalMemory()
    memory.choose(OrderDiff(), {}, now_s=0)
    memory.on_answers([ask(i) for i in range(40)], [GONE] * 40, now_s=0)

    assert memory.pausing == ()
    assert not memory.holds_back(ask(7, size=1), now_s=0)


def test_a_venue_that_denies_an_order_again_and_again_is_not_asked_at_every_tick() -> None:
    ticks = Ticks([ask(1)], lambda order: GONE).run(120 + HOUR_S)

    assert sum(at_s >= 120 for at_s, _ in ticks.sent) <= 12


def test_all_kinds_together_cost_at_most_fifteen_hundred_items_in_an_hour() -> None:
    """A kind that its own remedy ends is not remembered; any other has forty levels, and forty cancels."""
    n_orders = 0
    for kind in [kind for kind in Refusal if kind not in NOT_REMEMBERED and kind is not Refusal.GONE]:
        refused = Refused(kind, "no")
        ticks = Ticks([ask(i) for i in range(40)], partial(return_it, refused)).run(120 + HOUR_S)
        n_orders += sum(at_s >= 120 for at_s, _ in ticks.sent)
    n_cancels = sum(at_s >= 120 for at_s in spend_on_cancels(HALTED, n_orders=40, for_s=120 + HOUR_S))

    assert n_orders + n_cancels * 8 <= 1500  # No cancel is refused for its price, size or worth.


def return_it(answer: Answer, order: Quote) -> Answer:
    return answer


# Several causes at once


def test_items_that_two_kinds_pause_are_probed_together() -> None:
    """Each kind alone would choose another item, and none of them would ever be sent."""
    words = {"few": FEW, "halted": HALTED}
    ticks = Ticks([ask(i) for i in range(40)], refuse)
    ticks.run(130)
    ticks.answer = lambda order: words["halted"]
    ticks.run(60)
    n_sent = len(ticks.sent)
    ticks.run(HOUR_S)
    ticks.answer = lambda order: Resting(1)
    n_while_both = len(ticks.sent) - n_sent
    ticks.run(600)

    assert 0 < n_while_both <= 120
    assert ticks.wanted == []


@pytest.mark.parametrize("first_s", [30, 60, 120, 300])
def test_probes_of_two_kinds_do_not_hold_each_other_back_for_ever(first_s: float) -> None:
    """All levels are refused for one reason, and then one of them once as everything would be."""
    ticks = Ticks([ask(i) for i in range(12)], refuse).run(first_s)
    n_before = len(ticks.sent)
    ticks.answer = lambda order: HALTED if len(ticks.sent) == n_before else Resting(1)
    ticks.run(600)

    assert ticks.wanted == []


def test_a_probe_that_cannot_be_sent_is_not_waited_for() -> None:
    """The innermost item always lacks funds, so it never leaves."""
    memory, quotes = RefusalMemory(), [ask(i) for i in range(10)]
    memory.choose(OrderDiff(places=quotes), {}, now_s=0)
    memory.on_answers(quotes, [FEW] * 10, now_s=0)
    memory.on_balances_read(is_changed=False)

    chosen = set[Quote]()
    for n in range(20):
        chosen.update(memory.choose(OrderDiff(places=quotes), {}, now_s=10 + n * TICK_S).places)

    assert len(chosen) > 5
