"""Texts with which a venue may refuse orders for as long as their cause lasts.

Each comes as the venue sends it: for one item, for its batch, or for the whole action. Refusals with a fault of their
own are left out: a used up budget, a deadline, a nonce, an unknown signer.
"""

from __future__ import annotations

from random import Random
from typing import Literal

from mm_trio.sandbox.matching import rules
from mm_trio.sandbox.model.commands import RefuseOrders

__all__ = ["REFUSAL_TEXTS", "draw_refusal"]

REFUSAL_TEXTS: tuple[tuple[str, Literal["item", "batch", "action"]], ...] = (
    (rules.with_asset(rules.NO_BALANCE, 10107), "item"),
    (rules.MIN_NOTIONAL.format(minimum=10, quote="USDC"), "item"),
    (rules.POST_ONLY.format(bid="19.9", ask="20.1"), "item"),
    (rules.TOO_MANY_OPEN, "item"),
    (rules.TOO_LARGE.format(limit=5_000_000), "item"),
    (rules.HALTED, "item"),
    (rules.POST_ONLY_PERIOD, "item"),
    (rules.NO_REDUCE_ONLY, "item"),
    ("Invalid TIF", "item"),
    ("Words that nobody has seen yet.", "item"),
    (rules.BAD_PRICE, "batch"),
    (rules.BAD_SIZE, "batch"),
    (rules.with_asset(rules.OFF_TICK, 10107), "batch"),
    (rules.ZERO_SIZE, "batch"),
    (rules.ZERO_PRICE, "batch"),
    (rules.OFF_BAND, "batch"),
    (rules.NO_TRIGGERS, "batch"),
    (rules.HALF_OF_SUPPLY, "batch"),
    ("Order action has different asset classes", "batch"),
    (rules.TOO_MANY_OPEN, "action"),
    (rules.HALTED, "action"),
    (rules.POST_ONLY_PERIOD, "action"),
    (rules.UNKNOWN_ASSET, "action"),
    (rules.OVER_WEIGHT.format(limit=200), "action"),
    ("Unable to recover signer.", "action"),
    ("Vault not registered: 0xabc", "action"),
    ("User has pending agent removal", "action"),
    ("Builder fee has not been approved.", "action"),
    ("Words that nobody has seen yet.", "action"),
)


def draw_refusal(rng: Random, address: str) -> RefuseOrders:
    """Draw a text, and the side that is refused with it."""
    text, scope = rng.choice(REFUSAL_TEXTS)
    return RefuseOrders(address, text, scope, is_buy=rng.choice((None, True, False)))
