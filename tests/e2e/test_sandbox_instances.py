"""Each start of a sandbox is an exchange of its own: makers on two of them share neither a ledger nor a lock."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from process_kit import Sandbox, open_sandbox, run, running

pytestmark = pytest.mark.e2e

FIRST_FILL = "fill side="
BUSY = ("--seed", "181")  # pauses of at most 0.6 s between its takers, while a maker starts


class Desk:
    """A folder from which one sandbox is used; several of them share one state folder."""

    def __init__(self, folder: Path, sandbox: Sandbox, *, state: Path) -> None:
        self.folder = folder
        self.environ = sandbox.key | {"XDG_STATE_HOME": str(state)}
        self.config = str(sandbox.save_config(folder))

    def start(self) -> Any:
        return running(self.folder, "run", "--config", self.config, "--json", environ=self.environ)

    def trade(self) -> str:
        """Run a maker until its first fill, and return its log."""
        with self.start() as maker:
            maker.wait_for(FIRST_FILL)
            assert maker.end(signal.SIGTERM) == 0, maker.err
            log: str = maker.err
            return log

    def audit(self) -> dict[str, Any]:
        code, out, err = run(self.folder, "ledger", "audit", "--config", self.config, "--json", environ=self.environ)
        assert code == 0, out + err
        report: dict[str, Any] = json.loads(out.splitlines()[-1])
        return report


def make_folders(tmp_path: Path, *names: str) -> list[Path]:
    for name in names:
        (tmp_path / name).mkdir()
    return [tmp_path / name for name in names]


def test_makers_on_two_sandboxes_of_one_seed_do_not_meet(tmp_path: Path) -> None:
    """Account, agent and coin are the same on both, and so is the state folder."""
    one, other = make_folders(tmp_path, "one", "other")
    with open_sandbox(one, *BUSY) as left, open_sandbox(other, *BUSY) as right:
        desks = [Desk(one, left, state=tmp_path / "state"), Desk(other, right, state=tmp_path / "state")]
        with desks[0].start() as first, desks[1].start() as second:
            makers = (first, second)
            for maker in makers:
                maker.wait_for(FIRST_FILL)
            codes = [maker.end(signal.SIGTERM) for maker in makers]
        audits = [desk.audit() for desk in desks]

    assert codes == [0, 0]
    assert left.account == right.account
    assert audits[0]["folder"] != audits[1]["folder"]
    assert min(audit["fills"] for audit in audits) > 0


def test_a_sandbox_restarted_on_its_port_is_met_with_a_new_ledger(tmp_path: Path) -> None:
    (desk_folder,) = make_folders(tmp_path, "desk")
    folders = []
    port = "0"
    for _ in range(2):
        with open_sandbox(desk_folder, *BUSY, "--port", port) as sandbox:
            port = sandbox.url.rpartition(":")[2]
            desk = Desk(desk_folder, sandbox, state=tmp_path / "state")
            log = desk.trade()
            assert "WARNING" not in log.replace("WARNING mm_trio.cli.shell.stop_signal", "")
            folders.append(desk.audit()["folder"])

    assert folders[0] != folders[1]
    assert all((Path(folder) / "journal.sqlite3").is_file() for folder in folders)


def test_a_maker_restarted_on_a_living_sandbox_goes_on_with_its_ledger(tmp_path: Path) -> None:
    (desk_folder,) = make_folders(tmp_path, "desk")
    with open_sandbox(desk_folder, *BUSY) as sandbox:
        desk = Desk(desk_folder, sandbox, state=tmp_path / "state")
        desk.trade()
        before = desk.audit()
        log = desk.trade()
        after = desk.audit()

    start = next(line for line in log.splitlines() if " start " in line)
    assert f"token={before['ledger']['token']} quote={before['ledger']['usdc']}" in start
    assert after["folder"] == before["folder"]
    assert after["fills"] > before["fills"]


def test_two_demos_at_once_do_not_meet(tmp_path: Path) -> None:
    one, other = make_folders(tmp_path, "one", "other")
    words, environ = ("demo", "--duration", "3", "--json"), {"XDG_STATE_HOME": str(tmp_path / "state")}
    with running(one, *words, environ=environ) as left, running(other, *words, environ=environ) as right:
        codes = [left.end(), right.end()]

    assert codes == [0, 0], left.err + right.err
    assert left.last_object()["ledger_exact"] is right.last_object()["ledger_exact"] is True
    assert not (tmp_path / "state").exists()
