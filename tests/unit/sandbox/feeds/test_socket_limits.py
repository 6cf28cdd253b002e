"""Limits shared by the sockets of one address."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ws_kit import HYPE, MAKER, TAKER, Venue

from mm_trio.sandbox.feeds.socket_limits import Share, WsLimits
from mm_trio.sandbox.model.limits import Limits

HOME, AWAY = "127.0.0.1", "::1"
USERS = ["0x" + f"{i:040x}" for i in range(20)]


class Doorman:
    """Limits, and a time that the test moves."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.now_s = 0.0
        self.limits = WsLimits(limits or Limits(), now_s=lambda: self.now_s)

    def admit(self, address: str = HOME) -> Share:
        share = self.limits.admit(address)
        assert share is not None
        return share


def test_the_eleventh_connection_of_an_address_is_one_too_many_until_one_ends() -> None:
    doorman = Doorman()
    shares = [doorman.admit() for _ in range(10)]

    assert doorman.limits.admit(HOME) is None
    assert doorman.limits.admit(AWAY) is not None
    shares[3].close()
    shares[3].close()
    assert doorman.limits.admit(HOME) is not None
    assert doorman.limits.admit(HOME) is None


def test_the_thirty_first_new_connection_within_a_minute_is_one_too_many() -> None:
    doorman = Doorman()
    for _ in range(30):
        doorman.admit().close()
        doorman.now_s += 1

    assert doorman.limits.admit(HOME) is None
    doorman.now_s = 59.9
    assert doorman.limits.admit(HOME) is None  # The refused connection does not count.
    doorman.now_s = 60.0
    assert doorman.limits.admit(HOME) is not None
    assert doorman.limits.admit(HOME) is None


def test_two_thousand_messages_a_minute_are_shared_by_all_sockets_of_an_address() -> None:
    doorman = Doorman()
    one, other = doorman.admit(), doorman.admit()
    assert all(share.admit_message() is None for share in [one, other] * 1000)

    assert one.admit_message() == other.admit_message() == "Cannot send more than 2000 messages per minute."
    assert doorman.admit(AWAY).admit_message() is None
    doorman.now_s = 60.0
    assert one.admit_message() is None


def test_a_thousand_subscriptions_are_shared_and_free_again_when_their_socket_ends() -> None:
    doorman = Doorman()
    one, other = doorman.admit(), doorman.admit()
    assert all(share.subscribe(None) is None for share in [one, other] * 500)

    assert one.subscribe(None) == "Cannot subscribe to more than 1000 channels."
    one.unsubscribe(None)
    assert one.subscribe(None) is None
    other.close()
    assert all(one.subscribe(None) is None for _ in range(500))
    assert one.subscribe(None) is not None


def test_ten_users_are_shared_and_a_user_is_free_with_his_last_subscription() -> None:
    doorman = Doorman()
    one, other = doorman.admit(), doorman.admit()
    for i, user in enumerate(USERS[:10]):
        assert (one, other)[i % 2].subscribe(user) is None
    assert other.subscribe(USERS[0]) is None

    for share in (one, other):
        assert share.subscribe(USERS[10]) == "Cannot track more than 10 total users."
        assert share.subscribe(None) is None
        assert share.subscribe(USERS[9]) is None
    one.unsubscribe(USERS[0])
    assert one.subscribe(USERS[10]) is not None  # The other socket still follows that user.
    other.close()
    assert one.subscribe(USERS[10]) is None


def test_a_hundred_posts_may_be_on_their_way() -> None:
    doorman = Doorman()
    one, other = doorman.admit(), doorman.admit()
    assert all(share.begin_post(1) is None for share in [one, other] * 50)

    assert one.begin_post(77) == "too many pending post requests id=77"
    other.end_post()
    assert one.begin_post(78) is None
    other.close()
    other.end_post()  # Its answer comes after the socket was closed.
    assert all(one.begin_post(1) is None for _ in range(49))
    assert one.begin_post(1) is not None


@pytest.mark.parametrize("limits", [Limits.off(), replace(Limits(), ws_users=None)])
def test_none_switches_a_bound_off(limits: Limits) -> None:
    share = Doorman(limits).admit()

    assert all(share.subscribe(user) is None for user in USERS)


def test_without_bounds_nothing_is_remembered_of_an_address_that_left() -> None:
    doorman = Doorman(Limits.off())

    for i in range(100):
        doorman.admit(f"127.0.0.{i}").close()

    assert len(doorman.limits._clients) <= 1


def test_a_subscription_beyond_the_bounds_is_an_error_frame_and_none() -> None:
    venue = Venue()
    line = venue.line()
    share = Doorman(replace(Limits(), ws_users=1, ws_subscriptions=3)).admit()
    line.connection.limit_by(share)
    line.subscribe(type="orderUpdates", user=MAKER)
    line.take()

    line.subscribe(type="orderUpdates", user=TAKER)
    assert line.error() == "Cannot track more than 1 total users."
    line.subscribe(type="bbo", coin=HYPE)
    line.subscribe(type="trades", coin=HYPE)
    line.take()
    line.subscribe(type="allMids")
    assert line.error() == "Cannot subscribe to more than 3 channels."
    line.unsubscribe(type="orderUpdates", user=MAKER)
    line.unsubscribe(type="orderUpdates", user=MAKER)  # Already unsubscribed, so it releases nothing.
    line.take()
    assert len(line.subscribe(type="orderUpdates", user=TAKER)) == 1
    line.subscribe(type="orderUpdates", user=TAKER)
    assert line.take()[-1]["data"].startswith("Already subscribed: ")
