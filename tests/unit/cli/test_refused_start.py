"""A refused start looks what an earlier run left, and waits for no disk and no venue."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, Never

import pytest
import trio

from mm_trio.cli.halt_programs import refused_start
from mm_trio.cli.halt_programs.refused_start import look_after_refusal
from mm_trio.config.loading import parse_settings
from mm_trio.model.errors import ConfigError

ACCOUNT = "0x" + "a1" * 20


async def look(tmp_path: Path) -> None:
    document: dict[str, Any] = {
        "market": {"coin": "@107", "network": "sandbox", "account": ACCOUNT, "api_url": "http://127.0.0.1:9"},
        "strategy": {"start_px": "20", "n_orders": 40, "order_sz": "5"},
    }
    settings = parse_settings(document, environ={}, source="a test")
    environ = {"XDG_STATE_HOME": str(tmp_path)}
    with trio.fail_after(5):
        await look_after_refusal([settings], ConfigError("refused"), environ=environ, config=Path("a maker.toml"))


async def test_a_disk_that_hangs_is_told_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    is_over = threading.Event()

    def hang(*_args: object) -> Never:
        is_over.wait()
        raise OSError

    monkeypatch.setattr(refused_start, "LOOK_WITHIN_S", 0.2)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "glob", hang)
        await look(tmp_path)
        is_over.set()

    told = capsys.readouterr().err
    assert "could not be verified (no answer in 0.2 s)" in told
    assert "`mm-trio cancel-all --config 'a maker.toml'`" in told


async def test_where_nothing_ever_ran_nobody_is_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    await look(tmp_path)

    assert capsys.readouterr().err == ""
