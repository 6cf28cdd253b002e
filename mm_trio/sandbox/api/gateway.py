"""JSON gateway to one exchange, shared by all transports.

It is synchronous and has no clock of its own. The transport (HTTP, WebSocket, in process) supplies the time, the signer
of an action, and the function that sends a frame to its client.
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
    """One exchange and the connections that receive its news.

    `web_data2`: offer that channel. `cadence`: how often books may be sent.
    """

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
        # Set by a transport that checks signatures.
        self.agents: Agents | None = None
        self._web_data2 = web_data2
        self._channels = Channels(exchange, now_ms=now_ms, web_data2=web_data2, cadence=cadence)
        self._connections: list[Connection] = []
        self._pending_news: deque[News] = deque()
        self._is_publishing = False

    def info(self, request: object) -> object:
        """Answer the body of a `/info` request.

        Errors: BadRequest.
        """
        return answer_question(self.exchange, request, now_ms=self.now_ms(), agents=self.agents)

    def act(self, address: str, action: object, *, expires_after: int | None = None) -> Json:
        """Carry out an action of a known signer.

        Returns: the body of a 200.
        Errors: BadRequest 422 for an action outside the schema; then nothing has changed.
        """
        return self.carry_out(self.read_action(address, action, expires_after=expires_after))

    def read_action(self, address: str, action: object, *, expires_after: int | None) -> Command:
        """Parse an action into a command without running it.

        Errors: BadRequest 422.
        """
        try:
            return parse_action(address, action, expires_after=expires_after)
        except Unreadable as unreadable:
            raise BadRequest(422, UNREADABLE) from unreadable

    def carry_out(self, command: Command) -> Json:
        """Run an action's command and return a 200's body."""
        return action_answer(self.apply(command))

    def apply(self, command: Command) -> tuple[Effect, ...]:
        """Run a core command, notify every connection, return the effects."""
        effects = self.exchange.apply(self.now_ms(), command)
        self._pending_news.append(News.sort(effects))
        self._publish_pending()
        return effects

    def freeze(self, earlier: Gateway | None = None) -> Gateway:
        """Return a gateway over a copy of the exchange.

        It stays at this moment: neither the copy nor its clock moves on.
        `earlier`: a gateway frozen before; its copy is reused if no command has run since.
        """
        frozen_ms = self.now_ms()
        is_same = earlier is not None and earlier.exchange.n_commands == self.exchange.n_commands
        exchange = earlier.exchange if earlier is not None and is_same else self.exchange.copy()
        return Gateway(exchange, now_ms=lambda: frozen_ms, web_data2=self._web_data2)

    def connect(self, send: Callable[[Json], None]) -> Connection:
        """Open a connection without subscriptions; frames go to `send`."""
        connection = Connection(self._channels, send, on_close=self._forget)
        self._connections.append(connection)
        return connection

    def on_clock(self) -> None:
        """Run due appointments and send periodic frames.

        The owner of the clock calls this regularly.
        """
        self.pass_time()
        for connection in tuple(self._connections):
            connection.on_clock()

    def pass_time(self) -> None:
        """Run the exchange's due appointments, as the next command would."""
        due_ms = self.exchange.next_due_ms()
        if due_ms is not None and due_ms <= self.now_ms():
            self.apply(PassTime())

    def _forget(self, connection: Connection) -> None:
        if connection in self._connections:
            self._connections.remove(connection)

    def _publish_pending(self) -> None:
        """Publish pending news, one command after another.

        If a listener reacts with a command of its own, the news of that command follow after every listener got the
        current ones.
        """
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
