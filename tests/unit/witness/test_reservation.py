"""What a reservation covers, and when a new one is due."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mm_trio.model.cloid import CloidParts, encode_cloid
from mm_trio.model.journal_entries import Released, Requested, Reserved, Sent
from mm_trio.model.orders import Quote
from mm_trio.witness.fill_check import LIFE_MS
from mm_trio.witness.nonces import Nonces
from mm_trio.witness.reservation import GRACE_MS, LEAD_MS, MOST_ORDERS, Reservation, find_over_ms
from mm_trio.witness.venue_clock import VenueClock

START_MS = 1_790_000_000_000
EPOCH = 7
QUOTE = Quote("buy", 3, Decimal("20"), Decimal(5))


class Bench:
    """A reservation, and the clock that it goes by."""

    def __init__(self) -> None:
        self.now_ms = START_MS
        self.clock = VenueClock(lambda: self.now_ms)
        self.nonces = Nonces(self.clock)
        self.reservation = Reservation(EPOCH, clock=self.clock, nonces=self.nonces)

    def reserve(self) -> Reserved:
        """Make a reservation and bring it to the disk."""
        self.reservation.begin()
        entry = self.reservation.find_wanted(spent=0.0)
        assert entry is not None
        self.reservation.on_durable(entry)
        return entry


def order(number: int = 1, *, nonce: int | None = START_MS, expires_ms: int = 0, epoch: int = EPOCH) -> Sent:
    cloid = encode_cloid(CloidParts(epoch, QUOTE.side, QUOTE.level_index, number))
    return Sent(cloid, QUOTE, None, nonce, expires_ms or START_MS + LIFE_MS)


def test_nothing_is_covered_before_a_reservation_is_durable() -> None:
    bench = Bench()
    bench.reservation.begin()
    entry = bench.reservation.find_wanted(spent=0.0)
    before = bench.reservation.covers()
    assert entry is not None
    bench.reservation.on_durable(entry)

    assert (before, bench.reservation.covers()) == (False, True)


def test_a_session_that_does_not_reserve_wants_no_entry() -> None:
    assert Bench().reservation.find_wanted(spent=0.0) is None


def test_an_order_within_it_is_covered() -> None:
    bench = Bench()
    bench.reserve()
    bench.reservation.note(order(MOST_ORDERS, nonce=START_MS + LEAD_MS - 1, expires_ms=START_MS + LEAD_MS + LIFE_MS))

    assert bench.reservation.covers()


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param(order(MOST_ORDERS + 1), id="number"),
        pytest.param(order(nonce=START_MS + LEAD_MS), id="nonce"),
        pytest.param(order(expires_ms=START_MS + LEAD_MS + LIFE_MS + 1), id="deadline"),
        pytest.param(order(epoch=EPOCH + 1), id="session"),
        pytest.param(order(nonce=None), id="a nonce that is not ours"),
        pytest.param(Requested(START_MS + LEAD_MS, "bulk_cancel", 1, "", 0), id="nonce of a cancel"),
    ],
)
def test_what_is_beyond_it_is_not_covered(entry: Sent | Requested) -> None:
    bench = Bench()
    bench.reserve()
    bench.reservation.note(entry)

    assert not bench.reservation.covers()


def test_a_new_one_covers_what_was_beyond_the_old_one() -> None:
    bench = Bench()
    bench.reserve()
    bench.reservation.note(order(MOST_ORDERS + 1))
    bench.reserve()

    assert bench.reservation.covers()


def test_nothing_is_covered_once_it_is_released() -> None:
    bench = Bench()
    entry = bench.reserve()
    released = bench.reservation.release()
    # A write that was under way at that moment.
    bench.reservation.on_durable(entry)

    assert (released, bench.reservation.covers()) == (Released(EPOCH), False)


def test_one_that_never_began_needs_no_release() -> None:
    assert Bench().reservation.release() is None


def test_a_fresh_one_is_not_made_anew() -> None:
    bench = Bench()
    bench.reserve()
    bench.now_ms += LEAD_MS // 2

    assert bench.reservation.find_wanted(spent=0.5) is None


def test_one_that_is_half_over_is_made_anew() -> None:
    bench = Bench()
    bench.reserve()
    bench.now_ms += LEAD_MS // 2 + 1

    assert bench.reservation.find_wanted(spent=0.5) == Reserved(
        EPOCH, MOST_ORDERS, bench.now_ms + LEAD_MS, bench.now_ms + LEAD_MS + LIFE_MS
    )


def test_one_whose_numbers_are_half_used_is_made_anew() -> None:
    bench = Bench()
    bench.reserve()
    bench.reservation.note(order(MOST_ORDERS // 2 + 1))
    entry = bench.reservation.find_wanted(spent=0.5)

    assert entry is not None
    assert entry.number == MOST_ORDERS // 2 + 1 + MOST_ORDERS


def test_its_nonces_begin_above_the_last_one() -> None:
    bench = Bench()
    bench.nonces.last = START_MS + 60_000

    assert bench.reserve().nonce == START_MS + 60_000 + LEAD_MS


def test_a_checkpoint_has_the_latest_one() -> None:
    bench = Bench()
    entry = bench.reserve()

    assert bench.reservation.summarise() == (entry,)


def test_after_the_life_of_an_order_and_some_grace_none_can_arrive() -> None:
    assert find_over_ms(Bench().clock) == START_MS + LIFE_MS + GRACE_MS
