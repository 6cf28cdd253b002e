"""Spot pair, its two tokens, and balances of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from difflib import get_close_matches

from mm_trio.model.errors import ProtocolError

__all__ = ["NOTHING_HELD", "Balances", "Book", "BookLevel", "Market", "Pair", "SpotMeta", "Token", "suggest_pairs"]


@dataclass(frozen=True, slots=True)
class Token:
    """Token of the venue, identified by `index`.

    Names are not unique. `token_id` is the venue's hash of it, None where it was not told; it is no part of the
    identity.
    """

    index: int
    name: str
    sz_decimals: int
    token_id: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Pair:
    """Spot pair as the venue lists it, with the indices of its tokens."""

    name: str
    index: int
    base: int
    quote: int


@dataclass(frozen=True, slots=True)
class SpotMeta:
    """Every token and every pair of the venue.

    A pair may name a token that is not listed. `unreadable` has the rows that could not be read, each with the name
    that it gives, or None, and what was wrong.
    """

    tokens: tuple[Token, ...]
    pairs: tuple[Pair, ...]
    unreadable: tuple[tuple[str | None, ProtocolError], ...] = ()


@dataclass(frozen=True, slots=True)
class Market:
    """Spot pair of the venue.

    `coin` is the venue's name for it (`@107`), `asset_id` its number in actions. `pair_tokens` has for every pair of
    the venue the indices of its base and quote token. With them the holds of other orders on our two tokens are
    counted.
    """

    coin: str
    asset_id: int
    base: Token
    quote: Token
    pair_tokens: dict[str, tuple[int, int]]

    def describe(self) -> str:
        """Say which pair it is, such as `@107 = HYPE/USDC (token 150, szDecimals 2)`.

        Strangers choose the names of tokens, so what a terminal would act on is left out.
        """
        base, quote = ("".join(filter(str.isprintable, token.name)) for token in (self.base, self.quote))
        return f"{self.coin} = {base}/{quote} (token {self.base.index}, szDecimals {self.base.sz_decimals})"


@dataclass(frozen=True, slots=True)
class Balances:
    """Totals of our two tokens at the venue.

    Holds of open orders are included. `held_token` and `held_usdc` are what the venue says of them: our own orders, and
    whatever else is reserved on the account, such as margin. None where it does not say.
    """

    token: Decimal
    usdc: Decimal
    held_token: Decimal | None = None
    held_usdc: Decimal | None = None


NOTHING_HELD = Balances(Decimal(0), Decimal(0))


@dataclass(frozen=True, slots=True)
class BookLevel:
    """Price of a book, with the size and the number of all orders there."""

    price: Decimal
    size: Decimal
    n_orders: int


@dataclass(frozen=True, slots=True)
class Book:
    """Best levels of a pair's book, best first.

    The venue shows 20 a side.
    """

    bids: tuple[BookLevel, ...]
    asks: tuple[BookLevel, ...]


def suggest_pairs(meta: SpotMeta, coin: str) -> list[str]:
    """Find the pairs that an unknown name may mean, three at most.

    Case does not count, `-` stands for `/`, and bridged coins have a U in front of their name, as UBTC for BTC. A name
    without a quote means the base.
    """
    names = {token.index: token.name for token in meta.tokens}
    wanted = _fold(coin)
    found: dict[str, str] = {}
    for pair in meta.pairs:
        base, quote = names.get(pair.base), names.get(pair.quote)
        if base is None or quote is None:
            continue
        key = _fold(f"{base}/{quote}" if "/" in wanted else base)
        # Of several pairs alike the first one is the oldest, and the one that is meant.
        found.setdefault(key, "".join(filter(str.isprintable, f"{base}/{quote}")) + f" ({pair.name})")
    near = [key for key in (wanted, f"u{wanted}", wanted.removeprefix("u")) if key in found]
    near = near or get_close_matches(wanted[:50], found, n=3, cutoff=0.7)
    return [found[key] for key in dict.fromkeys(near)][:3]


def _fold(name: str) -> str:
    return name.casefold().replace("-", "/")
