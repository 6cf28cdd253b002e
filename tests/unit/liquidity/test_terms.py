"""Terms of an agreement: what is allowed, and what is said of the rest."""

from __future__ import annotations

from typing import Any

import pytest

from mm_trio.liquidity.presets import PRESETS, read_preset
from mm_trio.liquidity.terms import TermsError, read_terms

CLAUSE = {"name": "up", "side": "both", "at_least": "0.95"}
WHOLE = {"within_pct": "2", "target_bps": "30", "clause": [CLAUSE]}


def find_problems(document: dict[str, Any]) -> tuple[str, ...]:
    with pytest.raises(TermsError) as caught:
        read_terms(document)
    return caught.value.problems


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_terms_that_are_written_are_read_again(name: str) -> None:
    terms = read_preset(name)

    assert read_terms(terms.to_json()) == terms


def test_numbers_of_a_toml_file_are_read_as_written() -> None:
    terms = read_terms({"within_pct": 2, "target_bps": 30.5, "clause": [{**CLAUSE, "at_least": 0.1}]})

    assert terms.to_json()["target_bps"] == "30.5"
    assert terms.clauses[0].to_json()["at_least"] == "0.1"


def test_an_unknown_key_is_an_error_with_a_suggestion() -> None:
    assert find_problems({**WHOLE, "target_bp": "1"}) == ("unknown key 'target_bp'; did you mean target_bps?",)
    assert find_problems({**WHOLE, "clause": [{**CLAUSE, "min_dept": "1"}]}) == (
        "clause 1: unknown key 'min_dept'; did you mean min_depth?",
    )


def test_every_problem_is_told_at_once() -> None:
    wrong = {"within_pct": "0", "clause": [{"side": "left"}, 5]}

    assert find_problems(wrong) == (
        "within_pct = '0': must be a number from 0.0001 to 100 (percent of the mid), with at most 8 decimals",
        "target_bps is missing: must be a number from 0.0001 to 10000 (basis points), with at most 8 decimals",
        "clause 1: name is missing; give it",
        "clause 1: at_least is missing; give it",
        "clause 1: side = 'left': must be one of bid, ask, both, mean",
        "clause 2: must be a table [[clause]]",
    )


@pytest.mark.parametrize(
    "value", ["-1", "NaN", "1e3", "0.123456789", True, None, [], {}, 10**30, float("inf"), "9" * 999]
)
def test_a_value_that_is_no_number_is_refused(value: Any) -> None:
    (problem,) = find_problems({**WHOLE, "target_bps": value})

    assert problem.startswith("target_bps = ")
    assert len(problem) < 250


def test_a_hole_cannot_be_excluded() -> None:
    (problem,) = find_problems({**WHOLE, "clause": [{**CLAUSE, "exclude": ["unknown"]}]})

    assert problem.endswith("must be a list of venue, network, halt; holes in the samples always count")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"at_least": "1.01"}, "must be a share from 0 to 1"),
        ({"price_low": "1"}, "belong together"),
        ({"price_low": "2", "price_high": "1"}, "swap them"),
        ({"within_pct": "1", "price_low": "1", "price_high": "2"}, "exclude each other"),
        ({"measure": "depth_while_up"}, "needs within_pct"),
        ({"measure": "depth_while_up", "within_pct": "1", "side": "mean"}, "takes side bid, ask or both"),
        ({"name": ""}, "must be 1 to 60 printable characters"),
    ],
)
def test_values_that_do_not_fit_together_are_refused(values: dict[str, Any], words: str) -> None:
    (problem,) = find_problems({**WHOLE, "clause": [{**CLAUSE, **values}]})

    assert words in problem


def test_clauses_need_names_of_their_own() -> None:
    assert find_problems({**WHOLE, "clause": [CLAUSE, CLAUSE]}) == (
        "two clauses have the same name; give each a name of its own",
    )


def test_terms_without_clauses_are_refused() -> None:
    assert find_problems({**WHOLE, "clause": []}) == ("clause: must be 1 to 32 tables [[clause]]",)
