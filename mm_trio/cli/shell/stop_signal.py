"""Signals that ask a command to stop."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import nullcontext
from types import FrameType
from typing import TYPE_CHECKING, TypeVar

from mm_trio.model.errors import Interrupted

if TYPE_CHECKING:
    import trio

__all__ = ["StopSignal"]

_T = TypeVar("_T")

_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
_log = logging.getLogger(__name__)


class StopSignal:
    """First signal that asks this process to stop.

    Later ones have no further effect. `received` is that signal. `is_cut_short`: the work in `run` did not finish
    because of it. `cancels_orders`: the command cancels its open orders when it stops, so its log lines may say so.
    """

    def __init__(self, *, cancels_orders: bool = False) -> None:
        self.received: signal.Signals | None = None
        self.is_cut_short = False
        self._cancels_orders = cancels_orders

    def is_received(self) -> bool:
        """Return whether the process was asked to stop."""
        return self.received is not None

    def raise_on_signal(self) -> None:
        """Raise Interrupted on a signal from now on."""
        self._handle_signals(self._raise)

    def ignore_signals(self) -> None:
        """Ignore signals from now on, even while the interpreter ends.

        An impatient second Ctrl-C must not cost the summary, the exit code or the names of orders that may be open.
        """
        self._handle_signals(signal.SIG_IGN)

    def run(self, work: Callable[..., Awaitable[_T]], *, is_last: bool = True) -> _T:
        """Run `work(stop_scope=scope)` in trio; the first signal cancels the scope.

        A maker shuts down by cancelling its open orders. When `work` has ended, signals are ignored; where it was not
        the last of a command's work, they raise Interrupted again.
        """
        import trio

        # A signal that comes before the receiver is open is noted, and acted on as soon as it is.
        handled = self._handle_signals(self._note)

        async def run() -> _T:
            # Whoever started this may have ignored all of them.
            with trio.open_signal_receiver(*handled) if handled else nullcontext() as signals:
                async with trio.open_nursery() as nursery:
                    stop_scope = trio.CancelScope()
                    if self.received is not None:
                        self._stop(stop_scope, self.received)
                    if signals is not None:
                        nursery.start_soon(self._stop_on_signal, signals, stop_scope)
                    result = await work(stop_scope=stop_scope)
                    self.is_cut_short = self.is_received() and stop_scope.cancelled_caught
                    nursery.cancel_scope.cancel()
            return result

        try:
            return trio.run(run)
        finally:
            (self.ignore_signals if is_last else self.raise_on_signal)()

    async def _stop_on_signal(self, signals: AsyncIterator[int], stop_scope: trio.CancelScope) -> None:
        async for number in signals:
            self._note(number)
            self._stop(stop_scope, signal.Signals(number))

    def _stop(self, stop_scope: trio.CancelScope, number: signal.Signals) -> None:
        if stop_scope.cancel_called:
            consequence = "; cancelling open orders takes up to 10 s" if self._cancels_orders else ""
            _log.warning("already shutting down: signal=%s%s", number.name, consequence)
        else:
            consequence = "; cancelling open orders" if self._cancels_orders else ""
            _log.info("shutting down: signal=%s%s", number.name, consequence)
        stop_scope.cancel()

    def _handle_signals(
        self, handler: Callable[[int, FrameType | None], None] | signal.Handlers
    ) -> list[signal.Signals]:
        """Set the handler of each signal and return these signals.

        A signal that is ignored already stays ignored: `nohup` asked for that.
        """
        handled = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        for number in handled:
            signal.signal(number, handler)
        return handled

    def _note(self, number: int, frame: FrameType | None = None) -> None:
        self.received = self.received or signal.Signals(number)

    def _raise(self, number: int, frame: FrameType | None) -> None:
        self._note(number)
        # Coroutines that are discarded in the middle of a step would each print a traceback over the verdict.
        sys.unraisablehook = _keep_quiet
        raise Interrupted


def _keep_quiet(unraisable: sys.UnraisableHookArgs) -> None:
    pass
