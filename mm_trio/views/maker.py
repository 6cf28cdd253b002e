"""What whoever runs a maker, or looks at it, needs of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from mm_trio.engine.grid_face import GridFace, Vitals
from mm_trio.halts.requests import Requests
from mm_trio.halts.standing import Standing
from mm_trio.state.rate_limit import RateLimitBudget

__all__ = ["Maker", "UnknownMarket", "find_faces"]


class UnknownMarket(Exception):
    """Name of a market that a maker does not have."""


class Maker(Protocol):
    """Maker of one market or of several.

    `faces` show its grids, by the name that the configuration has for each. `standing` is the account's, or that of the
    only grid.
    """

    @property
    def faces(self) -> Mapping[str, GridFace]: ...

    @property
    def rate_limit(self) -> RateLimitBudget: ...

    @property
    def standing(self) -> Standing: ...

    @property
    def requests(self) -> Requests | None: ...

    @property
    def vitals(self) -> Vitals: ...

    @property
    def signs(self) -> Vitals: ...

    @property
    def orders_may_rest(self) -> tuple[str, ...]: ...

    def describe_orders_left(self) -> tuple[str, ...]: ...

    def describe_memory(self) -> dict[str, int]: ...

    async def run(self) -> None: ...


def find_faces(maker: Maker, coin: str | None) -> Mapping[str, GridFace]:
    """Find what is shown of one market, for None of all, by the names of the configuration.

    `coin` is such a name, the venue's name of the coin, or that of the pair. Errors: UnknownMarket.
    """
    if coin is None:
        return maker.faces
    for name, face in maker.faces.items():
        if coin in (name, face.coin, face.pair_name):
            return {name: face}
    raise UnknownMarket(f"unknown market {coin[:60]!r}; this maker has: {', '.join(maker.faces)}")
