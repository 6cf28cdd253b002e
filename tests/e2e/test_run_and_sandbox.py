"""`sandbox` in one process and `run` in another: they trade, they end, and every trouble is told in one line."""

from __future__ import annotations

import json
import re
import signal
import socket
import time
import tomllib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from process_kit import DEADLINE_S, Sandbox, open_sandbox, run, running

from mm_trio.cli.programs.demo_market import default_market
from mm_trio.cli.programs.sandbox_report import SandboxAccess, TestAccount
from mm_trio.config.loading import parse_settings
from mm_trio.sandbox.model.markets import DEFAULT_MARKETS

pytestmark = pytest.mark.e2e

SIGNALS = (signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.smoke), signal.SIGHUP)
ACCOUNT = "0x" + "ab" * 20
STRANGER = "0x" + "5e" * 32  # a valid key that no exchange knows
TOKEN = "a-token-of-the-control-room"
NOBODY = {"MM_TRIO_PRIVATE_KEY": STRANGER}
FIRST_FILL = "fill side="
QUOTES = r"tick=1 .* placed=20 errors=0"
BUSY = ("--seed", "181")  # pauses of at most 0.6 s between its takers, while a maker starts
LEAVING_TAKES_S = 25.0


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """One exchange for the tests that leave nothing behind."""
    with open_sandbox(tmp_path_factory.mktemp("sandbox")) as opened:
        yield opened


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that refuses, and that nobody else can take meanwhile."""
    with closing(socket.socket()) as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A port that accepts; a test says what happens then."""
    with closing(socket.create_server(("127.0.0.1", 0))) as opened:
        opened.settimeout(DEADLINE_S)
        yield opened


def write_config(folder: Path, *, port: int = 1, market: str = "", strategy: str = 'start_px = "20"') -> Path:
    path = folder / "mm.toml"
    place = market or f'api_url = "http://127.0.0.1:{port}"'
    path.write_text(
        f'[market]\ncoin = "@107"\naccount = "{ACCOUNT}"\n{place}\n'
        f'[strategy]\nn_orders = 60\norder_sz = "5"\n{strategy}\n'
    )
    return path


def check_one_line(err: str, *, told: str) -> None:
    lines = [line for line in err.splitlines() if line]
    assert len(lines) == 1, err
    assert lines[0].startswith("mm-trio: ")
    assert told in lines[0]


# --- trading ----------------------------------------------------------------------------------


def test_the_maker_trades_for_its_duration_and_leaves_nothing_at_the_exchange(tmp_path: Path) -> None:
    with open_sandbox(tmp_path, *BUSY) as sandbox:
        config = sandbox.save_config(tmp_path)
        code, out, err = run(
            tmp_path, "run", "--config", str(config), "--duration", "15", "--json", environ=sandbox.key
        )

        assert code == 0, err
        assert len(out.splitlines()) == 1
        assert '"errors": 0' in out
        assert '"orders_may_rest": []' in out
        assert FIRST_FILL in err
        assert sandbox.private_key[2:] not in out + err
        assert sandbox.ask("openOrders") == []
        assert sandbox.ask("userFills") != []
        assert sandbox.program.end(signal.SIGTERM) == 0


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_maker_and_exchange_with_exit_code_0_and_nothing_resting(
    tmp_path: Path, number: signal.Signals
) -> None:
    with open_sandbox(tmp_path, *BUSY) as sandbox:
        config = sandbox.save_config(tmp_path)
        with running(tmp_path, "run", "--config", str(config), "--json", environ=sandbox.key) as maker:
            maker.wait_for(FIRST_FILL)
            n_resting = len(sandbox.ask("openOrders"))
            code = maker.end(number)

        assert code == 0, maker.err
        assert n_resting > 0
        assert sandbox.ask("openOrders") == []
        summary = maker.last_object()
        assert summary["fills"] == len(sandbox.ask("userFills")) > 0
        assert summary["errors"] == 0
        assert summary["orders_may_rest"] == []
        assert sandbox.private_key[2:] not in maker.out + maker.err
        assert sandbox.program.end(number) == 0, sandbox.program.err
        assert "Traceback" not in sandbox.program.err + maker.err


@pytest.mark.usefixtures("each_transport")
def test_a_second_ctrl_c_while_leaving_does_no_harm(tmp_path: Path) -> None:
    """The exchange is stopped in its tracks, so that the cancels hang until the second one has come."""
    with open_sandbox(tmp_path, "--no-takers") as sandbox:
        config = sandbox.save_config(tmp_path)
        with running(tmp_path, "run", "--config", str(config), "--json", environ=sandbox.key) as maker:
            maker.wait_for(QUOTES)
            sandbox.program.process.send_signal(signal.SIGSTOP)
            maker.process.send_signal(signal.SIGINT)
            maker.wait_for("shutting down: signal=SIGINT; cancelling open orders")
            maker.process.send_signal(signal.SIGINT)
            maker.wait_for("already shutting down: signal=SIGINT; cancelling open orders takes up to 10 s")
            sandbox.program.process.send_signal(signal.SIGCONT)

            assert maker.end() == 0, maker.err
            assert maker.last_object()["orders_may_rest"] == []
            assert sandbox.ask("openOrders") == []


def test_a_maker_that_keeps_its_orders_logs_no_cancels(tmp_path: Path) -> None:
    with open_sandbox(tmp_path, "--no-takers") as sandbox:
        config = sandbox.save_config(tmp_path)
        environ = sandbox.key | {"MM_TRIO__TUNING__CANCEL_ON_SHUTDOWN": "false"}
        with running(tmp_path, "run", "--config", str(config), "--json", environ=environ) as maker:
            maker.wait_for(QUOTES)

            assert maker.end(signal.SIGINT) == 4, maker.err
            assert "shutting down: signal=SIGINT\n" in maker.err
            assert len(sandbox.ask("openOrders")) == 20


@pytest.mark.usefixtures("each_transport")
def test_orders_at_an_exchange_that_died_are_named_and_the_exit_code_is_4(tmp_path: Path) -> None:
    with open_sandbox(tmp_path, "--no-takers") as sandbox:
        config = sandbox.save_config(tmp_path)
        with running(tmp_path, "run", "--config", str(config), "--json", environ=sandbox.key) as maker:
            maker.wait_for(QUOTES)
            oids = {f"oid {row['oid']}" for row in sandbox.ask("openOrders")}
            sandbox.program.end(signal.SIGKILL)
            told_s = time.monotonic()
            code = maker.end(signal.SIGTERM)
            took_s = time.monotonic() - told_s

        assert code == 4, maker.err
        assert took_s < LEAVING_TAKES_S
        assert len(oids) == 20
        assert oids <= {
            line.rpartition("order may still be open: ")[2].partition(": ")[0] for line in maker.err.splitlines()
        }
        assert oids <= set(maker.last_object()["orders_may_rest"])
        assert "Traceback" not in maker.err
        assert re.search(r"open: oid \d+: sell [0-9.]+ at [0-9.]+ \(level \d+\)\n", maker.err)
        assert "mm-trio: these orders of @107 can trade while nobody looks after them: cancel them" in maker.err


def test_ctrl_c_during_a_start_that_hangs_ends_it_at_once(tmp_path: Path, listener: socket.socket) -> None:
    """The venue takes a question, whichever of the first ones arrives first, and answers none."""
    config = write_config(tmp_path, port=listener.getsockname()[1])
    with running(tmp_path, "run", "--config", str(config), "--json", environ=NOBODY) as maker:
        with listener.accept()[0] as asked:
            assert asked.recv(4) in (b"POST", b"GET ")
            told_s = time.monotonic()
            code = maker.end(signal.SIGINT)
            took_s = time.monotonic() - told_s

        assert code == 0, maker.err
        assert took_s < 20
        assert maker.last_object()["orders_may_rest"] == []


def test_proxy_variables_do_not_come_between_maker_and_loopback(tmp_path: Path, listener: socket.socket) -> None:
    proxy = f"http://127.0.0.1:{listener.getsockname()[1]}"  # nobody answers there
    environ = dict.fromkeys(("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"), proxy)
    with open_sandbox(tmp_path, *BUSY, environ=environ) as sandbox:
        config = sandbox.save_config(tmp_path)
        with running(tmp_path, "run", "--config", str(config), "--json", environ=sandbox.key | environ) as maker:
            maker.wait_for(FIRST_FILL)

            assert maker.end(signal.SIGTERM) == 0, maker.err
        assert maker.last_object()["errors"] == maker.last_object()["reconnects"] == 0
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


# --- what the sandbox says --------------------------------------------------------------------


def test_the_first_line_of_the_sandbox_in_json_is_all_that_a_client_needs(sandbox: Sandbox) -> None:
    lines = sandbox.program.out.splitlines()

    assert len(lines) == 1
    assert sandbox.url.startswith("http://127.0.0.1:")
    assert sandbox.coin == "@107"
    assert len(sandbox.private_key) == 66
    assert {row["coin"] for row in sandbox.ask("spotClearinghouseState")["balances"]} == {"HYPE", "USDC"}


def test_what_the_sandbox_prints_for_a_person_is_accepted_as_it_is(tmp_path: Path) -> None:
    """The key by its `export` line, and everything below the empty line as the file."""
    with running(tmp_path, "sandbox", "--port", "0", "--no-takers") as sandbox:
        sandbox.wait_for(r'(?s)export (.*)\n\n\[market\].*\nusdc = "[0-9.]+"\n')
        head, _, config = sandbox.out.partition("\n\n")
        (export,) = [line for line in head.splitlines() if not line.startswith("#")]
        name, _, key = export.removeprefix("export ").partition("=")
        (tmp_path / "sandbox.toml").write_text(config)
        with running(tmp_path, "run", "--config", "sandbox.toml", environ={name: key}) as maker:
            maker.wait_for(QUOTES)

            assert maker.end(signal.SIGINT) == 0, maker.err
            assert "\nerrors                   0\n" in maker.out


@pytest.mark.parametrize("coin", [pair.name for pair in DEFAULT_MARKETS.pairs])
def test_the_printed_configuration_names_every_pair_as_run_wants_it(coin: str) -> None:
    accounts, markets = (TestAccount(ACCOUNT, STRANGER),), (default_market(coin, seed=0),)
    access = SandboxAccess("http://127.0.0.1:3001", accounts, TOKEN, markets)
    settings = parse_settings(tomllib.loads(access.to_config()), environ={}, source="the sandbox")

    assert (settings.market.coin, settings.market.account, settings.market.base_url) == (coin, ACCOUNT, access.url)
    assert STRANGER not in repr(access)
    assert TOKEN not in repr(access)


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("--host", "0.0.0.0"), 2, "loopback only (127.0.0.1, ::1, localhost), got '0.0.0.0'"),
        (("--coin", "NOPE/USDC"), 2, "unknown coin 'NOPE/USDC'"),
    ],
)
def test_a_sandbox_that_cannot_be_says_so_in_one_line(
    tmp_path: Path, arguments: tuple[str, ...], code: int, told: str
) -> None:
    found, out, err = run(tmp_path, "sandbox", "--port", "0", *arguments)

    assert (found, out) == (code, "")
    check_one_line(err, told=told)


def test_r12_a_port_that_is_taken_is_told_in_one_line(tmp_path: Path, sandbox: Sandbox) -> None:
    port = sandbox.url.rpartition(":")[2]
    code, out, err = run(tmp_path, "sandbox", "--port", port, "--json")

    assert (code, json.loads(out)["exit_code"]) == (2, 2)
    check_one_line(err, told=f"cannot listen at 127.0.0.1 port {port}: another program listens there; end that one")


# --- what the operator or the venue got wrong -------------------------------------------------


def test_an_exchange_that_is_not_there_is_one_line_and_exit_code_3(tmp_path: Path, closed_port: int) -> None:
    config = write_config(tmp_path, port=closed_port)
    code, out, err = run(tmp_path, "run", "--config", str(config), "--json", environ=NOBODY)

    assert (code, json.loads(out)["exit_code"]) == (3, 3)
    check_one_line(err, told=f"http://127.0.0.1:{closed_port}: ConnectionError")
    assert STRANGER[2:] not in err


def test_a_key_that_the_exchange_does_not_know_is_one_line_and_exit_code_3(tmp_path: Path, sandbox: Sandbox) -> None:
    config = sandbox.save_config(tmp_path)
    code, out, err = run(tmp_path, "run", "--config", str(config), "--json", environ=NOBODY)

    assert (code, json.loads(out)["exit_code"]) == (3, 3)
    check_one_line(err, told=f"not an agent of {sandbox.account}")
    assert STRANGER[2:] not in err


def test_a_coin_that_the_exchange_does_not_list_is_one_line_and_exit_code_2(tmp_path: Path, sandbox: Sandbox) -> None:
    config = sandbox.save_config(tmp_path, coin='"@99999"')
    code, out, err = run(tmp_path, "run", "--config", str(config), "--json", environ=sandbox.key)

    assert (code, json.loads(out)["exit_code"]) == (2, 2)
    check_one_line(err, told="@99999")


def test_r3_a_clock_behind_the_exchange_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    """The exchange's clock is set forward, which comes to the same."""
    with open_sandbox(tmp_path, "--stepped") as sandbox:
        sandbox.control("step", {"ms": 600_000})
        config = sandbox.save_config(tmp_path)
        code, out, err = run(tmp_path, "run", "--config", str(config), "--json", environ=sandbox.key)

    assert (code, json.loads(out)["exit_code"]) == (2, 2)
    check_one_line(err, told="s behind the venue's; at most 2 s is allowed: set the clock (NTP)")


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({}, "no signing key: set MM_TRIO_KEY_FILE"),
        ({"MM_TRIO_PRIVATE_KEY": STRANGER[:-1]}, "MM_TRIO_PRIVATE_KEY is not a valid private key"),
        ({"MM_TRIO_KEY_FILE": "/nowhere/" + "c0ffee" * 9}, "MM_TRIO_KEY_FILE: the file cannot be read"),
    ],
)
def test_a_missing_or_malformed_key_is_exit_code_2_and_its_value_is_not_repeated(
    tmp_path: Path, environ: dict[str, str], told: str
) -> None:
    code, out, err = run(tmp_path, "run", "--config", str(write_config(tmp_path)), environ=environ)

    assert (code, out) == (2, "")
    check_one_line(err, told=told)
    assert not any(value in err for value in environ.values())


@pytest.mark.parametrize(
    ("strategy", "environ", "told"),
    [
        ('start_px = "20', {}, ["mm.toml: is not valid TOML: ", "line 8"]),
        (
            "start_px = -1\ntick_sise = 0.1\nwindow_slack = true",
            {"MM_TRIO__TUNING__INTERVAL_S": "0"},
            [
                "4 problems\n",
                "[strategy] start_px = -1: must be a number from ",
                "unknown setting [strategy] tick_sise; did you mean tick_size?",
                "[strategy] window_slack = true: must be a whole number",
                "MM_TRIO__TUNING__INTERVAL_S = '0': must be a number from 0.1",
            ],
        ),
    ],
)
def test_everything_that_is_wrong_with_a_configuration_is_told_at_once_with_exit_code_2(
    tmp_path: Path, strategy: str, environ: dict[str, str], told: list[str]
) -> None:
    config = write_config(tmp_path, strategy=strategy)
    code, out, err = run(tmp_path, "run", "--config", str(config), environ=NOBODY | environ)

    assert (code, out) == (2, "")
    assert [part for part in told if part not in err] == []
    assert "Traceback" not in err


def test_a_configuration_that_is_not_there_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    code, out, err = run(tmp_path, "run", "--config", "nowhere.toml")

    assert (code, out) == (2, "")
    check_one_line(err, told="nowhere.toml: cannot be read")


def test_live_on_mainnet_without_limits_is_refused_and_nothing_is_contacted(
    tmp_path: Path, listener: socket.socket
) -> None:
    """Whatever would be sent to mainnet would go to a proxy, which is ours and hears nothing."""
    config = write_config(tmp_path, market='network = "mainnet"')
    proxy = {"HTTPS_PROXY": f"http://127.0.0.1:{listener.getsockname()[1]}"}
    code, out, err = run(tmp_path, "run", "--config", str(config), "--live", environ=NOBODY | proxy)

    assert (code, out) == (2, "")
    assert err.startswith("mm-trio: no live run: 3 reasons\n")
    listener.setblocking(False)
    with pytest.raises(BlockingIOError):
        listener.accept()


def test_ctrl_c_again_and_again_until_it_is_gone_costs_neither_summary_nor_exit_code(tmp_path: Path) -> None:
    with open_sandbox(tmp_path, "--no-takers") as sandbox:
        config = sandbox.save_config(tmp_path)
        with running(tmp_path, "run", "--config", str(config), "--json", environ=sandbox.key) as maker:
            maker.wait_for("tick=1 ")
            while maker.process.poll() is None:
                maker.process.send_signal(signal.SIGINT)
                time.sleep(0.03)  # as fast as a person hammers

        assert maker.last_object()["orders_may_rest"] == []
        assert maker.process.returncode == 0
        assert "Traceback" not in maker.err
