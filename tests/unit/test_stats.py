"""What counts as an error of a run, and what a run adds up."""

from __future__ import annotations

import pytest
from core_kit import dec

from mm_trio.model import Answer, Cancelled, FillResult, Refusal, Refused, Resting, Unknown
from mm_trio.stats import RunStats

LOST_RACES = {Refusal.WOULD_CROSS, Refusal.GONE, Refusal.BUDGET}


def test_fills_add_up_with_their_volume() -> None:
    stats = RunStats()
    for size in (2, 3):
        stats.on_fill(FillResult("buy", 1, dec("20.06"), dec(size), False))

    assert (stats.fills, stats.fill_volume) == (2, dec("100.30"))


@pytest.mark.parametrize("refusal", list(Refusal))
def test_a_lost_race_is_no_error_and_every_other_refusal_is_one(refusal: Refusal) -> None:
    stats = RunStats()
    stats.on_answers((Refused(refusal, "no"), Resting(1)))

    assert stats.errors == (0 if refusal in LOST_RACES else 1)
    assert (stats.requests, stats.items) == (1, 2)


@pytest.mark.parametrize(
    "answers, errors",
    [
        ((Resting(1), Cancelled()), 0),
        ((Unknown("lost"),) * 3, 1),  # one request unanswered
        ((Unknown("lost"), Refused(Refusal.BALANCE, "no"), Refused(Refusal.BALANCE, "no")), 3),
    ],
)
def test_an_unanswered_request_is_one_error(answers: tuple[Answer, ...], errors: int) -> None:
    stats = RunStats()
    stats.on_answers(answers)

    assert stats.errors == errors
