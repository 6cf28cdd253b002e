"""Answers of the venue to actions, read into one `Answer` for each item sent.

They keep the order of the items. A single error of the payload for a batch of n means all n. A list that is shorter
in any other way leaves the items behind it unknown. An answer that cannot be read is unknown. Only texts that the
venue is known to send before anything was done count as "untouched".
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from mm_trio.model.replies import WHOLE_BATCH, Answer, Cancelled, Filled, Refusal, Refused, Resting, Unknown

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
    ("nonce mismatch", Refusal.NONCE),
    ("does not exist", Refusal.SIGNER),
    ("must deposit", Refusal.SIGNER),
    ("unable to recover signer", Refusal.SIGNER),
    ("vault not registered", Refusal.SIGNER),
    ("pending agent removal", Refusal.SIGNER),
    ("extra agent", Refusal.SIGNER),
    ("builder fee has not been approved", Refusal.BUILDER_FEE),
    ("over weight limit", Refusal.TOO_MANY),
    ("too many open orders", Refusal.OPEN_ORDERS),
    ("only post-only orders allowed", Refusal.UPGRADE),
    ("trading is halted", Refusal.HALTED),
    ("invalid spot", Refusal.ASSET),
    ("different asset classes", Refusal.FORM),
    ("orders are empty", Refusal.FORM),
    ("trigger orders is not enabled", Refusal.FORM),
    ("reduce-only is invalid", Refusal.FORM),
    ("invalid tif", Refusal.FORM),
    ("attempted to modify to invalid new order", Refusal.FORM),
    ("order value too large", Refusal.TOO_LARGE),
    ("larger than half of total supply", Refusal.TOO_LARGE),
)
# What is kept of a text, for the log. The venue's longest has 200 characters.
_MOST_CHARS = 500
# The venue refuses with these before it runs the action, so nothing of the batch was done.
_BEFORE_ANYTHING = frozenset(
    {
        Refusal.BUDGET,
        Refusal.EXPIRED,
        Refusal.NONCE,
        Refusal.SIGNER,
        Refusal.TOO_MANY,
        Refusal.OPEN_ORDERS,
        Refusal.HALTED,
        Refusal.UPGRADE,
        Refusal.ASSET,
        Refusal.BUILDER_FEE,
    }
)
# Of the kinds that refuse a payload, these texts are said of one item, and its neighbours go on.
_OF_ONE_ITEM = (
    "reduce-only is invalid",
    "attempted to modify",
    "during modify",
    "order value too large",
    "invalid tif",
)


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
        return (Unknown(f"refused with {text[:200]!r}", says=text[:_MOST_CHARS]),) * n
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
            is_whole = refusal in WHOLE_BATCH and not any(words in text.lower() for words in _OF_ONE_ITEM)
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
