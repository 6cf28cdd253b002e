"""The guard's two ways to the venue: it posts bytes that are signed already, and reads what rests."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import trio

from mm_trio.guard.signed_file import SignedAction
from mm_trio.model.cloid import decode_cloid
from mm_trio.model.errors import VenueError
from mm_trio.model.replies import OpenOrder, Refusal, Refused, Unknown
from mm_trio.venue.action_answers import parse_answers
from mm_trio.venue.http_session import VENUE_FAILURES, JsonSession, describe_failure, is_loopback
from mm_trio.venue.rest_client import VenueClient

__all__ = ["Owned", "Posted", "VenueSession", "call_in_thread", "make_poster"]

_log = logging.getLogger(__name__)

# Between two polls: a replica of the venue may lag by less.
POLL_AGAIN_S = 1.2
# Longer than what bounds a whole answer, after which its thread ends.
POST_WITHIN_S = 6.0


@dataclass(frozen=True, slots=True)
class Posted:
    """What became of one action that was posted.

    `is_answered`: the venue has used its nonce, now or earlier, or never will; posting it again changes nothing.
    """

    is_answered: bool
    n_cancelled: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Owned:
    """Which orders are the maker's: those of `coins` that have its mark, or are among `names`."""

    coins: frozenset[str]
    names: frozenset[str | int] = field(repr=False)

    def has(self, row: OpenOrder) -> bool:
        """Check if an order is the maker's."""
        return row.coin in self.coins and (decode_cloid(row.cloid) is not None or row.oid in self.names)


async def call_in_thread(
    fn: Callable[..., Any],
    /,
    *args: Any,
    abandon_on_cancel: bool = False,
    limiter: trio.CapacityLimiter | None = None,
) -> Any:
    """Make a blocking call on a thread, and on this one where no thread can be started.

    What kept the maker from starting one may keep its guard from it, too. Every call here ends by itself, unless the
    disk hangs.
    """
    try:
        return await trio.to_thread.run_sync(fn, *args, abandon_on_cancel=abandon_on_cancel, limiter=limiter)
    except RuntimeError as error:
        if "start new thread" not in str(error):
            raise
    return fn(*args)


def make_poster(base_url: str) -> Callable[[bytes], Any]:
    """Make a blocking call that posts signed bytes and returns the answer.

    Errors: `VENUE_FAILURES`.
    """
    url = f"{base_url}/exchange"
    session = JsonSession(url, {"Content-Type": "application/json"}, direct=is_loopback(base_url))

    def post(body: bytes) -> Any:
        response = session.post(url, body)
        try:
            return response.json()
        except ValueError:
            return None

    return post


class VenueSession:
    """Actions and questions of a guard, for one account."""

    def __init__(self, client: VenueClient, post: Callable[[bytes], Any]) -> None:
        self._client = client
        self._post = post

    async def post(self, action: SignedAction) -> Posted:
        """Post one signed action."""
        try:
            with trio.fail_after(POST_WITHIN_S):
                raw = await call_in_thread(self._post, action.body, abandon_on_cancel=True)
        except trio.TooSlowError:
            return Posted(False, reason=f"no answer in {POST_WITHIN_S:g} s")
        except VENUE_FAILURES as error:
            return Posted(False, reason=describe_failure(error))
        answers = parse_answers(raw, len(action.names))
        first = answers[0]
        if isinstance(first, Unknown):
            # With the venue's own words it refused, and the nonce is used.
            return Posted(first.says is not None, reason=first.says or first.why)
        if isinstance(first, Refused) and first.untouched:
            # A nonce of a lost answer is used: the first bytes arrived.
            is_used = first.refusal is Refusal.NONCE and "duplicate" in first.text
            return Posted(True, reason="posted before" if is_used else first.text)
        return Posted(True, sum(not isinstance(answer, Refused | Unknown) for answer in answers))

    async def find_resting(self, owned: Owned) -> tuple[OpenOrder, ...] | None:
        """Find what of the maker's orders rests; None where that cannot be known.

        Two polls in a row have to agree whether there are any: the replica that answers may lag.
        """
        try:
            rows = await self._poll(owned)
            for _ in range(2):
                await trio.sleep(POLL_AGAIN_S)
                earlier, rows = rows, await self._poll(owned)
                if bool(earlier) is bool(rows):
                    break
            return rows
        except VenueError as error:
            _log.warning("open orders not read: error=%s", error)
            return None

    async def poll_once(self, owned: Owned) -> tuple[OpenOrder, ...] | None:
        """Find with one poll what of the maker's orders rests; None where that cannot be known."""
        try:
            return await self._poll(owned)
        except VenueError as error:
            _log.warning("open orders not read: error=%s", error)
            return None

    async def _poll(self, owned: Owned) -> tuple[OpenOrder, ...]:
        rows = (await self._client.fetch_open_order_rows()).read_coins(owned.coins)
        return tuple(row for row in rows if owned.has(row))
