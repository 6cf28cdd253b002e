"""What a service manager is told of a running maker: when it is ready, what it does, and that it still does it."""

from __future__ import annotations

from typing import Never

import trio

from mm_trio.cli.run_programs.maker_run import OpenMaker
from mm_trio.cli.run_programs.service_manager import STARTING_WORDS, ServiceManager
from mm_trio.engine.grid_face import GridFace
from mm_trio.halts.standing import State
from mm_trio.views.maker import Maker

__all__ = ["describe_maker", "find_hung", "is_ready", "tell_manager"]

# Longer than any tick: a minute for request weight, and some actions that are not answered in ten seconds each.
TICK_WITHIN_S = 120.0
LOOK_AT_START_EVERY_S = 0.2


async def tell_manager(manager: ServiceManager, opened: OpenMaker, stop_scope: trio.CancelScope) -> Never:
    """Tell a service manager of a maker until that ends.

    The watchdog hears nothing of a maker that hangs: of one whose loop stands still, because then nothing runs here
    either, and of one that should quote and does not tick any more.
    """
    maker = opened.maker
    try:
        while not is_ready(maker):
            manager.tell(f"STATUS=starting: {describe_maker(maker)}", *STARTING_WORDS)
            with trio.move_on_after(manager.speak_every_s):
                await _wait_until_ready(maker)
        manager.tell("READY=1")
        while True:
            now_s = trio.current_time()
            hung = find_hung(maker, now_s=now_s)
            alive = ("WATCHDOG=1",) if hung is None else ()
            manager.tell(f"STATUS={hung or describe_maker(maker)}", *alive)
            await trio.sleep(manager.speak_every_s)
    finally:
        manager.tell("STOPPING=1", "STATUS=shutting down: cancelling open orders")


async def _wait_until_ready(maker: Maker) -> None:
    while not is_ready(maker):  # noqa: ASYNC110 - a few looks at each start
        await trio.sleep(LOOK_AT_START_EVERY_S)


def is_ready(maker: Maker) -> bool:
    """Check if a maker quotes, or was stopped from placing by its operator or a limit before it began.

    It is ready with its first market: one that is held up does not hold up what depends on the others.
    """
    faces = [face for face in maker.faces.values() if face.market is not None]
    may_place = maker.standing.state.may_place
    return any(face.stats.ticks > 0 or not (may_place and face.standing.state.may_place) for face in faces)


def find_hung(maker: Maker, *, now_s: float) -> str | None:
    """Name the markets that should be quoted and whose ticks came to a standstill, None where there are none.

    A tick that is held up for a reason that is known, such as a lost feed or a locked ledger, is none of them.
    """
    hung = [name for name, face in maker.faces.items() if _is_hung(face, now_s=now_s)]
    return f"hung: no tick of {', '.join(hung)} any more" if hung else None


def _is_hung(face: GridFace, *, now_s: float) -> bool:
    if face.ticked_s is None or face.failure is not None or face.paused_because is not None:
        return False
    return now_s - face.ticked_s > max(TICK_WITHIN_S, 3 * face.settings.interval_s)


def describe_maker(maker: Maker) -> str:
    """Describe in a line what each market does."""
    if not maker.standing.state.may_place:
        return maker.standing.describe()
    return "; ".join(f"{name} {_describe(face)}" for name, face in maker.faces.items())


def _describe(face: GridFace) -> str:
    if face.failure is not None:
        return f"ended: {face.failure}"
    if face.standing.state is not State.ACTIVE:
        return face.standing.describe()
    doing = "quoting" if face.paused_because is None else f"paused: {face.paused_because}"
    return f"{doing}, {len(face.order_state.orders)} orders, {face.stats.fills} fills"
