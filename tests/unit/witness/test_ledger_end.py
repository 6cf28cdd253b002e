"""What the venue's rows prove of a ledger's end."""

from __future__ import annotations

from dataclasses import replace

from core_kit import THEIRS, fill, row

from mm_trio.model.cloid import CloidParts, encode_cloid
from mm_trio.model.replies import Fill, OpenOrder
from mm_trio.witness.ledger_end import (
    LostEntries,
    SentNumbers,
    describe_lost_entries,
    describe_unnamed,
    find_lost_entries,
)

KNOWN, UNKNOWN = 1, 2


def cloid(epoch: int, number: int) -> str:
    return encode_cloid(CloidParts(epoch, "sell", 3, number))


def traded(epoch: int, number: int, *, time_ms: int = 1000) -> Fill:
    return replace(fill(number, number, 1, cloid=cloid(epoch, number)), time_ms=time_ms)


def find(*fills: Fill, orders: tuple[OpenOrder, ...] = (), sent: int = 5) -> LostEntries | None:
    """A ledger with one session that sent so many orders."""
    numbers = SentNumbers()
    numbers.raise_to(KNOWN, sent)
    return find_lost_entries(fills, orders, epochs={KNOWN}, sent=numbers)


def test_rows_up_to_the_last_order_sent_prove_nothing() -> None:
    assert find(traded(KNOWN, 1), traded(KNOWN, 5), orders=(row(9, cloid=cloid(KNOWN, 4)),)) is None


def test_rows_of_others_prove_nothing() -> None:
    assert find(fill(1, 1, 1), fill(2, 2, 1, cloid=THEIRS), orders=(row(9), row(10, cloid=THEIRS))) is None


def test_r1_a_fill_of_an_unknown_session_proves_lost_entries() -> None:
    lost = find(traded(UNKNOWN, 1, time_ms=700), traded(UNKNOWN, 7, time_ms=900))

    assert lost is not None
    assert (lost.n_fills, lost.n_orders, lost.first_ms, lost.last_ms) == (2, 0, 700, 900)
    assert (lost.unknown_epochs, lost.cut_epochs, lost.last_numbers) == ((UNKNOWN,), (), ((UNKNOWN, 7),))


def test_r1_a_fill_above_the_last_order_sent_proves_lost_entries() -> None:
    lost = find(traded(KNOWN, 5), traded(KNOWN, 6))

    assert lost is not None
    assert (lost.n_fills, lost.unknown_epochs, lost.cut_epochs) == (1, (), (KNOWN,))


def test_r1_a_session_that_sent_nothing_yet_has_no_fill() -> None:
    """A journal that was cut right after the session began."""
    assert find(traded(KNOWN, 1), sent=0) is not None


def test_r1_an_open_order_proves_lost_entries_like_a_fill() -> None:
    lost = find(orders=(row(9, cloid=cloid(KNOWN, 6)), row(10, cloid=cloid(UNKNOWN, 1).upper().replace("X", "x"))))

    assert lost is not None
    assert (lost.n_fills, lost.n_orders, lost.first_ms, lost.last_ms) == (0, 2, None, None)


def test_numbers_only_rise() -> None:
    numbers = SentNumbers()
    for number in (3, 8, 2):
        numbers.note(cloid(KNOWN, number))
    numbers.note(None)
    numbers.note(THEIRS)

    assert list(numbers) == [(KNOWN, 8)]
    assert numbers.get(UNKNOWN) == 0


def test_the_explanation_names_evidence_causes_and_remedies() -> None:
    lost = find(traded(UNKNOWN, 1, time_ms=700), traded(KNOWN, 9, time_ms=900), orders=(row(9, cloid=cloid(2, 4)),))
    assert lost is not None

    text = describe_lost_entries(lost, "@107")

    assert "\n" not in text
    for part in ("2 fills (time 700 to 900)", "1 open orders", "older copy", "another mm_trio", "ledger rebuild"):
        assert part in text
    assert "--take-over" in text


def test_fills_that_nobody_can_name_are_counted_and_explained() -> None:
    text = describe_unnamed([traded(KNOWN, 1), traded(KNOWN, 2, time_ms=3000)], "@107")

    assert "2 fills on @107 (the newest: oid 2, time 3000)" in text
    assert "--take-over" in text
