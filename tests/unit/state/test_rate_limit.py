"""Request budget, counted as the venue counts it."""

from __future__ import annotations

from mm_trio.state.rate_limit import SLOT_EVERY_S, RateLimitBudget


def test_ten_thousand_requests_are_free() -> None:
    assert RateLimitBudget().remaining() == 10_000


def test_a_batch_costs_one_for_each_item() -> None:
    """The peer charges one a batch: twenty orders sent, one counted."""
    budget = RateLimitBudget()
    budget.on_request(20)

    assert (budget.n_requests, budget.remaining()) == (20, 9_980)


def test_a_fill_earns_its_whole_units_of_quote() -> None:
    budget = RateLimitBudget()
    budget.on_fill("100.9")
    assert (str(budget.cum_vlm), budget.remaining()) == ("100.9", 10_100)

    budget.on_fill("0.1")
    assert budget.remaining() == 10_101


def test_the_numbers_of_the_venue_replace_ours() -> None:
    budget = RateLimitBudget()
    budget.on_request(500)
    budget.sync_from_exchange("357.5", 231)

    assert (str(budget.cum_vlm), budget.n_requests, budget.remaining()) == ("357.5", 231, 10_126)


def test_a_refusal_is_free_and_means_an_empty_budget() -> None:
    """The budget stays empty until the venue reports a higher limit."""
    budget = RateLimitBudget()
    budget.on_request(20)
    budget.on_refused(20)
    assert (budget.n_requests, budget.remaining()) == (0, 0)

    budget.sync_from_exchange(0, 40)
    assert budget.remaining() == 9_960


def test_a_spent_budget_may_be_below_zero() -> None:
    budget = RateLimitBudget()
    budget.sync_from_exchange(0, 10_005)
    assert budget.remaining() == -5

    budget.on_refused(1)
    assert budget.remaining() == -4


def test_the_slot_is_free_again_some_seconds_after_the_answer() -> None:
    budget = RateLimitBudget()
    assert budget.slot_is_free(0.0)
    budget.on_slot_taken(100.0)

    assert not budget.slot_is_free(100.0 + SLOT_EVERY_S - 0.1)
    assert budget.slot_is_free(100.0 + SLOT_EVERY_S)
    assert SLOT_EVERY_S > 10
