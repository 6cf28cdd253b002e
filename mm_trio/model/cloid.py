"""Client order ids that name an order's owner and place.

128 bits each. Layout, high to low: 32 bits tag, 32 bits epoch (one session of one maker), 1 bit side, 15 bits level,
48 bits number (never repeated within the epoch).
"""

from __future__ import annotations

from dataclasses import dataclass

from mm_trio.model.orders import Side

__all__ = ["MAX_LEVELS", "CloidParts", "decode_cloid", "encode_cloid"]

# "mmtr": an order that carries it was placed by this program.
PRODUCT_TAG = 0x6D6D7472
_LEVEL_BITS, _NUMBER_BITS = 15, 48
# Every level of a ladder must fit into a cloid. 15 bits hold 32,768; `run` has always allowed 20,000, and one limit
# holds for the configuration and the library.
MAX_LEVELS = 20_000
assert MAX_LEVELS <= 1 << _LEVEL_BITS


@dataclass(frozen=True, slots=True)
class CloidParts:
    """Decoded cloid of one order of ours."""

    epoch: int
    side: Side
    level_index: int
    number: int


def encode_cloid(parts: CloidParts) -> str:
    """Return the cloid as the venue writes it.

    0x and 32 lower-case hex digits.
    """
    assert 0 <= parts.epoch < 1 << 32, parts
    assert 0 <= parts.level_index < 1 << _LEVEL_BITS, parts
    assert 0 <= parts.number < 1 << _NUMBER_BITS, parts
    value = PRODUCT_TAG << 32 | parts.epoch
    value = value << 1 | (parts.side == "sell")
    value = value << _LEVEL_BITS | parts.level_index
    return f"0x{value << _NUMBER_BITS | parts.number:032x}"


def decode_cloid(cloid: str | None) -> CloidParts | None:
    """Decode a cloid of this program.

    Return None for every other.
    """
    if cloid is None or len(cloid) != 34 or not cloid.startswith(("0x", "0X")):
        return None
    try:
        value = int(cloid[2:], 16)
    except ValueError:
        return None
    if value >> 96 != PRODUCT_TAG:
        return None
    place = value >> _NUMBER_BITS
    return CloidParts(
        epoch=place >> (_LEVEL_BITS + 1) & 0xFFFFFFFF,
        side="sell" if place >> _LEVEL_BITS & 1 else "buy",
        level_index=place & ((1 << _LEVEL_BITS) - 1),
        number=value & ((1 << _NUMBER_BITS) - 1),
    )
