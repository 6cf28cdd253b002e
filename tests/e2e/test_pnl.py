"""Earnings as an operator asks for them: by the configuration, while the exchange is there and once it is gone."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from process_kit import open_sandbox, run, running

pytestmark = pytest.mark.e2e


def tell(folder: Path, *words: str) -> dict[str, Any]:
    code, out, err = run(folder, "pnl", *words, "--json")
    assert code == 0, err
    values: dict[str, Any] = json.loads(out.splitlines()[-1])
    return values


def test_it_is_told_with_and_without_the_exchange(tmp_path: Path) -> None:
    with open_sandbox(tmp_path) as sandbox:
        config = str(sandbox.save_config(tmp_path))
        with running(tmp_path, "run", "--config", config, "--json", environ=sandbox.key) as maker:
            maker.wait_for("fill side=")
            assert maker.end(signal.SIGTERM) == 0
        with_it = tell(tmp_path, "--config", config)
        history = [row for row in sandbox.ask("userFills") if row["cloid"]]
    without_it = tell(tmp_path, "--config", config)
    by_folder = tell(tmp_path, "--folder", with_it["folder"])

    assert with_it == without_it == by_folder
    assert with_it["fills"]["n"] == len(history) > 0


def test_a_venue_that_is_gone_leaves_the_choice_of_folders(tmp_path: Path) -> None:
    """Two exchanges had a maker of this account; nobody can tell which one is meant."""
    account = "0x" + "a1" * 20
    folders = [tmp_path / "state" / "mm_trio" / "sandbox" / name / account / "@107" for name in ("one", "two")]
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "journal.sqlite3").touch()
    config = tmp_path / "maker.toml"
    config.write_text(
        f'[market]\ncoin = "@107"\nnetwork = "sandbox"\napi_url = "http://127.0.0.1:9"\naccount = "{account}"\n'
        '[strategy]\nstart_px = "20"\nn_orders = 10\norder_sz = "5"\n'
    )

    code, _, err = run(tmp_path, "pnl", "--config", str(config))

    assert code == 2
    assert "--folder DIR" in err
    assert all(str(folder) in err for folder in folders)
