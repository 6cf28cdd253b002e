"""Cancels that a maker signs in advance, carried out by an exchange with the venue's rules for nonces."""

from __future__ import annotations

import logging
import os
import stat
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from guard_kit import ACCOUNT, HOUR_MS, START_MS, GuardedVenue, Orders, make_cover, read_cancels

from mm_trio.concurrency.blocking_calls import QUICK_S
from mm_trio.guard.reserve import AHEAD_MS, MOST_SPENT
from mm_trio.guard.signed_file import CANCELS_NAME, SignedCancels, write_fired
from mm_trio.model.orders import Phase, Quote, TrackedOrder

DUPLICATE = "duplicate nonce"


def cover_now(venue: GuardedVenue, folder: Path, orders: Orders, **changed: Any) -> SignedCancels:
    make_cover(venue, folder, orders, **changed).make_cover()()
    return read_cancels(folder)


def fire(venue: GuardedVenue, cancels: SignedCancels, volley: int = 0) -> list[str]:
    """What comes of a volley: `ok`, or the refusal."""
    answers = [venue.post(action) for action in cancels.volleys[volley]]
    return [answer["response"] if answer["status"] == "err" else "ok" for answer in answers]


def test_the_file_has_an_order_before_it_is_sent(tmp_path: Path) -> None:
    venue = GuardedVenue()
    intents = [venue.make_intent() for _ in range(40)]

    cancels = cover_now(venue, tmp_path, Orders(in_flight=intents))
    venue.place(*intents)

    assert fire(venue, cancels) == ["ok"]
    assert venue.list_resting() == set()


def test_an_adopted_order_without_a_cloid_is_cancelled_by_its_oid(tmp_path: Path) -> None:
    venue = GuardedVenue()
    (intent,) = [venue.make_intent()]
    (oid,) = venue.place(intent)

    cancels = cover_now(venue, tmp_path, Orders(resting=[TrackedOrder.of(oid, intent.quote)]))

    assert cancels.names == {oid}
    assert fire(venue, cancels) == ["ok"]
    assert venue.list_resting() == set()


def test_an_order_with_a_cloid_is_named_by_it(tmp_path: Path) -> None:
    venue = GuardedVenue()
    order = TrackedOrder.of(9, Quote("buy", 3, 10, 2), Phase.IN_DOUBT, cloid=venue.make_intent().cloid)  # type: ignore[arg-type]

    assert cover_now(venue, tmp_path, Orders(resting=[order])).names == {order.cloid}


def test_hundreds_of_orders_are_cut_into_actions(tmp_path: Path) -> None:
    venue = GuardedVenue()
    intents = [venue.make_intent() for _ in range(450)]

    cancels = cover_now(venue, tmp_path, Orders(in_flight=intents))
    for n in range(0, 450, 50):
        venue.place(*intents[n : n + 50])

    assert [len(action.names) for action in cancels.volleys[0]] == [200, 200, 50]
    assert fire(venue, cancels) == ["ok"] * 3
    assert venue.list_resting() == set()


def test_the_file_is_private(tmp_path: Path) -> None:
    venue = GuardedVenue()
    cover_now(venue, tmp_path, Orders(in_flight=[venue.make_intent()]))

    assert stat.S_IMODE((tmp_path / CANCELS_NAME).stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [CANCELS_NAME]


def test_an_old_file_never_cancels_a_new_order(tmp_path: Path) -> None:
    """Whoever stole it can cancel what it names, and nothing that was placed later."""
    venue, orders = GuardedVenue(), Orders()
    cover = make_cover(venue, tmp_path, orders)
    orders.in_flight = [venue.make_intent() for _ in range(5)]
    cover.make_cover()()
    stolen = read_cancels(tmp_path)
    venue.place(*orders.in_flight)
    newer = [venue.make_intent() for _ in range(5)]
    venue.place(*newer)

    results = [fire(venue, stolen, volley) for volley in range(3)]

    assert results == [["ok"]] * 3
    assert venue.list_resting() == {intent.cloid for intent in newer}


def test_of_two_files_at_most_one_can_be_carried_out(tmp_path: Path) -> None:
    venue, orders = GuardedVenue(), Orders()
    cover = make_cover(venue, tmp_path, orders)
    files = []
    for n in (3, 250):
        orders.in_flight = [venue.make_intent() for _ in range(n)]
        cover.make_cover()()
        files.append(read_cancels(tmp_path))

    assert fire(venue, files[1]) == ["ok", "ok"]
    assert all(DUPLICATE in text for text in fire(venue, files[0]))


def test_the_same_bytes_may_be_posted_again(tmp_path: Path) -> None:
    venue = GuardedVenue()
    cancels = cover_now(venue, tmp_path, Orders(in_flight=[venue.make_intent()]))

    fire(venue, cancels)

    assert all(DUPLICATE in text for text in fire(venue, cancels))


def test_the_file_is_good_after_thousands_of_actions_and_a_restart(tmp_path: Path) -> None:
    venue, orders = GuardedVenue(), Orders(in_flight=[])
    orders.in_flight = [venue.make_intent()]
    first = cover_now(venue, tmp_path, orders)
    for n in range(5_000):
        venue.now_ms += 5_000
        if n % 50 == 0:
            venue.act("noop", [])
        else:
            # Only the nonce matters, and a signature takes a while.
            assert venue.auth._nonces[ACCOUNT].admit(venue.now_ms, now_ms=venue.now_ms) is None

    venue.now_ms += 1
    second = cover_now(venue, tmp_path, orders)
    venue.place(*orders.in_flight)

    assert second.first == first.first
    assert fire(venue, second) == ["ok"]
    assert venue.list_resting() == set()


def test_a_maker_goes_on_with_its_own_nonces_after_a_file_was_carried_out(tmp_path: Path) -> None:
    venue = GuardedVenue()
    cancels = cover_now(venue, tmp_path, Orders(in_flight=[venue.make_intent()]))
    for volley in range(3):
        fire(venue, cancels, volley)

    oids = [venue.place(venue.make_intent()) for _ in range(150)]

    assert len(oids) == 150


def test_nonces_that_a_guard_has_posted_are_not_signed_with_again(tmp_path: Path) -> None:
    venue, orders = GuardedVenue(), Orders()
    cover = make_cover(venue, tmp_path, orders)
    orders.in_flight = [venue.make_intent()]
    cover.make_cover()()
    fired = read_cancels(tmp_path)
    fire(venue, fired)
    write_fired(tmp_path, {action.nonce for action in fired.volleys[0]}, at_ms=venue.now_ms)
    venue.now_ms += 1000

    cover.refresh()()
    renewed = read_cancels(tmp_path)
    venue.place(*orders.in_flight)

    assert renewed.spent == (fired.first,)
    assert fire(venue, renewed) == ["ok"]
    assert venue.list_resting() == set()


def test_nonces_near_their_time_are_replaced_and_burnt(tmp_path: Path) -> None:
    venue, orders = GuardedVenue(), Orders()
    cover = make_cover(venue, tmp_path, orders)
    orders.in_flight = [venue.make_intent()]
    cover.make_cover()()
    old = read_cancels(tmp_path)
    venue.now_ms = START_MS + AHEAD_MS - HOUR_MS
    venue.place(*orders.in_flight)

    cover.refresh()()
    n_burnt = cover.burn()
    new = read_cancels(tmp_path)

    assert n_burnt == 3
    assert all(DUPLICATE in text for volley in range(3) for text in fire(venue, old, volley))
    assert fire(venue, new) == ["ok"]
    assert venue.list_resting() == set()


def test_a_later_session_with_another_key_takes_nonces_of_its_own(tmp_path: Path) -> None:
    venue = GuardedVenue()
    orders = Orders(in_flight=[venue.make_intent()])
    first = cover_now(venue, tmp_path, orders)
    venue.now_ms += 1000

    assert cover_now(venue, tmp_path, orders, signer="0x" + "22" * 20).first == first.first + 1000


def test_a_file_that_cannot_be_read_is_replaced(tmp_path: Path) -> None:
    venue = GuardedVenue()
    (tmp_path / CANCELS_NAME).write_text('{"version": 1')

    assert cover_now(venue, tmp_path, Orders()).first == START_MS + AHEAD_MS


def test_a_refresh_drops_what_does_not_rest_any_more(tmp_path: Path) -> None:
    venue, orders = GuardedVenue(), Orders()
    cover = make_cover(venue, tmp_path, orders)
    orders.in_flight = [venue.make_intent() for _ in range(3)]
    cover.make_cover()()
    orders.in_flight = orders.in_flight[:1]

    cover.refresh()()

    assert read_cancels(tmp_path).names == {orders.in_flight[0].cloid}


def test_a_refresh_without_news_writes_nothing(tmp_path: Path) -> None:
    venue, orders = GuardedVenue(), Orders()
    cover = make_cover(venue, tmp_path, orders)
    orders.in_flight = [venue.make_intent()]
    cover.make_cover()()
    before = (tmp_path / CANCELS_NAME).stat()

    cover.refresh()()

    after = (tmp_path / CANCELS_NAME).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_an_older_look_does_not_replace_a_newer_one(tmp_path: Path) -> None:
    """A refresh may come late to its thread, after an order was covered."""
    venue, orders = GuardedVenue(), Orders()
    cover = make_cover(venue, tmp_path, orders)
    late = cover.refresh()
    orders.in_flight = [venue.make_intent()]
    cover.make_cover()()

    late()

    assert read_cancels(tmp_path).names == {orders.in_flight[0].cloid}


def test_a_file_that_cannot_be_written_is_told_once_and_when_it_can_be(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    venue, orders = GuardedVenue(), Orders()
    cover = make_cover(venue, tmp_path / "gone", orders)
    for _ in range(3):
        orders.in_flight = [venue.make_intent()]
        cover.make_cover()()
    (tmp_path / "gone").mkdir()

    cover.refresh()()

    told = [record.getMessage() for record in caplog.records]
    assert [text.split(":")[0] for text in told] == ["guard without cancels", "guard has cancels again"]


@pytest.mark.parametrize("kind", ["make_cover", "refresh"])
def test_a_write_that_hangs_is_left_out_and_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    """Else whoever sends orders would wait for a disk."""
    caplog.set_level(logging.INFO)
    venue, orders = GuardedVenue(), Orders()
    cover = make_cover(venue, tmp_path, orders)
    # Whoever opens a pipe that nobody reads waits.
    pipe = tmp_path / f"{CANCELS_NAME}.new"
    os.mkfifo(pipe, 0o600)
    hanging = threading.Thread(target=getattr(cover, kind)())
    hanging.start()
    began_s = time.monotonic()
    for _ in range(3):
        orders.in_flight.append(venue.make_intent())
        cover.make_cover()()
    cover.refresh()()
    n_burnt, took_s = cover.burn(), time.monotonic() - began_s
    os.close(os.open(pipe, os.O_RDWR | os.O_NONBLOCK))
    hanging.join(10)
    pipe.unlink(missing_ok=True)
    cover.refresh()()

    told = [record.getMessage() for record in caplog.records]
    assert took_s < 10 * QUICK_S
    assert n_burnt == 0
    assert sum("an earlier write of the file hangs" in text for text in told) == 1
    assert told[-1].startswith("guard has cancels again")
    assert len(read_cancels(tmp_path).names) == 3


def test_too_many_spent_nonces_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    venue, orders = GuardedVenue(), Orders()
    cover = make_cover(venue, tmp_path, orders)
    for _ in range(MOST_SPENT + 1):
        orders.in_flight = [venue.make_intent()]
        cover.make_cover()()
        if volleys := read_cancels(tmp_path).volleys:
            write_fired(tmp_path, {action.nonce for action in volleys[0]}, at_ms=venue.now_ms)
            venue.now_ms += 1000

    assert "50 reserved nonces are spent" in caplog.text
    assert read_cancels(tmp_path).volleys == ()


def test_a_signature_is_not_shown(tmp_path: Path) -> None:
    venue = GuardedVenue()
    cancels = cover_now(venue, tmp_path, Orders(in_flight=[venue.make_intent()]))

    assert "signature" not in repr(cancels)
