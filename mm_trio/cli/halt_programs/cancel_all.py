"""Cancellation of everything that rests, whatever became of the maker.

It needs a configuration and a key. A maker that runs is told to place nothing. One that hangs or is dead, a journal
that is broken, a disk that is full: none of them keeps the orders from being cancelled.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import trio

from mm_trio.cli.halt_programs.in_flight import InFlight, burn_places, read_in_flight
from mm_trio.cli.halt_programs.maker_place import (
    ANSWERED_WITHIN_S,
    DISK_WITHIN_S,
    MakerPlace,
    find_place,
    is_running,
    wait_for_standing,
)
from mm_trio.cli.halt_programs.order_sweep import OrderSweep, SweepScope
from mm_trio.cli.halt_programs.sweep_report import SweepReport
from mm_trio.cli.halt_programs.sweep_venue import SweptVenue, reach_venue
from mm_trio.cli.programs.start_checks import find_pair
from mm_trio.config.keys import Secret
from mm_trio.config.settings import Settings
from mm_trio.halts.requests import Request, write_request
from mm_trio.halts.standing import State
from mm_trio.journal.data_dir import find_state_folder
from mm_trio.model.errors import ConfigError, Interrupted, LocalError, Unreachable, VenueError
from mm_trio.sending.batch_emitter import EXPIRY_GRACE_S, EXPIRY_S
from mm_trio.witness.nonces import Nonces

__all__ = ["cancel_all"]

_log = logging.getLogger(__name__)

# Of all of it: the rest of half a minute is for the start and the end of the process.
WITHIN_S = 26.0
REASON = "`mm-trio cancel-all`"


@dataclass(slots=True)
class _Sweeping:
    """Sweep under way, so that an interruption can say how far it came."""

    began_s: float
    notes: list[str] = field(default_factory=list)
    sweep: OrderSweep | None = None
    left_out: str | None = None

    @property
    def until_s(self) -> float:
        """Moment at which it ends, whatever was found."""
        return self.began_s + WITHIN_S

    def note(self, text: str) -> None:
        """Tell what did not work; the rest goes on."""
        self.notes.append(text)
        _log.warning("not done: reason=%s; the rest goes on", text)


async def cancel_all(
    grids: Sequence[Settings],
    *,
    key: Secret,
    environ: Mapping[str, str],
    foreign: bool,
    all_coins: bool,
    stop_scope: trio.CancelScope,
) -> SweepReport:
    """Cancel what rests of an account's grids, and prove it by two looks, within half a minute.

        Errors: ConfigError; Unreachable where no look at the open orders succeeded, or the pairs could not be read;
    Interrupted once `stop_scope` is cancelled.
    """
    sweeping = _Sweeping(trio.current_time())
    also = frozenset(grid.market.coin for grid in grids[1:])
    scope = SweepScope(grids[0].market.coin, frozenset(), foreign=foreign, all_coins=all_coins, also=also)
    with stop_scope:
        with trio.move_on_at(sweeping.until_s):
            await _sweep(grids, key, environ=environ, scope=scope, sweeping=sweeping)
        return _report(grids[0], scope, sweeping)
    n_cancelled = 0 if sweeping.sweep is None else sweeping.sweep.n_cancelled
    raise Interrupted(summary={"ok": False, "cancelled": n_cancelled}, note="orders may still rest")


async def _sweep(
    grids: Sequence[Settings], key: Secret, *, environ: Mapping[str, str], scope: SweepScope, sweeping: _Sweeping
) -> None:
    """Stop placing, use up what is in flight, and cancel the rest. Errors: ConfigError, VenueError."""
    settings = grids[0]
    places = await _find_places(grids, environ, sweeping)
    place, follows = places[0], await _stop_all(places, sweeping)
    # What may still be on its way was signed before now, and is refused after its deadline.
    dead_s = trio.current_time() + EXPIRY_S + EXPIRY_GRACE_S
    venue = await reach_venue(settings, key, place, until_s=sweeping.until_s, note=sweeping.note)
    found = None
    if len(grids) == 1:
        found = await _read_journal(venue, place, settings, sweeping)
    else:
        sweeping.note("the journal of several markets is not read, so what is in flight ends by its deadline")
    scope = replace(scope, coin=venue.coin, coins=venue.coins, also=_find_others(grids, places, venue, sweeping))
    sweep = sweeping.sweep = OrderSweep(
        venue.client,
        venue.info,
        scope=scope,
        make_desk=venue.make_desk,
        known=() if found is None else found.resting,
    )
    if venue.is_silent:
        # A venue whose answers are lost may still hear.
        await sweep.cancel_known()
    is_over = found is not None and await burn_places(venue.gateway, found.intents)
    is_over = is_over and found is not None and not found.lacks_orders
    if not (is_over and follows):
        wait_s = max(0.0, dead_s - trio.current_time())
        sweeping.note(f"orders may still be on their way: the last look comes {wait_s:.0f} s from now")
    settled_s = 0.0 if is_over and follows else dead_s
    await sweep.run(settings.market.account, settled_s=settled_s, until_s=sweeping.until_s)


def _report(settings: Settings, scope: SweepScope, sweeping: _Sweeping) -> SweepReport:
    """Say what came of it. Errors: Unreachable where no look succeeded."""
    sweep = sweeping.sweep
    if sweep is None or sweep.targets is None:
        why, n_cancelled = ("the time was up", 0) if sweep is None else (sweep.unverified, sweep.n_cancelled)
        named = (
            "" if sweep is None or not sweep.named else f"; the journal names oid {', '.join(map(str, sweep.named))}"
        )
        raise Unreachable(
            f"the open orders of {settings.market.account} could not be read in {WITHIN_S:g} s ({why}), so nothing is "
            f"known of what rests ({n_cancelled} that the journal names were cancelled){named}; run it again, or "
            "cancel on the venue's web page"
        )
    if sweep.lost_key is not None:
        sweeping.note(sweep.lost_key)
    which = "every order" if scope.foreign else "orders of mm_trio"
    return SweepReport(
        what=f"{which} in {'every spot coin' if scope.all_coins else ', '.join(scope.wanted)}",
        account=settings.market.account,
        n_cancelled=sweep.n_cancelled,
        n_ended=sweep.n_ended,
        may_rest=sweep.targets,
        left_alone=sweep.left_alone,
        unverified=sweep.unverified or sweeping.left_out,
        notes=tuple(sweeping.notes),
        took_s=trio.current_time() - sweeping.began_s,
    )


# --- The maker ------------------------------------------------------------------------------------


async def _find_place(settings: Settings, environ: Mapping[str, str], sweeping: _Sweeping) -> MakerPlace | None:
    try:
        return await find_place(settings, environ=environ)
    except (VenueError, ConfigError, LocalError, OSError) as error:
        # What is wrong with the configuration itself is found again, where the pair is needed.
        sweeping.note(f"the state folder is not known, so no maker was told to stop: {error}")
        return None


async def _find_places(
    grids: Sequence[Settings], environ: Mapping[str, str], sweeping: _Sweeping
) -> tuple[MakerPlace | None, ...]:
    """Find the place of each grid; the venue is asked for its pairs once, where it is asked at all."""
    places = [await _find_place(grids[0], environ, sweeping), *([None] * (len(grids) - 1))]
    first = places[0]

    async def find(number: int) -> None:
        market = grids[number].market
        if first is None or first.pairs is None:
            places[number] = await _find_place(grids[number], environ, sweeping)
            return
        try:
            coin = find_pair(first.pairs, market).coin
        except ConfigError as error:
            sweeping.note(f"{market.coin} is left out: {error}")
            return
        folder = find_state_folder(environ, network=first.network, account=market.account, coin=coin)
        places[number] = MakerPlace(coin, first.network, folder, first.pairs)

    async with trio.open_nursery() as nursery:
        for number in range(1, len(grids)):
            nursery.start_soon(find, number)
    return tuple(places)


async def _stop_all(places: Sequence[MakerPlace | None], sweeping: _Sweeping) -> bool:
    """Ask all grids for CANCEL_ONLY at once; return whether it is certain that none places any more."""
    follows: list[bool] = []

    async def stop(place: MakerPlace | None) -> None:
        follows.append(await _stop_placing(place, sweeping))

    async with trio.open_nursery() as nursery:
        for place in places:
            nursery.start_soon(stop, place)
    return all(follows)


def _find_others(
    grids: Sequence[Settings], places: Sequence[MakerPlace | None], venue: SweptVenue, sweeping: _Sweeping
) -> frozenset[str]:
    """Find the venue's names of the other coins; one that cannot be cancelled is told, and keeps the verdict open."""
    pairs = list(zip(grids, places, strict=True))[1:]
    names = {grid.market.coin if place is None else place.coin for grid, place in pairs}
    if lost := sorted(names - venue.coins):
        sweeping.left_out = f"not looked at, because the venue's pairs do not name them: {', '.join(lost)}"
    return frozenset(names & venue.coins)


async def _stop_placing(place: MakerPlace | None, sweeping: _Sweeping) -> bool:
    """Ask for CANCEL_ONLY; return whether it is certain that no maker places any more."""
    if place is None:
        return False
    path = place.folder / Request.CANCEL_ONLY
    failure: object = f"no answer of the disk in {DISK_WITHIN_S:g} s"
    is_written = False
    try:
        with trio.move_on_after(DISK_WITHIN_S):
            await trio.to_thread.run_sync(
                write_request, place.folder, Request.CANCEL_ONLY, REASON, abandon_on_cancel=True
            )
            is_written = True
    except OSError as error:
        failure = error.strerror or error
    if not is_written:
        sweeping.note(f"{path} not written ({failure}): a maker may place again; end its process, or send it SIGUSR1")
    runs = await is_running(place.folder)
    if runs is False:
        return True
    shown = await wait_for_standing(place.folder, lambda found: found.state.strictness >= State.CANCEL_ONLY.strictness)
    if shown is None and runs:
        sweeping.note(f"a maker runs and did not follow within {ANSWERED_WITHIN_S:g} s: it may hang; end its process")
    if shown is not None and runs:
        sweeping.note(f"a maker runs; it places nothing more, and cancels what it placed: {shown.describe()}")
    return shown is not None and runs is True


async def _read_journal(
    venue: SweptVenue, place: MakerPlace | None, settings: Settings, sweeping: _Sweeping
) -> InFlight | None:
    """Read what is in flight; None where the journal cannot be read."""
    if place is None:
        return None
    clock = venue.client.clock
    found = await read_in_flight(place.folder, order_size=settings.strategy.order_sz, wall_ms=clock.earliest_ms())
    if not isinstance(found, InFlight):
        sweeping.note(f"the journal was not read, so what is in flight ends by its deadline: {found}")
        return None
    venue.nonces = Nonces(clock, last=found.last_nonce)
    return found
