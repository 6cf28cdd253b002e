"""Maker of several grids on one account."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import trio

from mm_trio.concurrency.blocking_calls import RunSync
from mm_trio.engine.asked_before import AskedBefore
from mm_trio.engine.assembly import AccountStops, open_session
from mm_trio.engine.grid_assembly import GridTerms, Seams
from mm_trio.engine.grid_face import GridFace, Vitals, take_vitals
from mm_trio.engine.session import Session
from mm_trio.grids.grid import Grid
from mm_trio.grids.shutdown import LeftOrder
from mm_trio.guard.cover import GuardTerms
from mm_trio.halts.requests import Requests
from mm_trio.halts.standing import Standing, State, refuse_halted
from mm_trio.halts.standing_file import KeepsStanding, VolatileStanding
from mm_trio.journal.recovery import LedgerFile
from mm_trio.journal.writer import CHECKPOINT_EVERY
from mm_trio.limits.terms import NO_LIMITS, RiskLimits
from mm_trio.model.errors import ConfigError, Halted
from mm_trio.model.settings import MakerSettings
from mm_trio.state.rate_limit import RateLimitBudget
from mm_trio.venue.sdk import quiet_sdk_logging
from mm_trio.venue.socket import discard_socket
from mm_trio.witness.key_life import KeyLife

if TYPE_CHECKING:
    from mm_trio.transport.native import NativeTransport

__all__ = ["AccountMaker", "GridTerms"]


class AccountMaker:
    """HIP-2 market maker for several spot pairs of one account.

    `await AccountMaker(grids, ...).run()` runs it from start to shutdown, on one socket, one journal and one lane of
    actions. Each grid has terms of its own; a token that several of them use needs an allocation in each. `limits` and
    `standing` are of the whole account. All else is as in `WsState`, whose `info`, `exchange`, `address`, `run_sync`,
    `journal` and further parameters these are. A grid that halts, or whose ledger contradicts the venue, ends alone;
    `faces` shows each grid, by the name that its settings have.
    Errors: ConfigError (a ValueError) for grids that cannot be quoted together.
    """

    def __init__(
        self,
        grids: Sequence[GridTerms],
        *,
        info: Any,
        exchange: Any,
        address: str,
        run_sync: RunSync = trio.to_thread.run_sync,
        reopen_feed: Callable[[], object] | None = None,
        journal: LedgerFile | None = None,
        rng: random.Random | None = None,
        wall_ms: Callable[[], int] | None = None,
        used_weight: int = 0,
        checkpoint_every: int = CHECKPOINT_EVERY,
        key_life: KeyLife | None = None,
        limits: RiskLimits | None = None,
        standing: KeepsStanding | None = None,
        guard: GuardTerms | None = None,
        dead_man: bool = False,
        network: str | None = None,
        asked: AskedBefore | None = None,
        transport: NativeTransport | None = None,
    ) -> None:
        self._seams = Seams(
            info,
            exchange,
            address,
            run_sync,
            reopen_feed,
            journal,
            rng or random.Random(),
            wall_ms,
            used_weight,
            checkpoint_every,
            key_life,
            guard,
            dead_man,
            network,
            asked,
            transport,
        )
        self._own = AccountStops(standing=standing or VolatileStanding(), limits=limits or NO_LIMITS)
        self.rate_limit = RateLimitBudget()
        self._terms = tuple(grids)
        self.faces: dict[str, GridFace] = {terms.settings.coin: GridFace(terms, self.rate_limit) for terms in grids}
        if not grids or len(self.faces) < len(grids):
            names = ", ".join(terms.settings.coin for terms in grids) or "none"
            raise ConfigError(f"an account needs grids of different coins, one or more, got {names}")
        self._session: Session | None = None

    def __repr__(self) -> str:
        return f"<AccountMaker {', '.join(map(repr, self.faces.values()))}>"

    async def run(self) -> None:
        """Start, quote until cancelled, and shut down without open orders.

        Grids that are halted are left out. Errors: as `WsState.run`; Halted where every grid is.
        """
        quiet_sdk_logging()
        refuse_halted(self.standing)
        faces = [face for face in self.faces.values() if face.standing.state is not State.HALTED]
        if not faces:
            raise Halted("; ".join(face.standing.describe() for face in self.faces.values()))
        if self._seams.journal is not None and not self._seams.journal.is_new:
            for face in faces:
                face.note_past()
        by_coin = {terms.settings.coin: terms for terms in self._terms}
        wanted = [(by_coin[face.settings.coin], face.make_blank()) for face in faces]
        try:
            session = self._session = await open_session(
                self._seams, wanted, self.rate_limit, own=self._own, on_left=self._drop
            )
            for face, grid in zip(faces, session.grids, strict=True):
                face.show(grid)
            await session.run()
        finally:
            # A socket made by the SDK has threads that are not daemons.
            discard_socket(self._seams.info)
            if self._seams.transport is not None:
                self._seams.transport.close()

    async def add(self, terms: GridTerms) -> GridFace:
        """Quote another grid beside those that are quoted.

        Errors: ConfigError, VenueError or LedgerError, and then nothing is changed.
        """
        coin = terms.settings.coin
        session = self._session
        if session is None or not session.has_started or coin in self.faces:
            why = "it is quoted already" if coin in self.faces else "the maker has not started"
            raise ConfigError(f"{coin} cannot be added: {why}")
        face = GridFace(terms, self.rate_limit)
        face.show(await session.add_grid(terms, face.make_blank()))
        self.faces[coin] = face
        return face

    async def remove(self, coin: str) -> tuple[LeftOrder, ...]:
        """End a grid, and return what may still rest of it. Errors: ConfigError."""
        session, face = self._find(coin)
        return await session.remove_grid(face.coin)

    def _drop(self, grid: Grid) -> None:
        """Show a grid no longer that was taken out."""
        for name in [name for name, face in self.faces.items() if face.coin == grid.coin]:
            del self.faces[name]

    def _find(self, coin: str) -> tuple[Session, GridFace]:
        session, face = self._session, self.faces.get(coin)
        if session is None or not session.has_started:
            raise ConfigError(f"{coin} is not quoted yet: the maker has not started")
        if face is None or face.failure is not None:
            raise ConfigError(f"{coin} is not quoted now; quoted are {', '.join(self.faces)}")
        return session, face

    @property
    def has_started(self) -> bool:
        """Check if all grids have their tasks, so that grids may come, go and change."""
        return self._session is not None and self._session.has_started

    @property
    def moving(self) -> tuple[str, ...]:
        """Return the coins whose ladders move to others just now."""
        grids = () if self._session is None else self._session.alive
        return tuple(grid.coin for grid in grids if grid.moving is not None)

    def change_limits(self, limits: RiskLimits) -> None:
        """Judge all grids together by other limits from here on."""
        if self._session is not None:
            self._session.account.stops.limits.change(limits)
            self._session.watch_mark_if_needed()

    async def change(self, coin: str, settings: MakerSettings, limits: RiskLimits) -> None:
        """Let a grid that quotes go on by other settings and limits.

        Its ladder moves order by order, from the far ends inwards. Errors: ConfigError, and then nothing is changed.
        """
        session, face = self._find(coin)
        await session.change_grid(face.coin, settings, limits)
        face.follow(settings)

    @property
    def standing(self) -> Standing:
        """Return whether the account may place orders, and why not, as it is written down."""
        return self._own.standing.standing

    @property
    def requests(self) -> Requests | None:
        """Return the ways by which an operator reaches the account; None where there is none."""
        return self._own.standing.requests

    @property
    def orders_may_rest(self) -> tuple[str, ...]:
        """Return our orders that may rest at the venue, with their coins."""
        own = (f"{face.coin}: {name}" for face in self.faces.values() for name in face.orders_may_rest)
        return (*own, *self._describe_absent())

    def _describe_absent(self) -> tuple[str, ...]:
        """Name what may rest of coins that are not configured; a grid that was left out names its own."""
        named = () if self._session is None else self._session.describe_absent()
        coins = {face.coin for face in self.faces.values()}
        return tuple(name for name in named if name.partition(":")[0] not in coins)

    def describe_orders_left(self) -> tuple[str, ...]:
        """Describe the orders that may rest, with their coins, for a person who has to look after them."""
        own = (f"{name}: {left}" for name, face in self.faces.items() for left in face.describe_orders_left())
        return (*own, *self._describe_absent())

    @property
    def vitals(self) -> Vitals:
        """Return the account's signs of life, and how near its limits are."""
        return take_vitals(self._session)

    @property
    def signs(self) -> Vitals:
        """Return the signs of life alone, which is quick."""
        return take_vitals(self._session, measures_limits=False)

    def describe_memory(self) -> dict[str, int]:
        """Count the items kept in memory, by name."""
        return {} if self._session is None else self._session.describe_memory()
