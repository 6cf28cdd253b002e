"""Let made-up values fit each other again: books rise and fall, fees belong to their fills, caps to their volume."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal
from random import Random
from typing import Any

__all__ = ["format_decimal", "repair"]

# The venue's rates of its lowest tier on spot pairs.
TAKER_RATE, MAKER_RATE = Decimal("0.0007"), Decimal("0.0004")
FREE_REQUESTS = 10_000


def repair(value: Any, rng: Random) -> Any:
    """Return a document whose parts fit each other."""
    if isinstance(value, list):
        return [repair(each, rng) for each in value]
    if not isinstance(value, dict):
        return value
    made = {key: repair(each, rng) for key, each in value.items()}
    if "levels" in made:
        made["levels"] = _rank(made["levels"], rng)
    if isinstance(made.get("bbo"), list):
        made["bbo"] = [rows[0] for rows in _rank([[row] for row in made["bbo"]], rng)]
    if made.keys() >= {"px", "sz", "fee", "side"}:
        made |= _charge(made)
    if made.keys() >= {"o", "c", "h", "l"}:
        made |= _order_candle(made)
    if made.keys() >= {"cumVlm", "nRequestsUsed"}:
        cap = FREE_REQUESTS + int(Decimal(made["cumVlm"]))
        made |= {"nRequestsCap": cap, "nRequestsUsed": made["nRequestsUsed"] % cap}
    if made.keys() >= {"origSz", "sz"} and Decimal(made["origSz"]) < Decimal(made["sz"]):
        made |= {"origSz": made["sz"], "sz": made["origSz"]}
    return made


def format_decimal(value: Decimal) -> str:
    """Write a decimal as the venue does: at least one place, no zero behind."""
    text = f"{value:f}"
    text = text.rstrip("0") if "." in text else text
    return text + "0" if text.endswith(".") else text if "." in text else text + ".0"


def _rank(sides: list[list[dict[str, Any]]], rng: Random) -> list[list[dict[str, Any]]]:
    """Put the prices of a book one to nine steps apart, around one of its own."""
    prices = [row["px"] for side in sides for row in side]
    decimals = max(len(price.partition(".")[2].strip("0") and price.partition(".")[2]) for price in prices)
    step = Decimal(1).scaleb(-decimals)
    middle = (Decimal(prices[0]) + Decimal(prices[-1])) / 2
    made = []
    for side, sign in zip(sides, (-1, 1), strict=True):
        price = middle.quantize(step)
        rows = []
        for row in side:
            price += sign * step * rng.randrange(1, 10)
            rows.append(row | {"px": format_decimal(price)})
        made.append(rows)
    return made


def _charge(fill: dict[str, Any]) -> dict[str, Any]:
    """Give a fill that paid a fee the fee of its size: in the base token for a buy on spot, else in the quote."""
    if not Decimal(fill["fee"]):
        return {}
    rate = TAKER_RATE if fill["crossed"] else MAKER_RATE
    in_base = fill["side"] == "B" and fill.get("feeToken", "USDC") != "USDC"
    amount = Decimal(fill["sz"]) * rate * (1 if in_base else Decimal(fill["px"]))
    amount = max(amount.quantize(Decimal("0.00000001"), rounding=ROUND_DOWN), Decimal("0.00000001"))
    fee = {"fee": ("-" * fill["fee"].startswith("-")) + format_decimal(amount)}
    return fee | ({"builderFee": format_decimal(round(amount / 5, 8))} if "builderFee" in fill else {})


def _order_candle(candle: dict[str, Any]) -> dict[str, Any]:
    prices = sorted((candle[name] for name in ("o", "c", "h", "l")), key=Decimal)
    return {"l": prices[0], "o": prices[1], "c": prices[2], "h": prices[3]}
