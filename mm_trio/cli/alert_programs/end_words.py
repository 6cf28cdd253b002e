"""What is told of the end of a maker or a guard."""

from __future__ import annotations

from collections.abc import Sequence

from mm_trio.alerts.message import Message, Severity
from mm_trio.cli.shell.error_words import PRECEDENCE, find_words
from mm_trio.cli.shell.exit_codes import ExitCode
from mm_trio.config.redaction import hide_keys
from mm_trio.model.errors import OrdersMayRest, find_leaves

__all__ = ["describe_error", "describe_result"]

SHOWN_ORDERS = 10
_CANCEL = "Cancel them with `mm-trio cancel-all --config FILE`, or in the venue's web page; they can trade meanwhile."


def describe_result(result: object) -> Message | None:
    """Return what is told of a run that ended with a summary; None where all is well."""
    orders: tuple[str, ...] = getattr(result, "orders_may_rest", ())
    if orders:
        return _make_rests(orders)
    reasons: Sequence[str] = getattr(result, "halted_because", ())
    if reasons:
        return Message(
            key="ended",
            severity=Severity.CRITICAL,
            title="ended because it halted",
            text=f"{'; '.join(reasons)}. Nothing of it rests. Read the log, then `mm-trio resume --config FILE`.",
        )
    return None


def _make_rests(orders: Sequence[str], *, because: str = "") -> Message:
    listed = ", ".join(orders[:SHOWN_ORDERS])
    more = f" and {len(orders) - SHOWN_ORDERS} more" if len(orders) > SHOWN_ORDERS else ""
    what = f"{len(orders)} may rest: {listed}{more}. " if orders else "the log names them. "
    return Message(
        key="rests",
        severity=Severity.CRITICAL,
        title="ended, and orders may still rest",
        text=f"{because}{what}{_CANCEL}",
    )


def describe_error(error: BaseException) -> Message | None:
    """Return what is told of a run that ended with an error; None where an operator ended it."""
    leaves = find_leaves(error)
    if any(isinstance(leaf, OrdersMayRest) for leaf in leaves):
        causes = [cause for leaf in leaves if (cause := leaf.__cause__) is not None]
        words, _ = _find_words(causes)
        return _make_rests((), because=f"{words}. " if words else "")
    words, code = _find_words(leaves)
    if code == ExitCode.CLEAN:
        return None
    return Message(
        key="ended",
        severity=Severity.CRITICAL,
        title=f"ended with an error (exit code {int(code)})",
        text=f"{words}. Look at the log; whether orders rest says `mm-trio doctor --config FILE`.",
    )


def _find_words(errors: Sequence[BaseException]) -> tuple[str, ExitCode]:
    """Return the words and the exit code of errors, without what may be a key or a detail of a bug."""
    found = [(find_words(leaf), leaf) for each in errors for leaf in find_leaves(each)]
    codes = [code for (_, code), _ in found]
    texts = [words or f"a mistake of this program ({type(leaf).__name__})" for (words, _), leaf in found]
    return hide_keys("; ".join(dict.fromkeys(texts))), min(codes, key=PRECEDENCE.index, default=ExitCode.CLEAN)
