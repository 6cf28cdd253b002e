"""What one emit learns from its answers."""

from __future__ import annotations

import pytest

from mm_trio.model.replies import Answer, Refusal, Refused, Resting, Unknown
from mm_trio.sending.emission import Emission
from mm_trio.state.rate_limit import RateLimitBudget

NO_BUDGET = Refused(Refusal.BUDGET, "Too many cumulative requests sent", untouched=True)


@pytest.mark.parametrize(
    "answer, is_out",
    [
        (NO_BUDGET, True),
        (Unknown("sent twice", second=NO_BUDGET), True),
        (Unknown("no answer"), False),
        (Resting(7), False),
    ],
)
def test_a_used_up_budget_is_learnt_from_a_second_sending_too(answer: Answer, is_out: bool) -> None:
    emission = Emission(RateLimitBudget(), 0.0, unwanted_oids=())

    emission.on_answers((answer,))

    assert emission.is_out_of_budget is is_out
    assert (emission.budget.remaining() <= 0) is is_out


def test_a_budget_that_the_venue_refused_to_another_grid_is_used_up_for_this_one_too() -> None:
    budget = RateLimitBudget()
    first, second = (Emission(budget, 0.0, unwanted_oids=()) for _ in range(2))

    first.on_answers((NO_BUDGET,))

    assert second.is_out_of_budget
    assert not Emission(budget, 1.0, unwanted_oids=()).is_out_of_budget
