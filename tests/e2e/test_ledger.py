"""The ledger as an operator meets it: audited, damaged, rebuilt, refused to a second maker."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from process_kit import DEADLINE_S, Sandbox, clean_environ, open_sandbox, run, running

pytestmark = pytest.mark.e2e

QUOTES, FIRST_FILL = "tick=1 ", "fill side="


def run_maker(folder: Path, config: Path, sandbox: Sandbox, *, until: str) -> tuple[int, str]:
    """Exit code and log of a maker that is told to leave once it has logged that."""
    with running(folder, "run", "--config", str(config), "--json", environ=sandbox.key) as maker:
        maker.wait_for(until)
        return maker.end(signal.SIGTERM), maker.err


def run_refused(folder: Path, config: Path, sandbox: Sandbox) -> tuple[int, str]:
    """Exit code and log of a maker that ends by itself."""
    code, _, err = run(folder, "run", "--config", str(config), "--json", environ=sandbox.key)
    return code, err


def audit(folder: Path, config: Path) -> tuple[int, dict[str, Any]]:
    code, out, err = run(folder, "ledger", "audit", "--config", str(config), "--json")
    assert out, err
    return code, json.loads(out.splitlines()[-1])


def find_journal(folder: Path) -> Path:
    (path,) = folder.glob("state/mm_trio/sandbox/*/*/*/journal.sqlite3")
    return path


@pytest.mark.smoke
def test_a_ledger_is_audited_goes_on_after_a_restart_and_can_be_rebuilt(tmp_path: Path) -> None:
    with open_sandbox(tmp_path) as sandbox:
        config = sandbox.save_config(tmp_path)
        assert run_maker(tmp_path, config, sandbox, until=FIRST_FILL)[0] == 0
        code, first = audit(tmp_path, config)
        assert (code, first["ok"], first["fills"] > 0) == (0, True, True)

        code, err = run_maker(tmp_path, config, sandbox, until=QUOTES)
        assert code == 0
        start = next(line for line in err.splitlines() if " start " in line)
        assert f"token={first['ledger']['token']} quote={first['ledger']['usdc']}" in start

        journal = find_journal(tmp_path)
        with sqlite3.connect(journal) as file:
            file.execute("DROP TRIGGER entries_stay")
            n_entries = file.execute("SELECT max(seq) FROM entries").fetchone()[0]
            file.execute("UPDATE entries SET body = replace(body, '1', '2') WHERE seq = ?", (n_entries // 2,))
        file.close()
        code, err = run_refused(tmp_path, config, sandbox)
        assert (code, "Traceback" in err) == (5, False)
        assert "ledger rebuild" in err.splitlines()[-1]
        assert run(tmp_path, "ledger", "audit", "--config", str(config))[0] == 5

        code, out, _ = run(tmp_path, "ledger", "rebuild", "--config", str(config), "--json")
        assert (code, json.loads(out)["entries_saved"]) == (0, n_entries // 2 - 1)
        assert (journal.parent / "set-aside-1" / "journal.sqlite3").is_file()
        assert run_maker(tmp_path, config, sandbox, until=QUOTES)[0] == 0
        code, last = audit(tmp_path, config)
        assert (code, last["ok"]) == (0, True)
        assert last["fills"] >= first["fills"]


def test_a_ledger_of_which_nothing_can_be_read_is_rebuilt_from_the_venue_s_fills(tmp_path: Path) -> None:
    with open_sandbox(tmp_path) as sandbox:
        config = sandbox.save_config(tmp_path)
        assert run_maker(tmp_path, config, sandbox, until=FIRST_FILL)[0] == 0
        before = audit(tmp_path, config)[1]
        journal = find_journal(tmp_path)
        for path in journal.parent.glob("journal.sqlite3-*"):
            path.unlink()
        journal.write_bytes(b"not a ledger at all" * 1000)
        assert run_refused(tmp_path, config, sandbox)[0] == 5

        assert run(tmp_path, "ledger", "rebuild", "--config", str(config))[0] == 0
        # The next start books the fills; until then the ledger differs from the venue.
        code, between = audit(tmp_path, config)
        assert (code, len(between["unbooked_fills"]) >= before["fills"], between["lost_entries"]) == (1, True, None)
        # A start logs the fills that it books, so the first fill in the log is not yet one of this session.
        assert run_maker(tmp_path, config, sandbox, until=QUOTES)[0] == 0

        code, after = audit(tmp_path, config)
        assert (code, after["ok"]) == (0, True)
        assert after["fills"] >= before["fills"]


def rebuild_killed(folder: Path, config: Path, *, at_rename: int) -> int:
    """Exit code of a rebuild that SIGKILL ends just before it gives a file or folder its n-th new name."""
    script = (
        "import os, signal, sys\n"
        "from mm_trio.cli.main import main\n"
        "names, rename = [], os.rename\n"
        "def rename_or_die(*args, **options):\n"
        "    names.append(args)\n"
        f"    if len(names) == {at_rename}:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return rename(*args, **options)\n"
        "os.rename = rename_or_die\n"
        f"sys.exit(main(['ledger', 'rebuild', '--even-if-sound', '--config', {str(config)!r}]))\n"
    )
    environ = clean_environ(XDG_STATE_HOME=str(folder / "state"))
    return subprocess.run([sys.executable, "-c", script], cwd=folder, env=environ, timeout=DEADLINE_S).returncode


def check_lost_until_rebuilt(tmp_path: Path, config: Path, sandbox: Sandbox, before: dict[str, Any]) -> None:
    """Neither a start nor an audit takes it for a first start, and a rebuild brings back every entry."""
    code, err = run_refused(tmp_path, config, sandbox)
    assert (code, "Traceback" in err) == (5, False), err
    assert "there is no ledger at" in err.splitlines()[-1]
    assert "ledger rebuild" in err.splitlines()[-1]
    assert sandbox.ask("openOrders") == []
    code, lost = audit(tmp_path, config)
    assert (code, lost["ok"]) == (1, False)
    assert "there is no ledger at" in lost["lost"]

    code, out, _ = run(tmp_path, "ledger", "rebuild", "--config", str(config), "--json")
    assert (code, json.loads(out)["entries_saved"]) == (0, before["entries"])
    assert run_maker(tmp_path, config, sandbox, until=QUOTES)[0] == 0
    code, after = audit(tmp_path, config)
    assert (code, after["ok"]) == (0, True)
    assert after["fills"] >= before["fills"]


@pytest.mark.parametrize("at_rename", [2, 3])
def test_a_rebuild_that_was_killed_after_it_moved_the_old_file_is_no_first_start(
    tmp_path: Path, at_rename: int
) -> None:
    with open_sandbox(tmp_path) as sandbox:
        config = sandbox.save_config(tmp_path)
        assert run_maker(tmp_path, config, sandbox, until=FIRST_FILL)[0] == 0
        before = audit(tmp_path, config)[1]
        journal = find_journal(tmp_path)

        assert rebuild_killed(tmp_path, config, at_rename=at_rename) == -signal.SIGKILL

        assert not journal.exists()
        check_lost_until_rebuilt(tmp_path, config, sandbox, before)


def test_a_ledger_set_aside_with_nothing_in_its_place_is_no_first_start(tmp_path: Path) -> None:
    with open_sandbox(tmp_path) as sandbox:
        config = sandbox.save_config(tmp_path)
        assert run_maker(tmp_path, config, sandbox, until=FIRST_FILL)[0] == 0
        before = audit(tmp_path, config)[1]
        journal = find_journal(tmp_path)
        aside = journal.parent / "set-aside-1"
        aside.mkdir()
        journal.rename(aside / journal.name)

        check_lost_until_rebuilt(tmp_path, config, sandbox, before)


def test_a_state_folder_that_is_gone_is_no_first_start_after_fills_and_is_rebuilt_from_them(tmp_path: Path) -> None:
    with open_sandbox(tmp_path) as sandbox:
        config = sandbox.save_config(tmp_path)
        assert run_maker(tmp_path, config, sandbox, until=FIRST_FILL)[0] == 0
        before = audit(tmp_path, config)[1]
        shutil.rmtree(tmp_path / "state")

        code, lost = audit(tmp_path, config)
        assert (code, lost["ok"], "ledger rebuild" in lost["lost"]) == (1, False, True)
        for _ in range(2):
            code, err = run_refused(tmp_path, config, sandbox)
            assert (code, "this is not a first start" in err.splitlines()[-1]) == (2, True), err
        assert audit(tmp_path, config)[0] == 1

        assert run(tmp_path, "ledger", "rebuild", "--config", str(config))[0] == 0
        assert run_maker(tmp_path, config, sandbox, until=QUOTES)[0] == 0
        code, after = audit(tmp_path, config)
        assert (code, after["ok"]) == (0, True)
        assert after["fills"] >= before["fills"]


def test_there_is_no_ledger_to_audit_before_the_first_run(tmp_path: Path) -> None:
    with open_sandbox(tmp_path) as sandbox:
        code, out, err = run(tmp_path, "ledger", "audit", "--config", str(sandbox.save_config(tmp_path)))

    assert (code, out) == (5, "")
    assert "there is no ledger at" in err


def test_a_second_maker_is_refused_while_the_first_goes_on(tmp_path: Path) -> None:
    with open_sandbox(tmp_path) as sandbox:
        config = sandbox.save_config(tmp_path)
        with running(tmp_path, "run", "--config", str(config), "--plain", environ=sandbox.key) as first:
            first.wait_for("tick=1 ")
            code, err = run_refused(tmp_path, config, sandbox)
            assert (code, len(err.splitlines())) == (2, 1)
            assert "another mm_trio is already making the market" in err
            code, _, err = run(tmp_path, "ledger", "rebuild", "--config", str(config))
            assert (code, "another mm_trio" in err) == (2, True)
            first.wait_for("tick=2 ")


# --- a ledger that lacks its end ------------------------------------------------------------------


def test_r1_an_older_copy_is_refused_audited_as_cut_and_healed_by_a_rebuild(tmp_path: Path) -> None:
    with open_sandbox(tmp_path) as sandbox:
        config = sandbox.save_config(tmp_path)
        assert run_maker(tmp_path, config, sandbox, until=FIRST_FILL)[0] == 0
        folder = find_journal(tmp_path).parent
        shutil.copytree(folder, tmp_path / "copy")
        assert run_maker(tmp_path, config, sandbox, until=FIRST_FILL)[0] == 0
        code, whole = audit(tmp_path, config)
        assert (code, whole["lost_entries"], whole["lost_by_mark"]) == (0, None, None)
        shutil.rmtree(folder)
        shutil.copytree(tmp_path / "copy", folder)

        for _ in range(2):
            code, err = run_refused(tmp_path, config, sandbox)
            assert (code, "Traceback" in err) == (5, False), err
            assert "the ledger lacks entries" in err.splitlines()[-1]
            assert "`mm-trio ledger rebuild`" in err.splitlines()[-1]
        assert sandbox.ask("openOrders") == []
        code, cut = audit(tmp_path, config)
        assert (code, cut["ok"], cut["lost_entries"]["fills"] > 0) == (1, False, True)
        assert "manual trades" not in {line["what"] for line in cut["explained"]}

        assert run(tmp_path, "ledger", "rebuild", "--config", str(config))[0] == 0
        assert run_maker(tmp_path, config, sandbox, until=QUOTES)[0] == 0
        code, healed = audit(tmp_path, config)
        assert (code, healed["ok"]) == (0, True), healed
        assert healed["fills"] >= whole["fills"]


def test_r1_an_older_journal_beside_the_present_mark_is_refused(tmp_path: Path) -> None:
    with open_sandbox(tmp_path) as sandbox:
        config = sandbox.save_config(tmp_path)
        assert run_maker(tmp_path, config, sandbox, until=QUOTES)[0] == 0
        journal = find_journal(tmp_path)
        shutil.copy(journal, tmp_path / "copy")
        assert run_maker(tmp_path, config, sandbox, until=QUOTES)[0] == 0
        shutil.copy(tmp_path / "copy", journal)

        code, err = run_refused(tmp_path, config, sandbox)
        assert (code, "Traceback" in err) == (5, False), err
        assert "lacks entries" in err.splitlines()[-1]
        code, cut = audit(tmp_path, config)
        assert (code, "lacks entries" in cut["lost_by_mark"]) == (1, True)

        assert run(tmp_path, "ledger", "rebuild", "--config", str(config))[0] == 0
        assert run_maker(tmp_path, config, sandbox, until=QUOTES)[0] == 0
        assert audit(tmp_path, config)[0] == 0


@pytest.mark.parametrize("removes_folder", [False, True])
def test_r9_a_ledger_deleted_under_a_running_maker_halts_it(tmp_path: Path, removes_folder: bool) -> None:
    with open_sandbox(tmp_path) as sandbox:
        config = sandbox.save_config(tmp_path)
        with running(tmp_path, "run", "--config", str(config), "--json", environ=sandbox.key) as maker:
            maker.wait_for(FIRST_FILL)
            journal = find_journal(tmp_path)
            if removes_folder:
                shutil.rmtree(journal.parent)
            else:
                for path in journal.parent.glob("journal.sqlite3*"):
                    path.unlink()
            code = maker.end()
        assert (code, "Traceback" in maker.err) == (5, False), maker.err
        assert str(journal.parent) in maker.err.splitlines()[-1]
        assert "ledger rebuild" in maker.err.splitlines()[-1]
        assert sandbox.ask("openOrders") == []

        code, err = run_refused(tmp_path, config, sandbox)
        assert code == (2 if removes_folder else 5), err
        assert run(tmp_path, "ledger", "rebuild", "--config", str(config))[0] == 0
        assert run_maker(tmp_path, config, sandbox, until=QUOTES)[0] == 0
        assert audit(tmp_path, config)[0] == 0


def test_a_sound_or_absent_ledger_is_not_rebuilt_unasked(tmp_path: Path) -> None:
    with open_sandbox(tmp_path) as sandbox:
        config = sandbox.save_config(tmp_path)
        code, _, err = run(tmp_path, "ledger", "rebuild", "--config", str(config))
        assert (code, "there is nothing to rebuild from" in err) == (2, True), err
        assert run_maker(tmp_path, config, sandbox, until=FIRST_FILL)[0] == 0
        journal = find_journal(tmp_path)
        before = journal.read_bytes()

        code, _, err = run(tmp_path, "ledger", "rebuild", "--config", str(config))
        assert (code, "is sound" in err, "--even-if-sound" in err) == (2, True, True), err
        assert journal.read_bytes() == before

        code, _, err = run(tmp_path, "ledger", "rebuild", "--config", str(config), "--even-if-sound")
        assert code == 0, err
        assert run_maker(tmp_path, config, sandbox, until=QUOTES)[0] == 0
        assert audit(tmp_path, config)[0] == 0
