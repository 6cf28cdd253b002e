"""Fault plans and dice: parsing, strikes and counts."""

from __future__ import annotations

import json
import re
from pathlib import Path
from random import Random

import pytest

from mm_trio.sandbox.faults.dice import (
    FINAL_KINDS,
    FRAME_KINDS,
    MACHINE_KINDS,
    READ_KINDS,
    SOCKET_KINDS,
    WORLD_KINDS,
    WRITE_KINDS,
    FaultDice,
    FaultPlan,
    FaultRule,
)
from mm_trio.sandbox.faults.kinds import FaultKind
from mm_trio.sandbox.faults.plan import parse_kind, parse_rules, parse_words, read_plan

LOST, DELAYED, DROPPED = FaultKind.ANSWER_LOST, FaultKind.ANSWER_DELAYED, FaultKind.SOCKET_DROPPED


def throw(*rules: FaultRule, seed: int = 1) -> FaultDice:
    return FaultDice(FaultPlan(rules), Random(seed))


def test_every_kind_belongs_to_somebody_who_carries_it_out() -> None:
    assert set(FaultKind) == {*WRITE_KINDS, *READ_KINDS, *FRAME_KINDS, *SOCKET_KINDS, *WORLD_KINDS, *MACHINE_KINDS}


# --- Words and files ---


def test_words_are_kinds_and_rates_and_the_last_one_of_a_kind_holds() -> None:
    dice = FaultDice(parse_words(["all:0.05", "delisted:0", "answer_lost:1"]), Random(1))

    assert dice.rates()[LOST] == 1
    assert dice.rates()[DELAYED] == 0.05
    assert dice.kinds() == set(FaultKind) - {FaultKind.DELISTED, *FINAL_KINDS, *MACHINE_KINDS}
    assert parse_words(["all:0.05", "delisted:0"]).kinds() == set(FaultKind) - {
        FaultKind.DELISTED,
        *FINAL_KINDS,
        *MACHINE_KINDS,
    }


def test_a_kind_that_does_not_pass_is_asked_for_by_name() -> None:
    assert parse_words(["all:0.05", "agent_expired:0.1"]).kinds() >= {FaultKind.AGENT_EXPIRED}
    assert FaultKind.AGENT_EXPIRED not in parse_words(["all:1"]).kinds()


@pytest.mark.parametrize(
    "word, told",
    [
        ("answer_lots:0.1", "unknown fault 'answer_lots': did you mean 'answer_lost'?"),
        ("zzz:0.1", "unknown fault 'zzz': expected one of request_lost, "),
        ("clock_drift:0.1", "fault 'clock_drift' strikes the client's own machine; only `mm-trio sim` has it"),
        ("coin_garbled:0.1", "fault 'coin_garbled' strikes one coin of several; only `mm-trio sim` has it"),
        ("answer_lost", "'answer_lost' is not kind:rate, as in answer_lost:0.05"),
        ("answer_lost:2", "answer_lost: rate must be from 0 to 1, got 2"),
        ("answer_lost:-0.1", "answer_lost: rate must be from 0 to 1"),
        ("answer_lost:nan", "answer_lost: rate must be from 0 to 1, got nan"),
        ("answer_lost:often", "answer_lost: rate must be a number, got 'often'"),
        ("", "'' is not kind:rate"),
    ],
)
def test_a_wrong_word_is_told_with_what_is_right(word: str, told: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(told)}"):
        parse_words(["deposit:0.5", word])


def test_all_wrong_words_are_told_at_once() -> None:
    with pytest.raises(ValueError, match=r"answer_lots.*; .*frame_dropt"):
        parse_words(["answer_lots:0.1", "frame_dropt:0.1"])


def test_a_plan_file_is_the_same_in_toml_and_json(tmp_path: Path) -> None:
    rows = [{"kind": "answer_delayed", "nth": 3, "count": 2, "delay_s": 0.5}, {"kind": "deposit", "at_s": 10}]
    (tmp_path / "plan.json").write_text(json.dumps(rows))
    (tmp_path / "named.json").write_text(json.dumps({"fault": rows}))
    (tmp_path / "plan.toml").write_text(
        '[[fault]]\nkind = "answer_delayed"\nnth = 3\ncount = 2\ndelay_s = 0.5\n'
        '[[fault]]\nkind = "deposit"\nat_s = 10\n'
    )

    plans = [read_plan(tmp_path / name) for name in ("plan.json", "named.json", "plan.toml")]

    assert plans[0] == plans[1] == plans[2]
    assert plans[0].rules[0] == FaultRule(kind=DELAYED, nth=3, count=2, delay_s=0.5)
    assert plans[0].kinds() == {DELAYED, FaultKind.DEPOSIT}


@pytest.mark.parametrize(
    "text, told",
    [
        ("{", "not TOML"),
        ('[[fault]]\nkind = "deposit"\n', "deposit: needs exactly one of rate, nth and at_s"),
        ('[[fault]]\nkind = "deposit"\nrate = 0.1\nat_s = 3\n', "deposit: needs exactly one of rate, nth and at_s"),
        ("[[fault]]\nrate = 0.1\n", "the key 'kind' is missing"),
        ('[[fault]]\nkind = "deposit"\nat_sec = 3\n', "unknown key 'at_sec': did you mean 'at_s'?"),
        ('[[fault]]\nkind = "deposit"\nnth = 1.5\n', "deposit: nth must be a number, got 1.5"),
        ('[[fault]]\nkind = "deposit"\nnth = 0\n', "deposit: nth must be at least 1 and finite, got 0"),
        ('[[fault]]\nkind = "deposit"\nnth = 1\namount = -3\n', "deposit: amount must be above 0, got -3"),
        ('[[fault]]\nkind = "deposit"\nrate = 0.1\ncount = 3\n', "deposit: count works with nth or at_s"),
        ('[[fault]]\nkind = "deposit"\nat_s = inf\n', "deposit: at_s must be at least 0 and finite, got inf"),
        ("[[fault]]\nkind = 3\nat_s = 1\n", "unknown fault 3"),
        ("faults = 3\n", "unknown key 'faults': the only key is 'fault', a list of rules"),
        ("fault = 3\n", "must be a list of rules, got int"),
        ("fault = [3]\n", "must be an object with kind and rate, nth or at_s, got int"),
    ],
)
def test_a_wrong_plan_file_is_told_with_its_name(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(text)

    with pytest.raises(ValueError, match=f"^{re.escape(f'{path}: {told}')}"):
        read_plan(path)


def test_each_wrong_rule_is_told_by_its_place() -> None:
    with pytest.raises(ValueError, match=r"rule 1: .*; rule 3: "):
        parse_rules([{}, {"kind": "deposit", "rate": 1}, 7])


def test_a_plan_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        read_plan(tmp_path / "nowhere.toml")


def test_all_is_no_single_kind() -> None:
    with pytest.raises(ValueError, match="unknown fault 'all'"):
        parse_kind("all")


# --- Dice ---


def test_equal_seeds_throw_equally_and_near_the_rate() -> None:
    one, two, other = (throw(FaultRule(kind=LOST, rate=0.2), seed=seed) for seed in (1, 1, 2))

    courses = [[dice.strikes(LOST) is not None for _ in range(2000)] for dice in (one, two, other)]

    assert courses[0] == courses[1] != courses[2]
    assert 300 < one.struck[LOST] == sum(courses[0]) < 500


def test_a_kind_without_a_rule_never_strikes_and_costs_no_chance() -> None:
    dice, alone = throw(FaultRule(kind=LOST, rate=0.5)), throw(FaultRule(kind=LOST, rate=0.5))

    mixed = [(dice.strikes(DELAYED), dice.strikes(LOST) is not None) for _ in range(100)]

    assert [lost for _, lost in mixed] == [alone.strikes(LOST) is not None for _ in range(100)]
    assert {delayed for delayed, _ in mixed} == {None}


def test_the_nth_opportunity_and_the_count_after_it_are_struck() -> None:
    dice = throw(FaultRule(kind=LOST, nth=3, count=2))

    assert [dice.strikes(LOST) is not None for _ in range(7)] == [False, False, True, True, False, False, False]
    assert dice.kinds() == frozenset()


def test_a_moment_strikes_at_the_first_opportunity_from_then_on() -> None:
    dice = throw(FaultRule(kind=LOST, at_s=5, count=2))

    assert [dice.strikes(LOST, now_s=now_s) is not None for now_s in (0, 4.9, 5, 5, 6)] == [0, 0, 1, 1, 0]


def test_parameters_of_a_rule_hold_and_missing_ones_are_drawn_within_their_range() -> None:
    named = throw(FaultRule(kind=DELAYED, rate=1, delay_s=0.05)).strikes(DELAYED)
    drawn = [throw(FaultRule(kind=DELAYED, rate=1), seed=seed).strikes(DELAYED) for seed in range(20)]

    assert named is not None
    assert named.delay_s == 0.05
    assert all(strike is not None and 1 <= strike.delay_s <= 8 for strike in drawn)
    assert len({strike.delay_s for strike in drawn if strike}) > 10


def test_an_armed_kind_strikes_once_even_without_a_rate() -> None:
    dice = throw()
    dice.arm(LOST)

    assert [dice.strikes(LOST) is not None for _ in range(3)] == [True, False, False]


def test_what_was_drawn_and_could_not_be_done_is_not_counted_and_waits_if_it_was_of_a_moment() -> None:
    dice = throw(FaultRule(kind=LOST, nth=1))
    strike = dice.draw(LOST)
    assert strike is not None

    dice.take_back(strike)

    assert dice.summary() == {}
    assert dice.strikes(LOST) is not None
    assert dice.strikes(LOST) is None
    assert dice.summary() == {"answer_lost": 1}


def test_a_look_at_the_clock_alone_is_no_opportunity_for_a_rate() -> None:
    dice = throw(FaultRule(kind=DROPPED, rate=1), FaultRule(kind=DROPPED, at_s=5))

    assert dice.draw(DROPPED, now_s=4, with_rates=False) is None
    assert dice.draw(DROPPED, now_s=5, with_rates=False) is not None
    assert dice.draw(DROPPED, now_s=5, with_rates=False) is None
    assert dice.draw(DROPPED, now_s=5) is not None


def test_a_later_plan_replaces_rates_and_adds_moments() -> None:
    dice = throw(FaultRule(kind=LOST, rate=1), FaultRule(kind=DELAYED, rate=1))
    dice.add_rules((FaultRule(kind=LOST, rate=0), FaultRule(kind=DROPPED, at_s=0)))

    assert dice.kinds() == {DELAYED, DROPPED}
