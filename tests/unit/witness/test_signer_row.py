"""Three refusals in a row that do not know our signer mean a lost key."""

from __future__ import annotations

import pytest

from mm_trio.model.replies import Answer, Cancelled, Refusal, Refused, Resting, Unknown
from mm_trio.witness.signer_row import SignerRow

UNKNOWN = Refused(Refusal.SIGNER, "User or API Wallet 0xabc does not exist.", untouched=True)
OLDER = Refused(Refusal.SIGNER, "L1 error: User or API Wallet 0xabc does not exist.", untouched=True)
UNFUNDED = Refused(Refusal.SIGNER, "Must deposit before performing actions. User: 0xabc", untouched=True)
BUSINESS = Refused(Refusal.BALANCE, "Insufficient spot balance asset=10107")


def row_of(*answers: Answer) -> SignerRow:
    row = SignerRow()
    for answer in answers:
        row.on_answer(answer)
    return row


@pytest.mark.parametrize("answers", [(UNKNOWN,) * 3, (UNFUNDED,) * 3, (UNKNOWN, OLDER, UNFUNDED)])
def test_three_answers_in_a_row_lose_the_key(answers: tuple[Answer, ...]) -> None:
    assert row_of(*answers).is_lost


def test_two_answers_in_a_row_put_the_key_in_question_only() -> None:
    row = row_of(UNKNOWN, UNKNOWN)

    assert (row.is_in_question, row.is_lost, row.find_halt()) == (True, False, None)


@pytest.mark.parametrize("known", [Resting(1), Cancelled(), BUSINESS, Refused(Refusal.NONCE, "Invalid nonce")])
def test_an_answer_that_knows_the_signer_clears_the_row(known: Answer) -> None:
    assert not row_of(UNKNOWN, UNKNOWN, known, UNKNOWN, UNKNOWN).is_lost


@pytest.mark.parametrize("silent", [Unknown("no answer in 6 s"), Refused(Refusal.NOT_SENT, "not sent: paused")])
def test_a_missing_answer_says_nothing_of_the_signer(silent: Answer) -> None:
    assert row_of(UNKNOWN, UNKNOWN, silent, UNKNOWN).is_lost


def test_a_refusal_of_the_same_bytes_sent_again_counts() -> None:
    assert row_of(UNKNOWN, Unknown("sent twice", second=UNKNOWN), UNKNOWN).is_lost


@pytest.mark.parametrize("text", ["User has pending agent removal", "Unable to recover signer."])
def test_other_refusals_of_a_signer_lose_no_key(text: str) -> None:
    assert not row_of(*(Refused(Refusal.SIGNER, text, untouched=True),) * 5).is_lost


def test_a_lost_key_stays_lost() -> None:
    assert row_of(UNKNOWN, UNKNOWN, UNKNOWN, Resting(1)).is_lost


def test_the_halt_names_the_venues_words_and_what_to_do() -> None:
    text = row_of(UNKNOWN, UNKNOWN, UNKNOWN).find_halt() or ""

    assert text.startswith("SIGNER_LOST: the venue refused 3 signed requests in a row")
    assert "User or API Wallet 0xabc does not exist." in text
    assert "mm-trio keys rotate" in text
