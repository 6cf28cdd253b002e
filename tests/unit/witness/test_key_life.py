"""Warnings of the end of a key: at 14, 7, 3 and 1 days, once each."""

from __future__ import annotations

import pytest

from mm_trio.model.replies import ListedAgent
from mm_trio.witness.key_life import LOOK_EVERY_S, RETRY_S, KeyLife

DAY_MS = 86_400_000
NOW_MS = 1_795_000_000_000
ADDRESS, OWNER = ("0x" + 20 * pair for pair in ("ab", "cd"))
OTHER = ListedAgent("other", OWNER, NOW_MS + DAY_MS)


def listed(days: float | None, *, name: str = "bot") -> ListedAgent:
    return ListedAgent(name, ADDRESS, None if days is None else NOW_MS + round(days * DAY_MS))


def make_life() -> KeyLife:
    return KeyLife(ADDRESS.upper().replace("0X", "0x"), owner=OWNER)


def tell(life: KeyLife, agent: ListedAgent | None, *, after_days: float = 0.0) -> float | None:
    """The days left that are told, -1 for a key that is gone, None for nothing."""
    now_ms = NOW_MS + round(after_days * DAY_MS)
    news = life.on_listed([OTHER, *([] if agent is None else [agent])], now_ms=now_ms)
    return None if news is None else -1 if news.days_left is None else round(news.days_left, 2)


def test_each_warning_comes_once_in_the_life_of_a_key() -> None:
    life, agent = make_life(), listed(20)

    told = [tell(life, agent, after_days=day / 4) for day in range(80)]

    assert [days for days in told if days is not None] == [14, 7, 3, 1]


@pytest.mark.parametrize(("days", "told"), [(14.01, None), (14, 14), (10, 10), (6.5, 6.5), (2, 2), (0.1, 0.1)])
def test_a_start_warns_of_the_nearest_alone(days: float, told: float | None) -> None:
    life, agent = make_life(), listed(days)

    assert (tell(life, agent), tell(life, agent)) == (told, None)


def test_an_agent_approved_anew_is_told_of_anew() -> None:
    life = make_life()
    assert tell(life, listed(5)) == 5

    assert tell(life, listed(100)) is None
    assert tell(life, listed(100), after_days=94) == 6


def test_a_key_that_is_not_listed_any_more_is_told_once() -> None:
    life = make_life()
    tell(life, listed(100))

    assert (tell(life, None), tell(life, None)) == (-1, None)


@pytest.mark.parametrize("agent", [None, listed(None)])
def test_a_key_without_an_end_is_never_told(agent: ListedAgent | None) -> None:
    life = make_life()

    assert [tell(life, agent, after_days=days) for days in range(200)] == [None] * 200


@pytest.mark.parametrize(
    ("days", "pause_days"),
    [(None, 1), (100, 1), (14.5, 0.5), (14, 1), (7.25, 0.25), (3.1, 0.1), (1.01, 0.01), (0.5, 0.5), (-1, 1)],
)
def test_the_next_look_is_within_a_day_and_when_a_warning_is_due(days: float | None, pause_days: float) -> None:
    life = make_life()
    tell(life, listed(days))

    assert life.compute_pause_s(NOW_MS) == pytest.approx(pause_days * LOOK_EVERY_S, abs=1.5)


def test_looks_at_their_moments_tell_every_warning() -> None:
    life, agent, after_s, told = make_life(), listed(30), 0.0, []
    while after_s < 30 * LOOK_EVERY_S:
        told.append(tell(life, agent, after_days=after_s / LOOK_EVERY_S))
        after_s += life.compute_pause_s(NOW_MS + round(1000 * after_s))

    assert [days for days in told if days is not None] == [14, 7, 3, 1]


def test_a_key_that_was_never_looked_up_is_looked_up_soon() -> None:
    assert make_life().compute_pause_s(NOW_MS) == RETRY_S
