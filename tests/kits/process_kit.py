"""The program as a process of its own, for the tests that start it: every wait has an end, and nobody is left behind.

What a process prints goes to files, so that no pipe can fill up and hold it.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from native_kit import CHOSEN
from schema_kit import check_printed

CHECKOUT = Path(__file__).resolve().parents[2]
REHEARSAL = str(CHECKOUT / "tests" / "kits" / "rehearsal_maker.py")
DEADLINE_S = 60.0  # for what takes a second: a machine may be busy with others
LOOK_EVERY_S = 0.02
_NOT_INHERITED = re.compile("MM_TRIO.*|HYPERLIQUID_PK|.*_PROXY", re.IGNORECASE)


def clean_environ(**more: str) -> dict[str, str]:
    """Ours without what would change the program, and with this checkout importable from every folder."""
    environ = {name: value for name, value in os.environ.items() if not _NOT_INHERITED.fullmatch(name)}
    path = os.pathsep.join(filter(None, (str(CHECKOUT), os.environ.get("PYTHONPATH"))))
    return environ | {"PYTHONPATH": path} | CHOSEN.environ() | more


@dataclass(frozen=True)
class Program:
    """A command under way, or over."""

    process: subprocess.Popen[bytes]
    out_path: Path
    err_path: Path

    @property
    def out(self) -> str:
        return self.out_path.read_text()

    @property
    def err(self) -> str:
        return self.err_path.read_text()

    def wait_for(self, pattern: str) -> str:
        """The first match in what it printed, on either stream; fails if it ends without."""
        end_s = time.monotonic() + DEADLINE_S
        while True:
            is_over = self.process.poll() is not None
            if match := re.search(pattern, self.err) or re.search(pattern, self.out):
                return match[0]
            assert not is_over, f"ended with {self.process.returncode} before {pattern!r}: {self.out}{self.err}"
            assert time.monotonic() < end_s, f"never printed {pattern!r}: {self.out}{self.err}"
            time.sleep(LOOK_EVERY_S)

    def end(self, number: signal.Signals | None = None) -> int:
        """The exit code, of itself or after a signal."""
        if number is not None:
            self.process.send_signal(number)
        return self.process.wait(DEADLINE_S)

    def last_object(self) -> dict[str, Any]:
        """The summary that `--json` puts on the last line."""
        summary: dict[str, Any] = json.loads(self.out.splitlines()[-1])
        return summary


@contextmanager
def running(
    folder: Path, *arguments: str, environ: Mapping[str, str] | None = None, mainnet: str | None = None
) -> Iterator[Program]:
    """`python -m mm_trio …` in `folder`; killed on leaving if it still runs. A result as JSON has to fit its schema.

    `mainnet` is the address of a sandbox that stands in for the venue's.
    """
    n_earlier = len(list(folder.glob("*.out")))
    out_path, err_path = folder / f"{n_earlier}.out", folder / f"{n_earlier}.err"
    with out_path.open("wb") as out, err_path.open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, *(("-m", "mm_trio") if mainnet is None else (REHEARSAL, mainnet)), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            cwd=folder,
            env=clean_environ(**({"XDG_STATE_HOME": str(folder / "state")} | dict(environ or {}))),
        )
    try:
        yield Program(process, out_path, err_path)
    finally:
        process.kill()
        process.wait()
    check_printed(arguments, process.returncode, out_path.read_text(errors="replace"))


def run(
    folder: Path, *arguments: str, environ: Mapping[str, str] | None = None, mainnet: str | None = None
) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command that ends by itself."""
    with running(folder, *arguments, environ=environ, mainnet=mainnet) as program:
        code = program.end()
        return code, program.out, program.err


@dataclass(frozen=True)
class Sandbox:
    """An exchange in a process of its own, and what it said of itself."""

    program: Program
    url: str
    account: str
    private_key: str
    coin: str
    config: str  # the text that it printed
    access: dict[str, Any] = field(repr=False)  # all of its first line

    @property
    def key(self) -> dict[str, str]:
        """The environment of who trades there."""
        return {"MM_TRIO_PRIVATE_KEY": self.private_key}

    def save_config(self, folder: Path, **replace: str) -> Path:
        """The printed configuration as a file, with the values of some settings replaced."""
        text = self.config
        for name, value in replace.items():
            text, n_found = re.subn(f"^{name} = .*$", f"{name} = {value}", text, flags=re.MULTILINE)
            assert n_found == 1, name
        path = folder / "sandbox.toml"
        path.write_text(text)
        return path

    def ask(self, kind: str) -> Any:
        """What the exchange answers about the account, over a plain connection that no proxy variable diverts."""
        with closing(http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=DEADLINE_S)) as door:
            body = json.dumps({"type": kind, "user": self.account})
            door.request("POST", "/info", body, {"Content-Type": "application/json"})
            return json.load(door.getresponse())

    def control(self, verb: str, request: Mapping[str, object] | None = None) -> Any:
        """What its control room answers; without a request it is only asked."""
        with closing(http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=DEADLINE_S)) as door:
            method, body = ("GET", None) if request is None else ("POST", json.dumps(request))
            door.request(method, f"/sandbox/{verb}", body, {"Authorization": f"Bearer {self.access['control_token']}"})
            answer = json.load(response := door.getresponse())
            assert response.status == 200, answer
            return answer


@contextmanager
def open_sandbox(folder: Path, *arguments: str, environ: Mapping[str, str] | None = None) -> Iterator[Sandbox]:
    """`sandbox --port 0 --json`, ready."""
    with running(folder, "sandbox", "--port", "0", "--json", *arguments, environ=environ) as program:
        config = program.wait_for(r'(?s)\[market\].*\nusdc = "[0-9.]+"\n')
        access = json.loads(program.out.splitlines()[0])
        yield Sandbox(program, access["url"], access["account"], access["private_key"], access["coin"], config, access)


def wait_until(condition: Callable[[], object], *, within_s: float = DEADLINE_S) -> float:
    """Wait for a condition and return how long it took."""
    began_s = time.monotonic()
    while not condition():
        assert time.monotonic() < began_s + within_s, "it never came to that"
        time.sleep(LOOK_EVERY_S)
    return time.monotonic() - began_s


def read_commands(page: str, heading: str) -> list[str]:
    """Read the commands that a section of a page shows, in their order."""
    (section,) = re.findall(
        rf"^#+ {heading}\n(.*?)(?=^#|\Z)", (CHECKOUT / "docs" / page).read_text(), re.DOTALL | re.MULTILINE
    )
    return "".join(re.findall(r"^```sh\n(.*?)^```", section, re.DOTALL | re.MULTILINE)).splitlines()
