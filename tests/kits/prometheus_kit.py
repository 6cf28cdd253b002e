"""A real Prometheus on loopback, with the files of this repository."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import requests
from process_kit import CHECKOUT, DEADLINE_S, LOOK_EVERY_S

DEPLOY = CHECKOUT / "deploy"
RULES = DEPLOY / "prometheus" / "rules" / "mm-trio.rules.yml"
# What the documentation says to configure.
CONFIG = (CHECKOUT / "docs" / "metrics.md").read_text().split("```yaml\n")[1].split("```")[0]
needs_prometheus = pytest.mark.skipif(
    shutil.which("prometheus") is None or shutil.which("promtool") is None,
    reason="prometheus and promtool are not installed (Debian's package `prometheus` has both)",
)


def promtool(*words: str | Path, text: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run promtool; what it reads comes from `text`."""
    return subprocess.run(["promtool", *map(str, words)], input=text, capture_output=True, timeout=DEADLINE_S)


@dataclass(frozen=True)
class Prometheus:
    """A Prometheus that scrapes."""

    url: str
    log: Path

    def ask(self, path: str, **query: str) -> Any:
        """What its interface answers; no proxy variable diverts it."""
        with requests.Session() as session:
            session.trust_env = False
            answer = session.get(f"{self.url}/api/v1/{path}?{urlencode(query)}", timeout=DEADLINE_S)
        found = answer.json()
        assert found["status"] == "success", found
        return found["data"]

    def query(self, text: str) -> list[dict[str, Any]]:
        """The samples of an instant query."""
        rows: list[dict[str, Any]] = self.ask("query", query=text)["result"]
        return rows


@contextmanager
def scraping(folder: Path, target: str) -> Iterator[Prometheus]:
    """Run Prometheus with our configuration and rules, scraping one maker each second."""
    text = CONFIG
    for old, new in (("127.0.0.1:8090", target), ("5s", "1s"), (f"rules/{RULES.name}", str(RULES))):
        assert old in text, old
        text = text.replace(old, new)
    text = f"global:\n  evaluation_interval: 1s\n\n{text}"
    config, log = folder / "prometheus.yml", folder / "prometheus.log"
    config.write_text(text)
    # Its log does not name a port that it chose itself.
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    with log.open("wb") as opened:
        process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={config}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdin=subprocess.DEVNULL,
            stdout=opened,
            stderr=opened,
            cwd=folder,
        )
    try:
        prometheus = Prometheus(f"http://127.0.0.1:{port}", log)
        _wait_until_ready(prometheus, process)
        yield prometheus
    finally:
        process.terminate()
        process.wait(DEADLINE_S)


def _wait_until_ready(prometheus: Prometheus, process: subprocess.Popen[bytes]) -> None:
    until_s = time.monotonic() + DEADLINE_S
    while True:
        assert process.poll() is None, prometheus.log.read_text()
        try:
            with requests.Session() as session:
                session.trust_env = False
                if session.get(f"{prometheus.url}/-/ready", timeout=5).status_code == 200:
                    return
        except requests.RequestException:
            pass
        assert time.monotonic() < until_s, prometheus.log.read_text()
        time.sleep(LOOK_EVERY_S)


def list_queries(dashboard: Path) -> dict[str, str]:
    """Every query of a dashboard by panel and letter, as Grafana would send it for all makers and markets."""
    found: dict[str, str] = {}
    for panel in json.loads(dashboard.read_text())["panels"]:
        for target in panel.get("targets", []):
            text = target["expr"]
            for name, value in (("$instance", ".+"), ("$coin", ".+"), ("$__rate_interval", "10s")):
                text = text.replace(name, value)
            assert "$" not in text, text
            found[f"{panel['title']} {target['refId']}"] = text
    return found
