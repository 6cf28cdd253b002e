"""Client order ids: 128 bits that name the ledger and level of an order."""

from __future__ import annotations

import pytest
from core_kit import OURS, THEIRS

from mm_trio.model.cloid import CloidParts, decode_cloid, encode_cloid


@pytest.mark.parametrize(
    "parts, cloid",
    [
        (CloidParts(1, "buy", 0, 1), OURS),
        (CloidParts(0xFFFFFFFF, "sell", 0x7FFF, 0xFFFFFFFFFFFF), "0x6d6d7472ffffffffffffffffffffffff"),
        (CloidParts(0, "sell", 3, 7), "0x6d6d7472000000008003000000000007"),
    ],
)
def test_a_cloid_says_whose_order_it_is_and_where_it_belongs(parts: CloidParts, cloid: str) -> None:
    assert encode_cloid(parts) == cloid
    assert decode_cloid(cloid) == parts


def test_capital_letters_mean_the_same() -> None:
    assert decode_cloid(OURS.upper()) == decode_cloid(OURS) == CloidParts(1, "buy", 0, 1)


@pytest.mark.parametrize("cloid", [None, "", "0x", THEIRS, OURS[:-1], OURS + "0", OURS[2:] + "00", "0x" + "zz" * 16])
def test_what_this_program_did_not_make_is_nobodys(cloid: str | None) -> None:
    assert decode_cloid(cloid) is None


@pytest.mark.parametrize(
    "parts",
    [CloidParts(1 << 32, "buy", 0, 0), CloidParts(0, "buy", 1 << 15, 0), CloidParts(0, "buy", 0, -1)],
)
def test_parts_that_do_not_fit_are_a_bug_of_ours(parts: CloidParts) -> None:
    with pytest.raises(AssertionError):
        encode_cloid(parts)
