"""What is wrong in a look at a maker, and what is told of it when."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mm_trio.alerts.conditions import CLEAR_AFTER_S, Conditions
from mm_trio.alerts.look import GridLook, MakerLook
from mm_trio.alerts.message import MOST_TEXT, Message, Severity
from mm_trio.alerts.rules import DIFFERS_AFTER_S, GUARD_SILENT_AFTER_S, RULES, AlertTerms, find_trouble

TERMS = AlertTerms()
WELL = GridLook(coin="@107", is_quoting=True, n_asks=5, n_bids=5)


def look(grid: GridLook | None = None, **account: object) -> MakerLook:
    return MakerLook(grids=(grid or WELL,), **account)  # type: ignore[arg-type]


def grid(**values: object) -> GridLook:
    return GridLook(**({"coin": "@107", "is_quoting": True, "n_asks": 5, "n_bids": 5} | values))  # type: ignore[arg-type]


def test_a_maker_that_is_well_is_no_trouble() -> None:
    well = look(feed_silent_s=1.0, budget_left=9_000, budget_hours=100.0, key_days=90.0, guard_silent_s=1.0)

    assert list(find_trouble(well, AlertTerms())) == []


def test_nothing_known_is_no_trouble() -> None:
    assert list(find_trouble(MakerLook(), AlertTerms())) == []


@pytest.mark.parametrize(
    ("seen", "key", "severity", "words"),
    [
        (look(halted="limit max_loss"), "halted:the maker", Severity.CRITICAL, ("limit max_loss", "mm-trio resume")),
        (look(grid(halted="ended: x")), "halted:@107", Severity.CRITICAL, ("ended: x", "mm-trio resume")),
        (look(stopped="paused since 9:00"), "stopped:the maker", Severity.WARNING, ("paused since", "mm-trio resume")),
        (look(grid(stopped="cancel_only")), "stopped:@107", Severity.WARNING, ("cancel_only",)),
        (look(feed_silent_s=61.0), "feed", Severity.CRITICAL, ("61 s", "limit 60 s", "network")),
        (look(grid(n_bids=0)), "one-sided:@107", Severity.WARNING, ("no bids", "10 min", "Add the token")),
        (look(grid(n_asks=0)), "one-sided:@107", Severity.WARNING, ("no asks",)),
        (look(grid(n_asks=0, n_bids=0)), "one-sided:@107", Severity.WARNING, ("no orders",)),
        (look(budget_left=500, budget_floor=500), "budget", Severity.CRITICAL, ("500 requests", "500 are kept")),
        (look(budget_left=900, budget_hours=23.0), "budget", Severity.WARNING, ("23.0 h", "limit 24 h")),
        (look(key_days=6.9), "key", Severity.WARNING, ("6.9 days", "limit 7", "keys rotate")),
        (look(key_days=0.5), "key", Severity.CRITICAL, ("0.5 days",)),
        (look(is_key_listed=False), "key", Severity.CRITICAL, ("does not list", "keys rotate")),
        (
            look(guard_silent_s=GUARD_SILENT_AFTER_S + 1),
            "guard",
            Severity.WARNING,
            ("61 s", "limit 60 s", "mm-trio guard"),
        ),
        (
            look(grid(difference=(Decimal("-1.5"), Decimal(0)))),
            "ledger:@107",
            Severity.WARNING,
            ("-1.5 base", "allowed: 0", "ledger audit"),
        ),
        (
            look(grid(unexplained=(Decimal(0), Decimal("7")))),
            "unexplained:@107:0:7",
            Severity.WARNING,
            ("+7 quote", "ledger audit"),
        ),
    ],
)
def test_each_trouble_names_value_limit_and_remedy(
    seen: MakerLook, key: str, severity: Severity, words: tuple[str, ...]
) -> None:
    (found,) = find_trouble(seen, AlertTerms())

    assert (found.key, found.severity) == (key, severity)
    assert [word for word in words if word not in found.text] == []
    assert found.is_event or found.cleared


def test_each_rule_finds_something() -> None:
    everything = look(
        grid(n_bids=0, difference=(Decimal(1), Decimal(1))),
        feed_silent_s=99.0,
        budget_left=0,
        key_days=1.0,
        guard_silent_s=99.0,
    )
    halted = look(halted="x", stopped="y")

    found = {name for name, rule in RULES.items() for seen in (everything, halted) if list(rule(seen, AlertTerms()))}

    assert found == set(RULES)


@pytest.mark.parametrize(
    "seen",
    [
        look(grid(is_quoting=False, n_asks=0, n_bids=0)),
        look(grid(n_bids=0, stopped="paused")),
        look(grid(n_bids=0, halted="limit")),
        look(grid(n_bids=0), stopped="paused"),
    ],
)
def test_a_side_that_is_empty_for_a_known_reason_is_not_told_apart(seen: MakerLook) -> None:
    assert [found.key for found in find_trouble(seen, AlertTerms()) if found.key.startswith("one-sided")] == []


@pytest.mark.parametrize("off", [AlertTerms(budget_hours=0, agent_days=0)])
def test_rules_of_budget_and_key_can_be_switched_off(off: AlertTerms) -> None:
    assert list(find_trouble(look(budget_left=900, budget_hours=1.0, key_days=2.0), off)) == []


# --- What is told when ------------------------------------------------------------------------


def judge(conditions: Conditions, seen: MakerLook, *, now_s: float, terms: AlertTerms = TERMS) -> tuple[Message, ...]:
    return conditions.judge(find_trouble(seen, terms), now_s=now_s)


def tell(
    conditions: Conditions, seen: MakerLook, *, now_s: float, terms: AlertTerms = TERMS
) -> list[tuple[Severity, str]]:
    return [(message.severity, message.key) for message in judge(conditions, seen, now_s=now_s, terms=terms)]


def test_a_trouble_is_told_once_and_when_it_is_over() -> None:
    conditions, bad = Conditions(), look(halted="limit")

    assert tell(conditions, bad, now_s=0.0) == [(Severity.CRITICAL, "halted:the maker")]
    assert [tell(conditions, bad, now_s=now) for now in (5.0, 600.0)] == [[], []]
    assert conditions.raised == ("halted:the maker",)
    assert tell(conditions, look(), now_s=600.0 + CLEAR_AFTER_S - 1) == []
    (over,) = judge(conditions, look(), now_s=600.0 + CLEAR_AFTER_S)

    assert (over.severity, over.key) == (Severity.CLEARED, "halted:the maker")
    assert over.text == "the maker is not halted any more (it lasted 10 min)"
    assert tell(conditions, look(), now_s=9_999.0) == []


def test_a_trouble_that_flaps_is_told_once() -> None:
    conditions = Conditions()
    told = [
        each
        for now in range(0, 600, 10)
        for each in tell(conditions, look(feed_silent_s=61.0 if now % 20 else 0.0), now_s=float(now))
    ]

    assert told == [(Severity.CRITICAL, "feed")]


def test_a_side_has_to_be_empty_without_a_break() -> None:
    conditions, bad = Conditions(), look(grid(n_bids=0))
    terms = AlertTerms(one_sided_after_min=1)
    steps = ((0.0, bad), (59.0, bad), (60.0, look()), (61.0, bad), (120.0, bad), (121.0, bad))

    told = [tell(conditions, seen, now_s=now, terms=terms) for now, seen in steps]

    assert told == [[], [], [], [], [], [(Severity.WARNING, "one-sided:@107")]]


def test_a_difference_that_is_explained_in_time_is_not_told() -> None:
    conditions, bad = Conditions(), look(grid(difference=(Decimal(1), Decimal(0))))

    told = [tell(conditions, bad, now_s=now) for now in (0.0, DIFFERS_AFTER_S - 1)]

    assert told == [[], []]
    assert tell(conditions, look(), now_s=DIFFERS_AFTER_S) == []
    assert tell(conditions, look(), now_s=DIFFERS_AFTER_S + 999) == []


def test_what_lasts_is_told_again() -> None:
    conditions, bad = Conditions(remind_after_h=1), look(halted="limit")
    judge(conditions, bad, now_s=0.0)

    assert judge(conditions, bad, now_s=3_599.0) == ()
    (again,) = judge(conditions, bad, now_s=3_600.0)

    assert "still, for 60 min" in again.title


def test_no_reminder_where_none_is_wanted() -> None:
    conditions, bad = Conditions(remind_after_h=0), look(halted="limit")
    judge(conditions, bad, now_s=0.0)

    assert judge(conditions, bad, now_s=1e7) == ()


def test_a_warning_that_becomes_critical_is_told_once_more() -> None:
    conditions = Conditions()
    warned, critical = look(budget_left=900, budget_hours=2.0), look(budget_left=0)

    told = [tell(conditions, seen, now_s=float(now)) for now, seen in enumerate([warned, critical, warned, critical])]

    assert told == [[(Severity.WARNING, "budget")], [(Severity.CRITICAL, "budget")], [], []]


def test_an_event_is_told_once_and_never_over() -> None:
    conditions, first = Conditions(), look(grid(unexplained=(Decimal(1), Decimal(0))))
    second = look(grid(unexplained=(Decimal(3), Decimal(0))))
    steps = ((0.0, first), (300.0, first), (310.0, first), (320.0, second), (700.0, second), (9_999.0, look()))

    told = [key for now, seen in steps for _, key in tell(conditions, seen, now_s=now)]

    assert told == ["unexplained:@107:1:0", "unexplained:@107:3:0"]


def test_what_is_explained_in_time_is_not_told() -> None:
    conditions = Conditions()

    told = [
        tell(conditions, look(grid(unexplained=(Decimal(amount), Decimal(0)))), now_s=now)
        for now, amount in ((0.0, 1), (200.0, 1), (299.0, 0), (900.0, 0))
    ]

    assert told == [[], [], [], []]


def test_the_most_urgent_comes_first() -> None:
    bad = look(feed_silent_s=99.0, key_days=2.0, halted="limit")

    severities = [message.severity for message in judge(Conditions(), bad, now_s=0.0)]

    assert severities == [Severity.CRITICAL, Severity.CRITICAL, Severity.WARNING]


def test_what_is_remembered_has_a_bound() -> None:
    conditions = Conditions()
    many = MakerLook(grids=tuple(GridLook(coin=f"@{n}", is_quoting=True, halted="x") for n in range(3_000)))

    assert len(judge(conditions, many, now_s=0.0)) == 2_000
    assert len(conditions.raised) == 2_000


def test_a_long_text_is_cut_for_services_that_take_no_more() -> None:
    long = Message(key="k", severity=Severity.INFO, title="t", text="x" * 9_999)

    assert len(long.shorten().text) <= MOST_TEXT
    assert long.shorten().text.endswith("… (cut)")
