"""A link works once, and a cookie until so many others were set."""

from __future__ import annotations

from mm_trio.web.access import MOST_COOKIES, Access


def test_a_link_works_once_and_another_follows() -> None:
    told: list[str] = []
    access = Access()
    access.on_new_token(told.append)
    token = access.token

    value = access.enter(token)

    assert value is not None
    assert access.knows(value)
    assert access.enter(token) is None
    assert told == [access.token]
    assert access.token != token
    assert not access.knows(token)


def test_the_oldest_cookie_is_forgotten() -> None:
    access = Access()
    values = [access.enter(access.token) or "" for _ in range(MOST_COOKIES + 1)]

    assert [access.knows(value) for value in values] == [False] + [True] * MOST_COOKIES


def test_nothing_secret_is_shown() -> None:
    access = Access()

    assert access.token not in repr(access)
