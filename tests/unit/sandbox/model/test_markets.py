from __future__ import annotations

from typing import Any, cast

import pytest

from mm_trio.sandbox.model.markets import DEFAULT_MARKETS, USDC, Markets, Pair, Token

TRADES = Token("TRADES", 1300, 2, 8, "0x5a000000000000000000000000001300")


def spot_meta() -> dict[str, Any]:
    return cast("dict[str, Any]", DEFAULT_MARKETS.spot_meta())


def test_indices_are_sparse_in_both_lists() -> None:
    meta = spot_meta()

    assert [row["index"] for row in meta["universe"]] != list(range(len(meta["universe"])))
    assert any(row["index"] != position for position, row in enumerate(meta["tokens"]))


def test_every_pair_names_tokens_that_are_listed() -> None:
    meta = spot_meta()
    indices = {row["index"] for row in meta["tokens"]}

    assert all(set(row["tokens"]) <= indices for row in meta["universe"])


def test_only_the_first_pair_has_a_name_of_its_own() -> None:
    for row in spot_meta()["universe"]:
        assert row["name"] == ("PURR/USDC" if row["index"] == 0 else f"@{row['index']}")
        assert row["isCanonical"] == (row["index"] == 0)


def test_an_asset_id_is_ten_thousand_above_the_index() -> None:
    assert DEFAULT_MARKETS.pair("@107").asset == 10107


def test_an_unknown_coin_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="@9999"):
        DEFAULT_MARKETS.pair("@9999")


def test_a_pair_can_be_added_with_its_token() -> None:
    markets = DEFAULT_MARKETS.with_pair(Pair("@1226", 1226, TRADES, USDC))

    assert markets.pair("@1226").base is TRADES
    assert TRADES in markets.tokens
    assert markets.tokens.count(USDC) == 1


def test_a_taken_name_or_token_index_is_refused() -> None:
    with pytest.raises(ValueError, match="listed already"):
        DEFAULT_MARKETS.with_pair(Pair("@107", 5000, TRADES, USDC))
    with pytest.raises(ValueError, match="token index 150"):
        DEFAULT_MARKETS.with_pair(Pair("@5000", 5000, Token("OTHER", 150, 2, 8, "0x00"), USDC))


def test_dense_markets_have_each_pair_and_token_at_the_position_of_its_index() -> None:
    dense = DEFAULT_MARKETS.dense()

    assert [pair.index for pair in dense.pairs] == list(range(len(dense.pairs)))
    assert [token.index for token in dense.tokens] == list(range(len(dense.tokens)))


def test_dense_markets_keep_what_was_listed_before() -> None:
    dense = DEFAULT_MARKETS.dense()

    assert set(DEFAULT_MARKETS.pairs) <= set(dense.pairs)
    assert set(DEFAULT_MARKETS.tokens) <= set(dense.tokens)


def test_dense_markets_have_no_name_twice() -> None:
    dense = DEFAULT_MARKETS.dense()

    assert len({pair.name for pair in dense.pairs}) == len(dense.pairs)
    assert len({(pair.base.name, pair.quote.name) for pair in dense.pairs}) == len(dense.pairs)


def test_markets_with_fewer_free_tokens_than_free_pairs_become_dense_too() -> None:
    dense = Markets(pairs=(Pair("@9", 9, DEFAULT_MARKETS.tokens[1], USDC),), tokens=DEFAULT_MARKETS.tokens[:2]).dense()

    assert [pair.index for pair in dense.pairs] == list(range(10))
    assert [token.index for token in dense.tokens] == list(range(len(dense.tokens)))


def test_one_pair_at_least_is_quoted_in_another_token_than_usdc() -> None:
    assert [pair.name for pair in DEFAULT_MARKETS.pairs if pair.quote != USDC] == ["@207"]
