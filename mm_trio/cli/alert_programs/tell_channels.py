"""One message to every channel, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import trio

from mm_trio.alerts.message import Message
from mm_trio.alerts.sender import Channel, try_once

__all__ = ["ChannelOutcome", "Telling", "tell_channels"]

# Pauses before further attempts of a message that is sent once, by a process that ends then: half a minute in all.
PAUSES_S = (1.0, 4.0, 10.0)
_REMEDY = "check the address, and that this machine reaches its service"


@dataclass(frozen=True, slots=True)
class ChannelOutcome:
    """What became of a message on one channel. `fault` None: it was taken."""

    name: str
    fault: str | None
    attempts: int
    took_s: float

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        return {
            "channel": self.name,
            "ok": self.fault is None,
            "fault": self.fault,
            "attempts": self.attempts,
            "took_s": round(self.took_s, 3),
        }

    def to_text(self) -> str:
        """Return the line for a person."""
        if self.fault is None:
            return f"PASS  {self.name}  taken in {self.took_s:.1f} s"
        attempts = "" if self.attempts == 1 else f", {self.attempts} times"
        return f"FAIL  {self.name}  {self.fault}{attempts} -> {_REMEDY}"


@dataclass(frozen=True, slots=True)
class Telling:
    """What became of a message on all channels."""

    outcomes: tuple[ChannelOutcome, ...]

    @property
    def is_ok(self) -> bool:
        """Check if every channel took it."""
        return all(outcome.fault is None for outcome in self.outcomes)

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        return {"ok": self.is_ok, "channels": [outcome.to_json() for outcome in self.outcomes]}

    def to_text(self) -> str:
        """Return the text for a person."""
        return "\n".join(outcome.to_text() for outcome in self.outcomes)


async def tell_channels(
    channels: Sequence[Channel], message: Message, *, again: bool, stop_scope: trio.CancelScope
) -> Telling:
    """Send a message to all channels at once. `again`: try several times."""
    outcomes: dict[str, ChannelOutcome] = {}

    async def tell(channel: Channel) -> None:
        began_s = trio.current_time()
        for number, pause_s in enumerate((0.0, *(PAUSES_S if again else ())), 1):
            await trio.sleep(pause_s)
            found = await try_once(channel, message)
            outcomes[channel.name] = ChannelOutcome(channel.name, found, number, trio.current_time() - began_s)
            if found is None:
                return

    with stop_scope:
        async with trio.open_nursery() as nursery:
            for channel in channels:
                nursery.start_soon(tell, channel)
    names = [channel.name for channel in channels]
    return Telling(tuple(outcomes.get(name, ChannelOutcome(name, "it was cut short", 0, 0.0)) for name in names))
