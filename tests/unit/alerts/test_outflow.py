"""So many messages an hour, and one for the rest."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mm_trio.alerts.message import Message, Severity
from mm_trio.alerts.outflow import HOUR_S, Outflow


def message(title: str = "t", severity: Severity = Severity.WARNING) -> Message:
    return Message(key=title, severity=severity, title=title, text="x")


def test_an_hour_has_so_many_messages_and_the_rest_is_summed_up() -> None:
    outflow = Outflow(4)

    admitted = [outflow.admit(message("feed"), now_s=float(n)) for n in range(6)]
    assert admitted == [True, True, True, False, False, False]
    assert outflow.compute_pause_s(now_s=6.0) == 0.0
    summary = outflow.take_summary(now_s=6.0)

    assert summary is not None
    assert summary.title == "3 more messages"
    assert "3 times: feed" in summary.text
    assert "4 an hour is the limit" in summary.text
    assert outflow.n_held == 0
    assert outflow.take_summary(now_s=6.0) is None


def test_a_quarter_of_an_hour_is_for_critical_ones() -> None:
    outflow = Outflow(4)
    for n in range(4):
        outflow.admit(message(), now_s=float(n))

    assert outflow.admit(message("halted", Severity.CRITICAL), now_s=5.0)
    assert not outflow.admit(message("halted", Severity.CRITICAL), now_s=6.0)


def test_a_summary_waits_for_the_hour_and_has_the_worst_severity() -> None:
    outflow = Outflow(1)
    outflow.admit(message(severity=Severity.CRITICAL), now_s=100.0)
    outflow.admit(message("a", Severity.INFO), now_s=101.0)
    outflow.admit(message("b", Severity.CRITICAL), now_s=102.0)

    assert outflow.take_summary(now_s=200.0) is None
    assert outflow.compute_pause_s(now_s=200.0) == HOUR_S - 100
    summary = outflow.take_summary(now_s=100.0 + HOUR_S)
    assert summary is not None
    assert summary.severity is Severity.CRITICAL


def test_the_last_summary_waits_for_nothing() -> None:
    outflow = Outflow(1)
    outflow.admit(message(), now_s=0.0)
    outflow.admit(message("more"), now_s=1.0)

    summary = outflow.take_summary(now_s=2.0, is_last=True)

    assert summary is not None
    assert "more" in summary.text


def test_many_titles_are_counted_together() -> None:
    outflow = Outflow(1)
    for n in range(100):
        outflow.admit(message(f"title {n}"), now_s=float(n))

    summary = outflow.take_summary(now_s=0.0, is_last=True)

    assert summary is not None
    assert "69 times: others" in summary.text


@given(
    st.integers(1, 20),
    st.lists(st.tuples(st.floats(0, 600), st.sampled_from(list(Severity))), max_size=200),
)
def test_no_hour_ever_has_more(most: int, steps: list[tuple[float, Severity]]) -> None:
    outflow, now_s, sent_s = Outflow(most), 0.0, list[float]()
    for pause_s, severity in steps:
        now_s += pause_s
        if outflow.admit(message(severity=severity), now_s=now_s):
            sent_s.append(now_s)
        if outflow.take_summary(now_s=now_s) is not None:
            sent_s.append(now_s)

    assert max((sum(at <= each < at + HOUR_S for each in sent_s) for at in sent_s), default=0) <= most
