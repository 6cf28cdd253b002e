"""The signals that ask a command to stop, and what a check says that they cut short."""

from __future__ import annotations

import json
import logging
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from types import FrameType
from typing import TYPE_CHECKING, Any

from mm_trio.model.errors import Interrupted, find_leaves

if TYPE_CHECKING:
    import trio

__all__ = ["CheckSteps", "StopSignal", "find_interruption", "tell_interruption"]

_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
_log = logging.getLogger(__name__)


class CheckSteps:
    """Know the steps of a check, and how far it came."""

    def __init__(self, *names: str) -> None:
        self._names = names
        self._n_done = 0

    def finish(self, name: str) -> None:
        """Note that this step is done; it has to be the next one."""
        assert self._names[self._n_done] == name, name
        self._n_done += 1

    def make_interruption(self, *, summary: Mapping[str, object], note: str = "") -> Interrupted:
        """Make what the check raises when a signal stopped it."""
        done, left = self._names[: self._n_done], self._names[self._n_done :]
        return Interrupted(checked=done, not_checked=left, summary=summary, note=note)


class StopSignal:
    """Hear the first signal that asks this process to stop; later ones cost it nothing.

    `received` is that signal. `is_cut_short` says that work in `run` did not come to its end because of it. `quotes`:
    what is told to the operator speaks of orders that are cancelled.
    """

    def __init__(self, *, quotes: bool = False) -> None:
        self.received: signal.Signals | None = None
        self.is_cut_short = False
        self._quotes = quotes

    def is_received(self) -> bool:
        """Tell whether the process was asked to stop."""
        return self.received is not None

    def raise_on_signal(self) -> None:
        """Let a signal raise Interrupted in the main thread from now on."""
        self._handle_signals(self._raise)

    def ignore_signals(self) -> None:
        """Let signals do nothing from now on, not even while the interpreter ends.

        An impatient second Ctrl-C must not cost the summary, the exit code or the names of what may rest.
        """
        self._handle_signals(signal.SIG_IGN)

    def run(self, work: Callable[..., Awaitable[Any]]) -> Any:
        """Run `work(stop_scope=scope)` in trio; the first signal cancels the scope.

        What quotes leaves by cancelling what rests. After it signals are ignored.
        """
        import trio

        # A signal that comes before the receiver is open is noted, and heeded as soon as it is.
        heeded = self._handle_signals(self._note)

        async def run() -> Any:
            with trio.open_signal_receiver(*heeded) as signals:
                async with trio.open_nursery() as nursery:
                    stop_scope = trio.CancelScope()
                    if self.received is not None:
                        self._stop(stop_scope, self.received)
                    nursery.start_soon(self._stop_on_signal, signals, stop_scope)
                    result = await work(stop_scope=stop_scope)
                    self.is_cut_short = self.is_received() and stop_scope.cancelled_caught
                    nursery.cancel_scope.cancel()
            return result

        try:
            return trio.run(run)
        finally:
            self.ignore_signals()

    async def _stop_on_signal(self, signals: Any, stop_scope: trio.CancelScope) -> None:
        async for number in signals:
            self._note(number)
            self._stop(stop_scope, signal.Signals(number))

    def _stop(self, stop_scope: trio.CancelScope, number: signal.Signals) -> None:
        if stop_scope.cancel_called:
            rest = "; cancelling what rests takes 10 s at most" if self._quotes else ""
            _log.warning("%s: leaving already%s", number.name, rest)
        else:
            _log.info("%s: leaving%s", number.name, ", orders are cancelled" if self._quotes else "")
        stop_scope.cancel()

    def _handle_signals(
        self, handler: Callable[[int, FrameType | None], None] | signal.Handlers
    ) -> list[signal.Signals]:
        """Set the handler of each signal that is not ignored already (nohup); gives these signals."""
        heeded = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        for number in heeded:
            signal.signal(number, handler)
        return heeded

    def _note(self, number: int, frame: FrameType | None = None) -> None:
        self.received = self.received or signal.Signals(number)

    def _raise(self, number: int, frame: FrameType | None) -> None:
        self._note(number)
        # Coroutines that are thrown away in the middle of a step would each print a traceback over what is told.
        sys.unraisablehook = _keep_quiet
        raise Interrupted


def _keep_quiet(unraisable: sys.UnraisableHookArgs) -> None:
    pass


def find_interruption(error: BaseException) -> Interrupted | None:
    """Find what says that a signal stopped a check, with its steps if it names them."""
    leaves = find_leaves(error)
    found = [leaf for leaf in leaves if isinstance(leaf, Interrupted)]
    if not found and any(isinstance(leaf, KeyboardInterrupt) for leaf in leaves):
        found = [Interrupted()]
    return max(found, key=lambda leaf: len(leaf.checked) + len(leaf.not_checked), default=None)


def tell_interruption(interrupted: Interrupted, *, name: str, received: signal.Signals | None, as_json: bool) -> None:
    """Print on stderr what was checked and what was not; as JSON on stdout too."""
    signal_name = (received or signal.SIGINT).name
    checked, left = ", ".join(interrupted.checked), ", ".join(interrupted.not_checked)
    parts = [
        f"{name} was interrupted by {signal_name} and gives no verdict",
        f"checked: {checked or 'nothing'}",
        f"not checked: {left or 'everything'}",
        *filter(None, (interrupted.note, "run it again for a verdict")),
    ]
    print("; ".join(parts), file=sys.stderr, flush=True)
    if as_json:
        told = {
            **interrupted.summary,
            "interrupted": True,
            "signal": signal_name,
            "checked": list(interrupted.checked),
            "not_checked": list(interrupted.not_checked),
        }
        print(json.dumps(told), flush=True)
