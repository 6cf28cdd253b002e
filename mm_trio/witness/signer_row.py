"""Row of refusals that say the venue does not know our signer. Pure.

A key that was revoked, has expired or was pruned does not come back, so waiting does not help.
"""

from __future__ import annotations

from mm_trio.model.replies import Answer, Refusal, Unknown, find_refused

__all__ = ["MOST_IN_A_ROW", "SignerRow", "is_of_unknown_signer"]

# Refusals in a row after which the key counts as lost. One alone may be a replica that lags.
MOST_IN_A_ROW = 3
# The venue's words for an unknown signer. Which of them comes differs between observers. Lower case.
_UNKNOWN = ("does not exist", "must deposit before performing actions")


def is_of_unknown_signer(refusal: Refusal, text: str) -> bool:
    """Check if a refusal says that the venue does not know our signer."""
    return refusal is Refusal.SIGNER and any(words in text.lower() for words in _UNKNOWN)


class SignerRow:
    """Answers in a row that do not know our signer.

    Any other answer of the venue clears the row, but nothing does once the key is lost.
    """

    def __init__(self) -> None:
        self._n = 0
        self._text = ""

    @property
    def is_in_question(self) -> bool:
        """Check if the last answer did not know our signer."""
        return self._n > 0

    @property
    def is_lost(self) -> bool:
        """Check if nothing that we sign is taken any more."""
        return self._n >= MOST_IN_A_ROW

    def on_answer(self, answer: Answer) -> None:
        """Count an answer to a signed action, or clear the row.

        A missing answer says nothing of the signer, nor does an action that never left.
        """
        reason = find_refused(answer)
        if self.is_lost or (reason is None and isinstance(answer, Unknown) and answer.says is None):
            return
        if reason is None:
            self._n = 0
        elif is_of_unknown_signer(reason.refusal, reason.text):
            self._n, self._text = self._n + 1, reason.text
        elif reason.refusal is not Refusal.NOT_SENT:
            self._n = 0

    def find_halt(self) -> str | None:
        """Return why the key is lost and what to do, or None."""
        if not self.is_lost:
            return None
        return (
            f"SIGNER_LOST: the venue refused {self._n} signed requests in a row, the last with {self._text!r}: the key "
            "was revoked, has expired, or was pruned because the account that approved it is empty. Nothing more is "
            "signed with it, and it cannot cancel. Approve a new key (`mm-trio keys rotate`) and start the maker anew; "
            "cancel what still rests on the venue's web page, or let that start take care of it"
        )
