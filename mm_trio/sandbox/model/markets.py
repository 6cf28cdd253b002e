"""Listed tokens and pairs, and their metadata JSON.

Indices are sparse on purpose, as on the venue: a row's position in its list has no meaning.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

__all__ = ["DEFAULT_MARKETS", "USDC", "Markets", "Pair", "Token"]

FIRST_SPOT_ASSET = 10_000


@dataclass(frozen=True, slots=True)
class Token:
    """Spot token.

    `sz_decimals` are the decimals of an order size, `wei_decimals` those of a balance.
    """

    name: str
    index: int
    sz_decimals: int
    wei_decimals: int
    token_id: str
    # Where the supply is known, no order may be larger than half of it.
    total_supply: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """Spot pair; `name` is its `coin` in every message."""

    name: str
    index: int
    base: Token
    quote: Token

    @property
    def asset(self) -> int:
        """Asset number that actions use."""
        return FIRST_SPOT_ASSET + self.index


@dataclass(frozen=True, slots=True)
class Markets:
    """Pairs and tokens, in the order of the metadata."""

    pairs: tuple[Pair, ...]
    tokens: tuple[Token, ...]

    def pair(self, coin: str) -> Pair:
        """Return the pair of a name.

        Errors: KeyError if it is not listed.
        """
        for pair in self.pairs:
            if pair.name == coin:
                return pair
        raise KeyError(coin)

    def with_pair(self, pair: Pair) -> Markets:
        """Return these markets and one more pair.

        Its tokens are added if they are not listed.
        Errors: ValueError if the pair's name or index is listed already, or a token's index belongs to another token.
        """
        if any(pair.name == old.name or pair.index == old.index for old in self.pairs):
            raise ValueError(f"{pair.name} (index {pair.index}) is listed already")
        tokens = self.tokens
        for token in (pair.base, pair.quote):
            if token in tokens:
                continue
            if any(token.index == old.index for old in tokens):
                raise ValueError(f"token index {token.index} is taken")
            tokens = (*tokens, token)
        return replace(self, pairs=(*self.pairs, pair), tokens=tokens)

    def dense(self) -> Markets:
        """Return the same pairs with tokens renumbered by position.

        For clients that use a position in the list as an index, as many did before indices had gaps.
        """
        renumbered = {token.index: replace(token, index=i) for i, token in enumerate(self.tokens)}
        pairs = (replace(p, base=renumbered[p.base.index], quote=renumbered[p.quote.index]) for p in self.pairs)
        return Markets(pairs=tuple(pairs), tokens=tuple(renumbered.values()))

    def spot_meta(self) -> dict[str, object]:
        """Return the venue's `spotMeta` answer."""
        return {
            "universe": [
                {
                    "tokens": [pair.base.index, pair.quote.index],
                    "name": pair.name,
                    "index": pair.index,
                    "isCanonical": pair.index == 0,
                }
                for pair in self.pairs
            ],
            "tokens": [
                {
                    "name": token.name,
                    "szDecimals": token.sz_decimals,
                    "weiDecimals": token.wei_decimals,
                    "index": token.index,
                    "tokenId": token.token_id,
                    "isCanonical": token.index in (0, 1),  # USDC and PURR, as on the venue.
                    "evmContract": None,
                    "fullName": None,
                    "deployerTradingFeeShare": "0.0",
                }
                for token in self.tokens
            ],
        }


# Names, indices and decimals as on mainnet; the token ids are made up.
USDC = Token("USDC", 0, 8, 8, "0x5a000000000000000000000000000000")
_PURR = Token("PURR", 1, 0, 5, "0x5a000000000000000000000000000001")
_HFUN = Token("HFUN", 2, 2, 8, "0x5a000000000000000000000000000002")
_JEFF = Token("JEFF", 5, 0, 5, "0x5a000000000000000000000000000005")
_HYPE = Token("HYPE", 150, 2, 8, "0x5a000000000000000000000000000150")
_UBTC = Token("UBTC", 197, 5, 10, "0x5a000000000000000000000000000197")
_UETH = Token("UETH", 221, 4, 9, "0x5a000000000000000000000000000221")
_USDT0 = Token("USDT0", 268, 2, 8, "0x5a000000000000000000000000000268")

DEFAULT_MARKETS = Markets(
    pairs=(
        Pair("PURR/USDC", 0, _PURR, USDC),
        Pair("@1", 1, _HFUN, USDC),
        Pair("@4", 4, _JEFF, USDC),
        Pair("@107", 107, _HYPE, USDC),
        Pair("@142", 142, _UBTC, USDC),
        Pair("@151", 151, _UETH, USDC),
        Pair("@166", 166, _USDT0, USDC),
        Pair("@207", 207, _HYPE, _USDT0),
    ),
    tokens=(USDC, _PURR, _HFUN, _JEFF, _UBTC, _HYPE, _UETH, _USDT0),
)
