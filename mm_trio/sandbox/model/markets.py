"""Listed tokens and pairs, and their metadata JSON.

Indices are sparse on purpose, as on the venue: a row's position in its list has no meaning.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

__all__ = ["DEFAULT_MARKETS", "USDC", "Markets", "Pair", "Token"]

FIRST_SPOT_ASSET = 10_000
OPENING_PX = Decimal(20)  # Where the ladder of the demo begins too.


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
    """Spot pair; `name` is its `coin` in every message.

    `opening_px` is the price that is told before the first trade; no order is judged by it.
    """

    name: str
    index: int
    base: Token
    quote: Token
    opening_px: Decimal | None = None

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
        """Return the same pairs and tokens, and others at each free index.

        For clients that take a position in a list for an index, as many did before indices had gaps. Names, indices
        and assets of what was listed before stay.
        """
        listed, named = {pair.index: pair for pair in self.pairs}, {token.index: token for token in self.tokens}
        n_pairs = 1 + max(listed, default=-1)
        # Each new pair needs a base token of its own, for its name has to be unique.
        n_tokens = max(1 + max(named, default=0), len(named) + n_pairs - len(listed))
        tokens = tuple(named.get(i) or Token(f"FILL{i}", i, 2, 8, f"0x{i:032x}") for i in range(n_tokens))
        unused = (token for token in tokens if token.index not in named)
        pairs = (listed.get(i) or Pair(f"@{i}", i, next(unused), tokens[0], OPENING_PX) for i in range(n_pairs))
        return Markets(pairs=tuple(pairs), tokens=tokens)

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


# Names, indices, decimals and token ids as on mainnet.
USDC = Token("USDC", 0, 8, 8, "0x6d1e7cde53ba9467b783cb7c530ce054")
_PURR = Token("PURR", 1, 0, 5, "0xc1fb593aeffbeb02f85e0308e9956a90")
_HFUN = Token("HFUN", 2, 2, 8, "0xbaf265ef389da684513d98d68edf4eae")
_JEFF = Token("JEFF", 5, 0, 5, "0xfcf28885456bf7e7cbe5b7a25407c5bc")
_HYPE = Token("HYPE", 150, 2, 8, "0x0d01dc56dcaaca66ad901c959b4011ec")
_UBTC = Token("UBTC", 197, 5, 10, "0x8f254b963e8468305d409b33aa137c67")
_UETH = Token("UETH", 221, 4, 9, "0xe1edd30daaf5caac3fe63569e24748da")
_USDT0 = Token("USDT0", 268, 2, 8, "0x25faedc3f054130dbb4e4203aca63567")

DEFAULT_MARKETS = Markets(
    pairs=(
        Pair("PURR/USDC", 0, _PURR, USDC, OPENING_PX),
        Pair("@1", 1, _HFUN, USDC, OPENING_PX),
        Pair("@4", 4, _JEFF, USDC, OPENING_PX),
        Pair("@107", 107, _HYPE, USDC, OPENING_PX),
        Pair("@142", 142, _UBTC, USDC, OPENING_PX),
        Pair("@151", 151, _UETH, USDC, OPENING_PX),
        Pair("@166", 166, _USDT0, USDC, OPENING_PX),
        Pair("@207", 207, _HYPE, _USDT0, OPENING_PX),
    ),
    tokens=(USDC, _PURR, _HFUN, _JEFF, _UBTC, _HYPE, _UETH, _USDT0),
)
