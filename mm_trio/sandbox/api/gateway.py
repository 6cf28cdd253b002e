"""What all doors share: JSON in, JSON out, over one exchange core.

Synchronous and without a clock of its own. Whoever opens a door says what time it is, who has signed an
action, and how a frame reaches its client.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from mm_trio.sandbox.api.action_parser import Unreadable, parse_action
from mm_trio.sandbox.feeds.channel_view import DOCUMENTED, PushSchedule
from mm_trio.sandbox.feeds.channels import Channels
from mm_trio.sandbox.feeds.connection import CloseConnection, Connection, News
from mm_trio.sandbox.info.endpoint import answer_question
from mm_trio.sandbox.info.question import UNREADABLE, BadRequest
from mm_trio.sandbox.info.rows import Json, action_answer
from mm_trio.sandbox.matching.exchange import Exchange
from mm_trio.sandbox.model.agents import Agents
from mm_trio.sandbox.model.commands import Command, Effect, PassTime

__all__ = ["BadRequest", "CloseConnection", "Connection", "Gateway"]


class Gateway:
    """One exchange and the connections that hear of it. `web_data2`: offer it; `cadence`: how often books may come."""

    def __init__(
        self,
        exchange: Exchange,
        *,
        now_ms: Callable[[], int],
        web_data2: bool = False,
        cadence: PushSchedule = DOCUMENTED,
    ) -> None:
        self.exchange = exchange
        self.now_ms = now_ms
        self.agents: Agents | None = None  # known where there is a door that asks for signatures
        self._web_data2 = web_data2
        self._channels = Channels(exchange, now_ms=now_ms, web_data2=web_data2, cadence=cadence)
        self._connections: list[Connection] = []
        self._pending_news: deque[News] = deque()
        self._is_publishing = False

    def info(self, request: object) -> object:
        """Answer the body of a `/info` request. Errors: BadRequest."""
        return answer_question(self.exchange, request, now_ms=self.now_ms(), agents=self.agents)

    def act(self, address: str, action: object, *, expires_after: int | None = None) -> Json:
        """Carry out an action whose signer is known; the answer is the body of a 200.

        Errors: BadRequest 422 for what is not in the schema; nothing happened then.
        """
        return self.carry_out(self.read_action(address, action, expires_after=expires_after))

    def read_action(self, address: str, action: object, *, expires_after: int | None) -> Command:
        """An action as a command; nothing happens yet. Errors: BadRequest 422."""
        try:
            return parse_action(address, action, expires_after=expires_after)
        except Unreadable as unreadable:
            raise BadRequest(422, UNREADABLE) from unreadable

    def carry_out(self, command: Command) -> Json:
        """Run the command of an action; gives the body of a 200."""
        return action_answer(self.apply(command))

    def apply(self, command: Command) -> tuple[Effect, ...]:
        """Run a core command now, tell every connection, hand back the effects."""
        effects = self.exchange.apply(self.now_ms(), command)
        self._pending_news.append(News.sort(effects))
        self._publish_pending()
        return effects

    def freeze(self, earlier: Gateway | None = None) -> Gateway:
        """Another front, on a copy of the exchange, that tells of this moment for ever.

        `earlier`: one that was frozen before; its copy is used again if nothing has been done since.
        """
        frozen_ms = self.now_ms()
        is_same = earlier is not None and earlier.exchange.n_commands == self.exchange.n_commands
        exchange = earlier.exchange if earlier is not None and is_same else self.exchange.copy()
        return Gateway(exchange, now_ms=lambda: frozen_ms, web_data2=self._web_data2)

    def connect(self, send: Callable[[Json], None]) -> Connection:
        """A new connection without subscriptions; its frames go to `send`."""
        connection = Connection(self._channels, send, on_close=self._forget)
        self._connections.append(connection)
        return connection

    def on_clock(self) -> None:
        """Keep what is due and send the frames that come by the clock; called now and then by whoever owns time."""
        self.pass_time()
        for connection in tuple(self._connections):
            connection.on_clock()

    def pass_time(self) -> None:
        """Keep the exchange's appointments that are due, as the next command would."""
        due_ms = self.exchange.next_due_ms()
        if due_ms is not None and due_ms <= self.now_ms():
            self.apply(PassTime())

    def _forget(self, connection: Connection) -> None:
        if connection in self._connections:
            self._connections.remove(connection)

    def _publish_pending(self) -> None:
        """Command by command. A listener that acts at once is told of that after the others heard of this."""
        if self._is_publishing:
            return
        self._is_publishing = True
        try:
            while self._pending_news:
                news = self._pending_news.popleft()
                for connection in tuple(self._connections):
                    connection.on_news(news)
        finally:
            self._is_publishing = False
