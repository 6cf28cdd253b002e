"""A service of alerts on loopback, as one outside behaves: it takes messages, refuses them, or never answers."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# Stands in every address and in no message: whatever shows it shows an address.
TOKEN = "tok3n-that-nobody-may-see"
PATIENCE_S = 60.0


@dataclass
class AlertService:
    """What was posted to it, oldest first, and the paths that were asked for. `status` is what it answers."""

    port: int = 0
    status: int = 200
    posted: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    hangs: bool = False
    released: threading.Event = field(default_factory=threading.Event)
    news: threading.Condition = field(default_factory=threading.Condition)

    @property
    def url(self) -> str:
        """The address for Apprise, with a token in its path and a password."""
        return f"json://user:{TOKEN}@127.0.0.1:{self.port}/{TOKEN}"

    @property
    def web_url(self) -> str:
        """The address of a heartbeat, with a token in its path."""
        return f"http://127.0.0.1:{self.port}/{TOKEN}"

    @property
    def titles(self) -> list[str]:
        return [each["title"] for each in self.posted]

    def wait_for(self, *words: str, within_s: float = PATIENCE_S) -> dict[str, Any]:
        """Wait for a message with all these words, and return it."""
        until_s = time.monotonic() + within_s
        with self.news:
            while True:
                for each in self.posted:
                    if all(word in f"{each['title']}\n{each['message']}" for word in words):
                        return each
                if not self.news.wait(timeout=max(0.0, until_s - time.monotonic())):
                    raise AssertionError(f"no alert with {words} in {within_s:g} s: {self.posted}")


@contextmanager
def serving_alerts(*, status: int = 200, hangs: bool = False) -> Iterator[AlertService]:
    """Run such a service on a free port of loopback."""
    service = AlertService(status=status, hangs=hangs)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self._note(lambda: service.posted.append(json.loads(body)))

        def do_GET(self) -> None:
            self._note(lambda: service.asked.append(self.path))

        def _note(self, note: Any) -> None:
            with service.news:
                note()
                service.news.notify_all()
            if service.hangs:
                service.released.wait()
            self.send_response(service.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.handle_error = lambda *_: None  # type: ignore[method-assign] # the asker has gone
        service.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield service
        finally:
            service.released.set()
            server.shutdown()
            thread.join()
