"""Limits shared by all sockets of one client address.

It only counts: it has no socket and no clock of its own.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable

from mm_trio.sandbox.model.limits import Limits

__all__ = ["MESSAGES", "POSTS", "SUBSCRIPTIONS", "USERS", "Share", "WsLimits"]

MESSAGES = "Cannot send more than {limit} messages per minute."
POSTS = "too many pending post requests id={id}"
SUBSCRIPTIONS = "Cannot subscribe to more than {limit} channels."
USERS = "Cannot track more than {limit} total users."
_MINUTE_S = 60.0


class _Minute:
    """Count of events in the last minute.

    Refused events do not count.
    """

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._times_s: deque[float] = deque()

    def admit(self, now_s: float) -> bool:
        if self._limit is None:
            return True
        while self._times_s and now_s - self._times_s[0] >= _MINUTE_S:
            self._times_s.popleft()
        if len(self._times_s) >= self._limit:
            return False
        self._times_s.append(now_s)
        return True

    def is_empty(self, now_s: float) -> bool:
        return not self._times_s or now_s - self._times_s[-1] >= _MINUTE_S


class _Client:
    """Counts of one client address."""

    def __init__(self, limits: Limits) -> None:
        self.opened = _Minute(limits.ws_new_per_minute)
        self.messages = _Minute(limits.ws_messages_per_minute)
        self.n_connections = 0
        self.n_subscriptions = 0
        self.n_posts = 0
        self.users: Counter[str] = Counter()


class WsLimits:
    """Limits of all client addresses; None switches a limit off.

    Source of the limits: docs *Rate limits and user limits*. That all sockets of an address share them, and that they
    are released when a socket ends, was measured for users and is assumed for the rest. The answer to a connection
    beyond the limits (429) is decided here.
    """

    def __init__(self, limits: Limits, *, now_s: Callable[[], float]) -> None:
        self.limits = limits
        self.now_s = now_s
        self._clients: dict[str, _Client] = {}

    def admit(self, address: str) -> Share | None:
        """Reserve one more connection, or return None.

        None means that the address has reached a limit.
        """
        now_s, most = self.now_s(), self.limits.ws_connections
        for name in [name for name, client in self._clients.items() if self._is_idle(client, now_s)]:
            del self._clients[name]
        client = self._clients.setdefault(address, _Client(self.limits))
        if most is not None and client.n_connections >= most:
            return None
        return Share(self, client) if client.opened.admit(now_s) else None

    def _is_idle(self, client: _Client, now_s: float) -> bool:
        minutes = (client.opened, client.messages)
        return not client.n_connections and all(minute.is_empty(now_s) for minute in minutes)


class Share:
    """One connection's share of the limits of its address.

    A method that returns a text refuses with it.
    """

    def __init__(self, owner: WsLimits, client: _Client) -> None:
        self._owner = owner
        self._limits = owner.limits
        self._client = client
        self._users: Counter[str] = Counter()
        self._n_subscriptions = 0
        self._n_posts = 0
        self._is_open = True
        client.n_connections += 1

    def admit_message(self) -> str | None:
        """Count one message from the client, or refuse it."""
        if self._client.messages.admit(self._owner.now_s()):
            return None
        return MESSAGES.format(limit=self._limits.ws_messages_per_minute)

    def subscribe(self, user: str | None) -> str | None:
        """Count one more subscription, or refuse it.

        `user` is None for a subscription that concerns no user.
        """
        client, limits = self._client, self._limits
        if limits.ws_subscriptions is not None and client.n_subscriptions >= limits.ws_subscriptions:
            return SUBSCRIPTIONS.format(limit=limits.ws_subscriptions)
        is_new = user is not None and user not in client.users
        if is_new and limits.ws_users is not None and len(client.users) >= limits.ws_users:
            return USERS.format(limit=limits.ws_users)
        self._n_subscriptions += 1
        client.n_subscriptions += 1
        if user is not None:
            self._users[user] += 1
            client.users[user] += 1
        return None

    def unsubscribe(self, user: str | None) -> None:
        """Release one subscription."""
        self._n_subscriptions -= 1
        self._client.n_subscriptions -= 1
        if user is not None:
            self._forget_user(user, 1)

    def begin_post(self, post_id: int) -> str | None:
        """Count one request in flight, or refuse it."""
        most = self._limits.ws_posts_in_flight
        if most is not None and self._client.n_posts >= most:
            return POSTS.format(id=post_id)
        self._n_posts += 1
        self._client.n_posts += 1
        return None

    def end_post(self) -> None:
        """Release a request that was answered or never will be."""
        if self._is_open:
            self._n_posts -= 1
            self._client.n_posts -= 1

    def close(self) -> None:
        """Release everything that the connection held; closing twice is allowed."""
        if not self._is_open:
            return
        self._is_open = False
        self._client.n_connections -= 1
        self._client.n_subscriptions -= self._n_subscriptions
        self._client.n_posts -= self._n_posts
        for user, n in tuple(self._users.items()):
            self._forget_user(user, n)

    def _forget_user(self, user: str, n: int) -> None:
        for counter in (self._users, self._client.users):
            counter[user] -= n
            if not counter[user]:
                del counter[user]
