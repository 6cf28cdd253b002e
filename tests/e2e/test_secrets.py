"""No command shows the signing key: not in a frame, not to a child process, not in a complaint."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from process_kit import DEADLINE_S, Sandbox, clean_environ, open_sandbox, run, running
from secret_kit import SCRIPT, find_secrets

pytestmark = pytest.mark.e2e

KEY = "0x" + "c0ffee" * 10 + "beef"
MAINNET = '[market]\ncoin = "@107"\nnetwork = "mainnet"\naccount = "0x{}"\n[strategy]\n{}\n'.format(
    "a1" * 20, 'start_px = "20"\nn_orders = 10\norder_sz = "5"'
)


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with open_sandbox(tmp_path_factory.mktemp("sandbox"), "--no-takers") as opened:
        yield opened


def end_with(folder: Path, place: str, *words: str, key: str, **environ: str) -> str:
    """What a command prints that a bug at `place` ends, with the variables of all its frames."""
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT, place, *words],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        cwd=folder,
        env=clean_environ(XDG_STATE_HOME=str(folder / "state"), MM_TRIO_PRIVATE_KEY=key, **environ),
    )
    assert "Traceback" in ended.stderr
    assert " = " in ended.stderr
    return ended.stdout + ended.stderr


@pytest.mark.parametrize(
    "place",
    [
        "mm_trio.account_config.loading:read_toml",
        "mm_trio.venue.signer:Wallet.__init__",
        "mm_trio.cli.programs.start_checks:fetch_spot_meta",
        "mm_trio.cli.run_programs.open_maker:make_exchange",
        "mm_trio.venue.signer:ActionSigner.__init__",
        "mm_trio.venue.signer:ActionSigner.sign",
        "mm_trio.venue.http_session:JsonSession.post",
        "mm_trio.grids.turns:tick",
        "mm_trio.journal.sqlite_journal:Journal.append",
    ],
)
def test_r8_a_bug_of_a_running_maker_shows_no_key(sandbox: Sandbox, place: str, tmp_path: Path) -> None:
    config = sandbox.save_config(tmp_path)

    shown = end_with(tmp_path, place, "run", "--config", str(config), "--duration", "3", key=sandbox.private_key)

    assert "planted" in shown
    assert find_secrets(shown, sandbox.private_key) == set()


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("mm_trio.cli.programs.run_demo:make_info", ("demo", "--duration", "1")),
        ("mm_trio.cli.programs.run_sandbox:serve", ("sandbox", "--port", "0")),
        ("mm_trio.cli.programs.run_sim:run_campaign", ("sim", "--seed", "1")),
        ("mm_trio.cli.programs.start_checks:fetch_spot_meta", ("run", "--config", "mainnet.toml")),
        ("mm_trio.cli.programs.start_checks:fetch_spot_meta", ("ledger", "audit", "--config", "mainnet.toml")),
        ("mm_trio.cli.programs.start_checks:fetch_spot_meta", ("ledger", "rebuild", "--config", "mainnet.toml")),
        ("mm_trio.venue.rest_client:VenueClient.ask", ("keys", "show", "--config", "mainnet.toml")),
        ("mm_trio.venue.rest_client:VenueClient.ask", ("keys", "new", "--config", "mainnet.toml")),
        ("", ("run", "--config", "none.toml")),
        ("", ("run", "--live", "--config", "mainnet.toml")),
        ("", ("ledger", "audit", "--config", "none.toml")),
    ],
)
def test_r8_a_bug_of_any_command_shows_no_key(place: str, words: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "mainnet.toml").write_text(MAINNET)

    shown = end_with(tmp_path, place, *words, key=KEY)

    assert ("planted" in shown) is bool(place)
    assert find_secrets(shown, KEY) == set()


@pytest.mark.parametrize(
    "place",
    [
        "mm_trio.cli.halt_programs.cancel_all:find_place",
        "mm_trio.cli.halt_programs.sweep_venue:make_cancelling_exchange",
        "mm_trio.cli.halt_programs.order_sweep:OrderSweep._look",
        "mm_trio.venue.signer:ActionSigner.__init__",
    ],
)
def test_r8_a_bug_of_the_panic_button_shows_no_key(sandbox: Sandbox, place: str, tmp_path: Path) -> None:
    config = sandbox.save_config(tmp_path)

    shown = end_with(tmp_path, place, "cancel-all", "--config", str(config), key=sandbox.private_key)

    assert "planted" in shown
    assert find_secrets(shown, sandbox.private_key) == set()


def test_r8_a_venue_that_refuses_the_key_gets_a_complaint_without_it(sandbox: Sandbox, tmp_path: Path) -> None:
    config = sandbox.save_config(tmp_path)

    shown = end_with(tmp_path, "", "run", "--config", str(config), "--duration", "3", key=KEY)

    assert "the venue refuses this key" in shown
    assert find_secrets(shown, KEY) == set()


@pytest.mark.parametrize(
    "place",
    [
        "mm_trio.cli.key_programs.make_key:make_approval",
        "mm_trio.cli.key_programs.make_key:wait_for_approval",
        "mm_trio.cli.key_programs.key_report:KeyReport.to_text",
        "mm_trio.cli.key_programs.key_files:sync",
    ],
)
def test_r8_a_bug_of_a_rotation_shows_neither_key(sandbox: Sandbox, place: str, tmp_path: Path) -> None:
    path = tmp_path / "maker.key"
    path.write_text(KEY)
    path.chmod(0o600)
    config = sandbox.save_config(tmp_path)

    shown = end_with(
        tmp_path, place, "keys", "rotate", "--config", str(config), "--wait", "1", key="", MM_TRIO_KEY_FILE=str(path)
    )

    made = [each.read_text().strip() for each in tmp_path.glob("maker.key.next")]
    assert find_secrets(shown, KEY, *made) == set()


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks into /proc for processes")
def test_r8_worker_processes_do_not_inherit_the_key(tmp_path: Path) -> None:
    secret = {"MM_TRIO_PRIVATE_KEY": KEY, "HYPERLIQUID_PK": KEY}
    with running(tmp_path, "sim", "--seed", "1..200", "--jobs", "2", environ=secret) as program:
        pid, end_s = program.process.pid, time.monotonic() + DEADLINE_S
        children: list[str] = []
        while len(children) < 2:
            assert time.monotonic() < end_s
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            time.sleep(0.02)
        environs = b"".join(Path(f"/proc/{child}/environ").read_bytes() for child in children)

    assert b"XDG_STATE_HOME" in environs
    assert find_secrets(environs.decode(errors="replace"), KEY) == set()


@pytest.mark.parametrize("words", [(KEY,), ("run", "--config", KEY), ("sandbox", "--host", KEY)])
def test_r13_a_key_given_as_an_argument_is_not_repeated(words: tuple[str, ...], tmp_path: Path) -> None:
    code, out, err = run(tmp_path, *words)

    assert code == 2
    assert err
    assert find_secrets(out + err, KEY) == set()
