"""Statistics of a run: its sums, and which events count as errors."""

from __future__ import annotations

import json
from math import inf

import pytest
from core_kit import dec

from mm_trio.model.orders import FillResult
from mm_trio.model.replies import Answer, Cancelled, Refusal, Refused, Resting, Unknown
from mm_trio.state.stats import RunStats

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


def test_items_are_told_per_thousand_filled_and_the_budget_is_forecast_at_their_rate() -> None:
    stats = RunStats(items=460, fill_volume=dec(100))
    assert stats.forecast_hours(7200, 59) is None
    assert stats.forecast_hours(7200, 3600) == 7200 / 360
    assert stats.forecast_hours(-5, 3600) == 0
    assert RunStats(items=40, fill_volume=dec(100)).forecast_hours(7200, 3600) == inf
    assert (stats.items_per_1000, RunStats().items_per_1000) == (4600, None)


def test_a_summary_tells_what_was_used_and_how_long_the_rest_lasts() -> None:
    stats = RunStats(items=460, fill_volume=dec(100))
    stats.on_tick(10, budget_left=9000)
    assert stats.to_json()["budget_hours"] is None
    stats.on_tick(3610, budget_left=7200)

    told = stats.to_json()

    assert (told["ticks"], told["items_per_1000_filled"], told["budget_left"]) == (2, 4600.0, 7200)
    assert told["budget_hours"] == 20.0
    stats.fill_volume = dec(1000)
    assert stats.to_json()["budget_hours"] is None  # it grows
    assert json.dumps(RunStats().to_json())
