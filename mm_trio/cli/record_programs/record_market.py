"""Recording of one market, without a maker, a key or an account."""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Never

import trio

from mm_trio.cli.programs.start_checks import ask_for_pairs, check_clock, find_network, find_pair
from mm_trio.cli.record_programs.market_connection import MarketConnection
from mm_trio.concurrency.thread_pools import ThreadPools
from mm_trio.config.settings import MarketSettings
from mm_trio.grids.schedule import make_wall_clock
from mm_trio.journal.data_dir import find_network_folder, hold_folder
from mm_trio.limits.hosts import Network
from mm_trio.model.market import Market, SpotMeta
from mm_trio.recorder.kept_file import RecordBounds
from mm_trio.recorder.record_file import RECORD_NAME
from mm_trio.recorder.record_keeping import RecordKeeping
from mm_trio.recorder.recorder import Look, Recorder
from mm_trio.venue.feed_connection import FeedConnection
from mm_trio.venue.rest_client import VenueClient
from mm_trio.venue.sdk import make_info
from mm_trio.venue.socket import discard_socket

__all__ = ["RecordRequest", "RecordSummary", "record_market"]

_log = logging.getLogger(__name__)

# Nothing is asked about an account.
NOBODY = "0x" + "0" * 40
MARKETS_NAME = "markets"
TELL_EVERY_S = 60.0
CLOSE_WITHIN_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRequest:
    """What the operator wants recorded, for how long, and where; `folder` None: in the state folder."""

    coin: str
    network: Network = "sandbox"
    api_url: str | None = None
    folder: Path | None = None
    bounds: RecordBounds = field(default_factory=RecordBounds)

    @property
    def market(self) -> MarketSettings:
        """Return the market in the form of the configuration."""
        return MarketSettings(coin=self.coin, network=self.network, api_url=self.api_url, account=NOBODY)


@dataclass(frozen=True, slots=True)
class RecordSummary:
    """What was recorded until the end."""

    coin: str
    file: Path
    seconds: float
    connections_lost: int
    counts: Mapping[str, int]

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        counts = {name: self.counts[name] for name in ("prices", "trades", "unreadable", "lost")}
        return {
            "coin": self.coin,
            "file": str(self.file),
            "seconds": round(self.seconds, 3),
            "connections_lost": self.connections_lost,
            **counts,
        }

    def to_text(self) -> str:
        """Return the text for a person."""
        counts = self.counts
        lost = f", {counts['lost']} messages lost" if counts["lost"] else ""
        unread = f", {counts['unreadable']} messages not readable" if counts["unreadable"] else ""
        return (
            f"recorded {self.coin} for {self.seconds:.0f} s: {counts['prices']} prices, {counts['trades']} trades, "
            f"{self.connections_lost} connections lost{lost}{unread}; file {self.file}"
        )


async def record_market(
    request: RecordRequest,
    *,
    environ: Mapping[str, str],
    duration_s: float | None,
    stop_scope: trio.CancelScope,
) -> RecordSummary:
    """Record until the duration ends or `stop_scope` is cancelled.

    Errors: ConfigError, VenueError; RecordError where the file cannot be used at the start.
    """
    began_s = trio.current_time()
    summary = RecordSummary(request.coin, (request.folder or Path()) / RECORD_NAME, 0.0, 0, dict.fromkeys(_NOTHING, 0))
    with stop_scope:
        if duration_s is not None:
            stop_scope.deadline = trio.current_time() + duration_s
        market = request.market
        meta = await ask_for_pairs(market.base_url)
        pair = find_pair(meta, market)
        await check_clock(make_info(market.base_url, meta), pair.coin)
        folder = request.folder or find_network_folder(environ, await find_network(market)) / MARKETS_NAME / (
            pair.coin.replace("/", "-")
        )
        with hold_folder(folder, f"another mm_trio already records into {folder}; stop that one, or name --folder"):
            recording = _Recording(request, folder, pair, meta)
            try:
                await recording.run_forever()
            finally:
                await recording.close()
                summary = recording.summarise(trio.current_time() - began_s)
    return summary


_NOTHING = ("prices", "trades", "unreadable", "lost")


class _Recording:
    """Recording under way."""

    def __init__(self, request: RecordRequest, folder: Path, pair: Market, meta: SpotMeta) -> None:
        self._folder = folder
        self._recorder = Recorder(folder, coin=pair.coin, bounds=request.bounds)
        self._info = make_info(request.market.base_url, meta)
        pools = ThreadPools(trio.to_thread.run_sync)
        client = VenueClient(self._info, address=NOBODY, run_sync=pools.reads)
        feed = FeedConnection(self._info, address=NOBODY, ask=client.ask)
        self._connection = MarketConnection(feed, random.Random())
        self._wall_ms = make_wall_clock()
        self._keeping = RecordKeeping(
            self._recorder,
            feed,
            find_connected=self._connection.find_connected,
            wall_ms=self._wall_ms,
            run_sync=pools.record,
        )

    async def run_forever(self) -> None:
        """Record until cancelled. Errors: RecordError where the file cannot be used now."""
        self._recorder.take_look(Look(self._wall_ms(), 0, None))
        await trio.to_thread.run_sync(self._recorder.write, abandon_on_cancel=True)
        # A damaged file was set aside, and the next write begins a new one.
        await trio.to_thread.run_sync(self._recorder.write, abandon_on_cancel=True)
        if self._recorder.fault is not None:
            raise self._recorder.fault
        _log.info("recording: coin=%s file=%s", self._recorder.coin, self._folder / RECORD_NAME)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._connection.keep_forever)
            nursery.start_soon(self._keeping.keep_forever)
            nursery.start_soon(self._tell_forever)

    async def _tell_forever(self) -> Never:
        while True:
            await trio.sleep(TELL_EVERY_S)
            counts = self._recorder.counts
            _log.info(
                "recorded: prices=%d trades=%d lost=%d connections_lost=%d",
                counts["prices"],
                counts["trades"],
                counts["lost"],
                self._connection.n_lost,
            )

    async def close(self) -> None:
        """Write what is left, and let go of file and socket."""
        discard_socket(self._info)
        with trio.move_on_after(CLOSE_WITHIN_S, shield=True):
            await trio.to_thread.run_sync(self._recorder.close, abandon_on_cancel=True)

    def summarise(self, seconds: float) -> RecordSummary:
        """Return what was recorded."""
        return RecordSummary(
            self._recorder.coin, self._folder / RECORD_NAME, seconds, self._connection.n_lost, self._recorder.counts
        )
