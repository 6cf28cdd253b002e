"""Answers of the venue to actions, read into one `Answer` for each item sent.

They keep the order of the items. A single error of the payload for a batch of n means all n. A list that is shorter
in any other way leaves the items behind it unknown. An answer that cannot be read is unknown. Only texts that the
venue is known to send before anything was done count as "untouched".
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from mm_trio.model.replies import Answer, Cancelled, Filled, Refusal, Refused, Resting, Unknown

__all__ = ["parse_answers", "parse_noop"]

# Fragments of the venue's texts in lower case; the first match wins. Sources: docs "Error responses", live answers.
_TEXTS: tuple[tuple[str, Refusal], ...] = (
    ("would have immediately matched", Refusal.WOULD_CROSS),
    ("never placed, already canceled, or filled", Refusal.GONE),
    ("cannot modify canceled or filled", Refusal.GONE),
    ("insufficient spot balance", Refusal.BALANCE),
    ("minimum value", Refusal.MIN_NOTIONAL),
    ("divisible by tick size", Refusal.TICK_OR_LOT),
    ("invalid price", Refusal.TICK_OR_LOT),
    ("invalid size", Refusal.TICK_OR_LOT),
    ("zero size", Refusal.TICK_OR_LOT),
    ("zero price", Refusal.TICK_OR_LOT),
    ("away from the reference price", Refusal.PRICE_BAND),
    ("too many cumulative requests", Refusal.BUDGET),
    ("action already expired", Refusal.EXPIRED),
    ("invalid nonce", Refusal.NONCE),
    ("does not exist", Refusal.SIGNER),
    ("must deposit", Refusal.SIGNER),
    ("unable to recover signer", Refusal.SIGNER),
    ("vault not registered", Refusal.SIGNER),
    ("over weight limit", Refusal.TOO_MANY),
    ("too many open orders", Refusal.TOO_MANY),
)
# What is kept of a text, for the log. The venue's longest has 200 characters.
_MOST_CHARS = 500
# The venue's gateway refuses with these before it runs the action, so nothing of the batch was done.
_BEFORE_ANYTHING = frozenset({Refusal.BUDGET, Refusal.EXPIRED, Refusal.NONCE, Refusal.SIGNER, Refusal.TOO_MANY})
# Errors of the payload refuse the whole batch with one status, and nothing of it is done.
_WHOLE_BATCH = frozenset({Refusal.TICK_OR_LOT, Refusal.PRICE_BAND})


def parse_answers(raw: Any, n: int) -> tuple[Answer, ...]:
    """Read one answer for each of `n` items.

    `raw` answers an order, batchModify or cancel action.
    """
    if not isinstance(raw, Mapping):
        return (Unknown("the answer is not an object"),) * n
    response = raw.get("response")
    if raw.get("status") == "err":
        text = response if isinstance(response, str) else repr(response)
        refusal = _classify(text)
        if refusal in _BEFORE_ANYTHING:
            return (Refused(refusal, text[:_MOST_CHARS], untouched=True),) * n
        return (Unknown(f"refused with {text[:200]!r}"),) * n
    statuses = _find_statuses(raw, response)
    if statuses is None:
        return (Unknown("answer without statuses"),) * n
    if len(statuses) > n:
        # Nothing says which status belongs to which item.
        return (Unknown(f"{len(statuses)} statuses for {n} items"),) * n
    answers = [_parse_status(status) for status in statuses]
    first = answers[0]
    if len(answers) == 1 and isinstance(first, Refused) and first.untouched:
        return (first,) * n
    return (*answers, *(Unknown("no status for this item"),) * (n - len(answers)))


def parse_noop(raw: Any) -> tuple[Answer, ...]:
    """Read the answer to a noop.

    `Cancelled` if it was carried out, else the reason why not.
    """
    if isinstance(raw, Mapping) and raw.get("status") == "ok":
        return (Cancelled(),)
    return parse_answers(raw, 1)


def _find_statuses(raw: Mapping[str, Any], response: Any) -> list[Any] | None:
    if raw.get("status") != "ok" or not isinstance(response, Mapping):
        return None
    data = response.get("data")
    statuses = data.get("statuses") if isinstance(data, Mapping) else None
    return statuses if isinstance(statuses, list) and statuses else None


def _parse_status(status: Any) -> Answer:
    if status == "success":
        return Cancelled()
    if isinstance(status, Mapping):
        if isinstance(text := status.get("error"), str):
            refusal = _classify(text)
            # "… placing new order during modify" means that the order to be replaced is gone.
            is_whole = refusal in _WHOLE_BATCH and "during modify" not in text.lower()
            return Refused(refusal, text[:_MOST_CHARS], untouched=is_whole)
        try:
            if "resting" in status:
                return Resting(_oid(status["resting"]))
            if "filled" in status:
                size = Decimal(str(status["filled"]["totalSz"]))
                return Filled(_oid(status["filled"]), size) if size.is_finite() else Unknown("filled with no size")
        except (KeyError, TypeError, ValueError, InvalidOperation):
            pass
    return Unknown(f"unknown status {str(status)[:100]}")


def _oid(raw: Any) -> int:
    oid = raw["oid"]
    if isinstance(oid, bool) or not isinstance(oid, int):
        raise TypeError("oid")
    return oid


def _classify(text: str) -> Refusal:
    lowered = text.lower()
    return next((refusal for fragment, refusal in _TEXTS if fragment in lowered), Refusal.OTHER)
