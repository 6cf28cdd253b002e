"""Many clients at once, in a process of their own: what they do costs the loop under test nothing."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

__all__ = ["crowd", "watching_lateness"]

# Connects, asks, reads the beginning of each answer, tells the statuses, and stays until its input ends.
SCRIPT = """
import json, socket, sys
port, n, request = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3].encode()
clients, statuses = [], []
for _ in range(n):
    client = socket.socket()
    client.settimeout(60)
    try:
        client.connect(("127.0.0.1", port))
        client.sendall(request)
    except OSError:
        pass
    clients.append(client)
for client in clients:
    try:
        data = client.recv(4096)
        statuses.append(int(data.split()[1]) if data else 0)
    except OSError:
        statuses.append(0)
print(json.dumps(statuses), flush=True)
sys.stdin.read()
"""


@asynccontextmanager
async def crowd(port: int, n: int, request: str) -> AsyncIterator[Counter[int]]:
    """Have so many clients ask at once, and stay; gives how often each status came, 0: none."""
    words = [sys.executable, "-c", SCRIPT, str(port), str(n), request]
    process = await trio.lowlevel.open_process(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        told = b""
        with trio.fail_after(100):
            while not told.endswith(b"\n"):
                told += await process.stdout.receive_some()
        yield Counter(json.loads(told))
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()


@asynccontextmanager
async def watching_lateness() -> AsyncIterator[list[float]]:
    """Beat twenty times a second on this loop, and note how late each beat was, in seconds."""
    late_s: list[float] = []

    async def beat_forever() -> None:
        while True:
            due_s = trio.current_time() + 0.05
            await trio.sleep_until(due_s)
            late_s.append(trio.current_time() - due_s)

    # What earlier tests left is not collected meanwhile, which takes seconds; a maker that runs does the same.
    gc.collect()
    gc.freeze()
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(beat_forever)
            yield late_s
            nursery.cancel_scope.cancel()
    finally:
        gc.unfreeze()
