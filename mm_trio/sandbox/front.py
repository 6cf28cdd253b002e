"""What all doors share: JSON in, JSON out, over one exchange core.

Synchronous and without a clock of its own. Whoever opens a door says what time it is, who has signed an
action, and how a frame reaches its client.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from mm_trio.sandbox.connection import CloseConnection, Connection, News
from mm_trio.sandbox.exchange import Exchange
from mm_trio.sandbox.messages import Command, Effect
from mm_trio.sandbox.questions import UNREADABLE, BadRequest, answer_question
from mm_trio.sandbox.rows import Json, action_answer
from mm_trio.sandbox.wire_in import Unreadable, parse_action

__all__ = ["BadRequest", "CloseConnection", "Connection", "Front"]


class Front:
    """One exchange and the connections that hear of it."""

    def __init__(self, exchange: Exchange, *, now_ms: Callable[[], int], web_data2: bool = False) -> None:
        self.exchange = exchange
        self.now_ms = now_ms
        self._web_data2 = web_data2
        self._connections: list[Connection] = []
        self._untold: deque[News] = deque()
        self._telling = False

    def info(self, request: object) -> object:
        """Answer the body of a `/info` request. Errors: BadRequest."""
        return answer_question(self.exchange, request, now_ms=self.now_ms())

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
        self._untold.append(News.sort(effects))
        self._tell_all()
        return effects

    def take(self, command: Command) -> tuple[Effect, ...]:
        """`apply`, under the name that takers know."""
        return self.apply(command)

    def connect(self, send: Callable[[Json], None]) -> Connection:
        """A new connection without subscriptions; its frames go to `send`."""
        connection = Connection(
            self.exchange,
            send,
            now_ms=self.now_ms,
            web_data2=self._web_data2,
            on_close=self._forget,
        )
        self._connections.append(connection)
        return connection

    def beat(self) -> None:
        """Send the frames that come by the clock; called now and then by whoever owns time."""
        for connection in tuple(self._connections):
            connection.beat()

    def _forget(self, connection: Connection) -> None:
        if connection in self._connections:
            self._connections.remove(connection)

    def _tell_all(self) -> None:
        """Command by command. A listener that acts at once is told of that after the others heard of this."""
        if self._telling:
            return
        self._telling = True
        try:
            while self._untold:
                news = self._untold.popleft()
                for connection in tuple(self._connections):
                    connection.tell(news)
        finally:
            self._telling = False
