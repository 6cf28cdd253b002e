"""Replace the values of a venue message by made-up ones of the same form.

A message keeps its keys, types, texts, and what names a market: coins, token indices, decimals. Addresses, hashes, ids,
times, prices, sizes and amounts are drawn anew. A number keeps its digits before and behind the point, an equal value
within one document stays equal, and what must rise or add up does so again (`make_up_relations`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from random import Random
from typing import Any

from eth_utils.address import to_checksum_address
from make_up_relations import repair

__all__ = ["MadeUp"]

DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?")
HEX = re.compile(r"0x[0-9a-fA-F]+")
# In a text of the venue the numbers behind these words are the account's; all others are rules, and stay.
IN_TEXT = re.compile(r"(?<=nonce )[0-9]+|(?<=Traded: \$)[0-9.]+[0-9]|(?<=above |below )[0-9.]+[0-9]")
EXHAUSTED = re.compile(r"\([0-9]+ > [0-9]+\)(.*)\$[0-9.]+[0-9]")
TIMES = frozenset({"time", "timestamp", "statusTimestamp", "validUntil", "startTime", "endTime", "t", "T", "nonce"})
TIMES |= {"expiresAfter"}
IDS = frozenset({"oid", "tid", "o", "n", "nRequestsUsed", "nRequestsCap", "num"})
# What the venue publishes of its markets and fees, and what is no number of anybody.
KEPT = frozenset({"feeSchedule", "cassette", "file", "content_type", "body_text", "token", "a", "asset", "f"})
KEPT |= {"userCrossRate", "userAddRate", "userSpotCrossRate", "userSpotAddRate", "deployerTradingFeeShare"}
EARLIEST_MS, SPREAD_MS = 1_700_000_000_000, 30_000_000_000
DAY_MS = 86_400_000
HTTP_DATE = "Mon, 03 Mar 2025 10:00:00 GMT"
# What a list keeps of each kind of row, and a side of a book of its levels.
MOST_ALIKE, MOST_LEVELS = 2, 5
WHOLE_LISTS = frozenset({"universe", "tokens", "balances", "tiers", "vip", "mm", "stakingDiscountTiers", "statuses"})
WHOLE_LISTS |= {"dailyUserVlm"}
# A row is of another kind if one of these differs.
TELLING = ("dir", "side", "status", "type", "tif", "orderType", "name", "channel", "method", "id", "file", "label")


class MadeUp:
    """Draw the values of one document."""

    def __init__(self, label: str, document: Any) -> None:
        self._rng = Random(f"made up {label}")
        self._made: dict[tuple[str, Any], Any] = {}
        self._days = 0
        self._times = self._draw_times(sorted(set(_find_times(document))))

    def replace(self, document: Any) -> Any:
        """Return the document with other values, and its lists shortened."""
        return repair(self._replace(document, ""), self._rng)

    # --- structure ---

    def _replace(self, value: Any, key: str) -> Any:
        if key in KEPT:
            return value
        if isinstance(value, dict):
            made = {name: self._replace(each, name) for name, each in value.items()}
            return made | {"name": f"bot-{self._rng.randrange(10, 99)}"} if "validUntil" in value else made
        if isinstance(value, list):
            return [self._replace(each, key) for each in shorten(value, key)]
        if value is None or isinstance(value, bool | float):
            return value
        return self._once(value, key, self._replace_text if isinstance(value, str) else self._replace_number)

    def _once(self, value: Any, key: str, draw: Callable[[Any, str], Any]) -> Any:
        """Draw a value once, so that equal ones stay equal; ids and amounts are apart."""
        place = ("id" if key in IDS else "", value)
        if place not in self._made:
            self._made[place] = draw(value, key)
        return self._made[place]

    # --- numbers ---

    def _replace_number(self, value: int, key: str) -> int:
        if value in self._times and key in TIMES:
            return self._times[value]
        # Trade id 0 marks a conversion of dust.
        is_drawn = key in IDS or (key in TIMES and value > 1000)
        return int(self._draw_digits(str(value))) if is_drawn and value else value

    def _draw_times(self, times: list[int]) -> dict[int, int]:
        """Give each time another one: gaps of the same order, whole hours apart where they were."""
        if not times:
            return {}
        made = {times[0]: (EARLIEST_MS + self._rng.randrange(SPREAD_MS)) // DAY_MS * DAY_MS}
        if times[0] % 3_600_000:
            made[times[0]] += self._rng.randrange(DAY_MS)
        for before, now in pairwise(times):
            gap = now - before
            is_of_candles = gap < 1000 or gap % 3_600_000 in (0, 3_599_999, 1)
            made[now] = made[before] + (gap if is_of_candles else int(gap * self._rng.uniform(0.6, 1.7)))
        return made

    # --- texts ---

    def _replace_text(self, value: str, key: str) -> str:
        if DECIMAL.fullmatch(value):
            return self.draw_decimal(value)
        if key == "date":
            self._days += 1
            return f"2025-03-{self._days:02}" if len(value) == len("2025-03-01") else HTTP_DATE
        value = EXHAUSTED.sub(self._draw_exhausted, value)
        value = IN_TEXT.sub(lambda found: self.draw_decimal(found[0]), value)
        # A pair of a token's name and its id is a name.
        return value if ":0x" in value else HEX.sub(lambda found: self._once(found[0], "hex", self._draw_hex), value)

    def _draw_exhausted(self, found: re.Match[str]) -> str:
        volume = self.draw_decimal(found[0].rpartition("$")[2])
        cap = 9_999 + int(float(volume))
        return f"({cap + 4} > {cap}){found[1]}${volume}"

    def _draw_hex(self, value: str, _key: str) -> str:
        digits = value[2:]
        # The zero hash, short numbers, and padded ids have a meaning as they are.
        if len(digits) < 8 or len(set(digits)) == 1:
            return value
        drawn = "".join(self._rng.choice("0123456789abcdef") for _ in digits)
        is_mixed = digits != digits.lower() and len(digits) == 40
        return to_checksum_address("0x" + drawn) if is_mixed else "0x" + drawn

    def draw_decimal(self, value: str) -> str:
        """Draw another decimal of the same form; zero and "1.0" for an exact one stay."""
        whole, point, decimals = value.removeprefix("-").partition(".")
        if not (whole + decimals).strip("0"):
            return value
        drawn = (self._draw_digits(whole) if whole != "0" else "0") + point + self._draw_decimals(decimals)
        return "-" * value.startswith("-") + drawn

    def _draw_decimals(self, decimals: str) -> str:
        """Keep zeros in front and runs that a float leaves; the last digit is never zero."""
        if not decimals.strip("0"):
            return decimals
        front = len(decimals) - len(decimals.lstrip("0"))
        run = re.search(r"0{4,}|9{4,}", decimals[front:])
        end = front + run.start() if run else len(decimals)
        return decimals[:front] + self._draw_digits(decimals[front:end], is_last=True) + decimals[end:]

    def _draw_digits(self, digits: str, *, is_last: bool = False) -> str:
        """Draw as many digits; neither the first nor, where it is the last decimal, the last is zero."""
        drawn = digits
        # Of one digit alone the same comes out one time in nine.
        while drawn == digits and digits:
            figures = [self._rng.choice("0123456789") for _ in digits]
            figures[0] = self._rng.choice("123456789")
            if is_last:
                figures[-1] = self._rng.choice("123456789")
            drawn = "".join(figures)
        return drawn


def shorten(rows: list[Any], key: str) -> list[Any]:
    """Keep two rows of each kind, and the best levels of a book."""
    if key in WHOLE_LISTS or not rows:
        return rows
    if isinstance(rows[0], dict) and rows[0].keys() >= {"px", "sz"} and "side" not in rows[0]:
        return rows[:MOST_LEVELS]
    kept: list[Any] = []
    seen: dict[Any, int] = {}
    for row in rows:
        kind = _describe(row) if isinstance(row, dict) else len(kept)
        seen[kind] = seen.get(kind, 0) + 1
        if seen[kind] <= MOST_ALIKE:
            kept.append(row)
    return kept


def _describe(row: dict[str, Any]) -> Any:
    """Tell what makes a row another kind: its keys, what is null, and the values that are words."""
    flat = row | (row["order"] if isinstance(row.get("order"), dict) else {})
    flat |= row["delta"] if isinstance(row.get("delta"), dict) else {}
    coin = str(flat.get("coin", ""))
    is_spot_fill = "dir" in flat and ("@" in coin or "/" in coin)
    return (
        frozenset((name, value is None) for name, value in flat.items()),
        tuple(str(flat.get(name)) for name in TELLING),
        coin if is_spot_fill else "",
        flat.get("crossed"),
        flat.get("tid") == 0,
    )


def _find_times(document: Any, key: str = "") -> Iterator[int]:
    if isinstance(document, dict):
        for name, value in document.items():
            yield from _find_times(value, name)
    elif isinstance(document, list):
        for value in document:
            yield from _find_times(value, key)
    elif key in TIMES and type(document) is int and document > EARLIEST_MS / 2:
        yield document
