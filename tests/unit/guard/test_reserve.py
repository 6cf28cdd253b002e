"""Which nonces are kept for cancels of a dead maker, by the sandbox's rules for nonces."""

from __future__ import annotations

import pytest

from mm_trio.guard.reserve import (
    AHEAD_MS,
    HOUR_MS,
    MOST_ACTIONS,
    MOST_SPENT,
    NO_RESERVE,
    RENEW_MS,
    Reserve,
)
from mm_trio.sandbox.api.nonces import KEPT_NONCES, Nonces

NOW_MS = 1_790_000_000_000


def test_new_nonces_are_hours_ahead() -> None:
    reserve = NO_RESERVE.renew(NOW_MS)

    assert reserve.first == NOW_MS + AHEAD_MS
    assert not reserve.is_due(NOW_MS)


@pytest.mark.parametrize("passed_ms, is_due", [(AHEAD_MS - RENEW_MS, False), (AHEAD_MS - RENEW_MS + 1, True)])
def test_nonces_are_new_again_when_two_hours_are_left(passed_ms: int, is_due: bool) -> None:
    assert NO_RESERVE.renew(NOW_MS).is_due(NOW_MS + passed_ms) is is_due


def test_nonces_beyond_what_we_reserve_are_not_used() -> None:
    """A clock that was ahead drew them, and the venue refuses what is a day ahead."""
    assert NO_RESERVE.renew(NOW_MS + 12 * HOUR_MS).is_due(NOW_MS)


@pytest.mark.parametrize("n_actions, n_volleys", [(0, 0), (1, 3), (10, 3), (11, 2), (15, 2), (16, 1), (25, 1)])
def test_there_are_as_many_volleys_as_nonces_allow(n_actions: int, n_volleys: int) -> None:
    volleys = NO_RESERVE.renew(NOW_MS).number_volleys(n_actions)

    assert [len(volley) for volley in volleys] == [n_actions] * n_volleys


def test_an_action_has_the_same_nonce_in_every_file() -> None:
    reserve = NO_RESERVE.renew(NOW_MS)

    small, large = reserve.number_volleys(2), reserve.number_volleys(9)

    assert [volley[:2] for volley in large] == small


@pytest.mark.parametrize("n_actions", range(1, MOST_ACTIONS + 1))
def test_every_nonce_that_is_signed_with_is_known_as_signed(n_actions: int) -> None:
    """They are burnt by this list."""
    reserve = NO_RESERVE.renew(NOW_MS).widen(n_actions)
    used = {nonce for n in range(1, n_actions + 1) for volley in reserve.number_volleys(n) for nonce in volley}

    assert used <= set(reserve.list_signed())


def test_used_nonces_are_remembered_until_the_time_has_passed_them() -> None:
    first = NO_RESERVE.renew(NOW_MS).widen(1)

    second = first.renew(NOW_MS + 5, used=first.list_signed())
    third = second.renew(NOW_MS + AHEAD_MS + HOUR_MS)

    assert second.spent == tuple(first.list_signed())
    assert third.spent == ()


def test_new_nonces_are_none_of_the_old_ones() -> None:
    first = NO_RESERVE.renew(NOW_MS)

    second = first.renew(NOW_MS)

    assert second.first >= first.first + 3 * MOST_ACTIONS


def test_too_many_spent_nonces_leave_no_volley() -> None:
    """Else the hundred highest of the venue were all ours, and it would refuse every action of the maker."""
    spent = tuple(range(NOW_MS, NOW_MS + MOST_SPENT - 1))

    assert len(Reserve(NOW_MS + AHEAD_MS, 0, spent).number_volleys(1)) == 1
    assert Reserve(NOW_MS + AHEAD_MS, 0, (*spent, NOW_MS + MOST_SPENT)).number_volleys(1) == []


def test_the_venue_takes_a_reserved_nonce_after_thousands_of_others_until_its_own_time() -> None:
    nonces, (volley, *_) = Nonces(), NO_RESERVE.renew(NOW_MS).number_volleys(3)
    for n in range(5000):
        assert nonces.admit(NOW_MS + n * 13_000, now_ms=NOW_MS + n * 13_000) is None

    assert [nonces.admit(nonce, now_ms=NOW_MS + 5000 * 13_000) for nonce in volley] == [None] * 3


def test_as_many_spent_nonces_as_we_allow_leave_the_maker_its_own() -> None:
    nonces = Nonces()
    for n in range(MOST_SPENT):
        assert nonces.admit(NOW_MS + AHEAD_MS + n, now_ms=NOW_MS) is None

    refused = [text for n in range(3 * KEPT_NONCES) if (text := nonces.admit(NOW_MS + n, now_ms=NOW_MS + n))]

    assert refused == []
