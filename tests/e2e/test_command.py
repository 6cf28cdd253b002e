"""The program as a process: what it prints, how it ends, what it leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from captures_kit import CAPTURED, MADE_UP, SOURCES, Messages, as_params

pytestmark = pytest.mark.e2e

DEADLINE_S = 60
HEAVY = ("trio", "hyperliquid", "eth_account", "textual", "sqlite3", "mm_trio.config", "mm_trio.sandbox")


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "mm_trio", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


def run(*arguments: str) -> tuple[int, str, str]:
    with start(*arguments) as process:
        out, err = process.communicate(timeout=DEADLINE_S)
        return process.returncode, out, err


def last_object(out: str) -> dict[str, Any]:
    summary: dict[str, Any] = json.loads(out.splitlines()[-1])
    return summary


def test_a_demo_of_given_duration_ends_by_itself_and_its_ledger_is_exact() -> None:
    code, out, err = run("demo", "--duration", "8", "--seed", "1", "--json")

    assert code == 0, err
    summary = last_object(out)
    assert summary["ledger_exact"] is True
    assert summary["orders_resting_at_exit"] == 0
    assert summary["errors"] == 0
    assert summary["fills"] > 0
    assert summary["fill_volume"] > 0
    assert summary["ticks"] > 0
    assert 29 < summary["spread_bps_median"] < 31
    assert len(out.splitlines()) == 1


def test_a_demo_with_a_gap_buys_back_below_what_it_sold() -> None:
    code, out, err = run("demo", "--duration", "8", "--seed", "1", "--gap-levels", "1", "--json")

    assert code == 0, err
    summary = last_object(out)
    assert summary["ledger_exact"] is True
    assert summary["orders_resting_at_exit"] == 0
    # On one level without a gap; the first sale after a purchase is one level higher with it.
    rows = summary["fill_rows"]
    turns = [(one[1], two[1]) for one, two in pairwise(rows) if (one[0], two[0]) == ("buy", "sell")]
    assert turns
    assert all(Decimal(sold) / Decimal(bought) > Decimal("1.0025") for bought, sold in turns)


@pytest.mark.smoke
def test_a_demo_whose_sockets_are_cut_loses_no_fill() -> None:
    code, out, err = run("demo", "--duration", "20", "--seed", "3", "--drop-ws", "2", "--json")

    assert code == 0, err
    summary = last_object(out)
    assert summary["reconnects"] == 2
    assert summary["ledger_exact"] is True
    assert summary["orders_resting_at_exit"] == 0
    assert summary["errors"] == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_demo_with_nothing_resting_and_exit_code_0(number: signal.Signals) -> None:
    with start("demo", "--json") as process:
        assert process.stderr is not None
        for line in process.stderr:  # it quotes: the first tick was logged
            if "tick=1 " in line:
                break
        process.send_signal(number)
        out, err = process.communicate(timeout=DEADLINE_S)

    assert process.returncode == 0, err
    assert last_object(out)["orders_resting_at_exit"] == 0


PAGE = "hyperliquid/rest/hypercore_hip2like_maker_fills_testnet_selected.json"
TAPES: list[tuple[Messages, str, str, list[int]]] = [
    (MADE_UP, PAGE, "@1226", []),
    (MADE_UP, "hip2/tape_9002.json", "@9002", [5, 6, 7, 8]),
    (MADE_UP, "hip2/tape_9003.json", "@9003", [6]),
    (CAPTURED, PAGE, "@1226", []),
    (CAPTURED, "hip2/tape_62.json", "@62", []),
    (CAPTURED, "hip2/tape_77.json", "@77", [2, 3, 5]),
]


@pytest.mark.sweep
@pytest.mark.parametrize("source, file, coin, by_phase", as_params(*(tape for tape in TAPES if tape[0] in SOURCES)))
def test_recorded_fills_come_out_row_by_row(source: Messages, file: str, coin: str, by_phase: list[int]) -> None:
    tape = source.folder / file

    code, out, err = run("demo", "--tape", str(tape), "--coin", coin, "--duration", "22", "--json")

    assert code == 0, err
    summary = last_object(out)
    rows = [row for row in json.loads(tape.read_text()) if row["coin"] == coin]
    assert [(side, float(px), float(sz)) for side, px, sz in summary["fill_rows"]] == [
        ("buy" if row["side"] == "B" else "sell", float(row["px"]), float(row["sz"])) for row in rows
    ]
    assert summary["tape_matched"] is True
    assert (summary["tape_rows_by_phase"], summary["tape_rows_unexplained"]) == (by_phase, [])
    assert summary["ledger_exact"] is True


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("demo", "--coin", "NOPE"), "unknown coin 'NOPE'"),
        (("demo", "--tape", "no-such-file.json", "--coin", "@1226"), "no-such-file.json: cannot be read"),
        (("demo", "--duration", "-1"), "must be a number of seconds above 0"),
        (("demo", "--order-sz", "0"), "must be a size in base above 0, got 0"),
        (("demo", "--order-sz", "5"), "--order-sz is the order size of a tape"),
        (("demo", "--duraton", "1"), "unrecognized arguments"),
        (("dmo",), "invalid choice"),
    ],
)
def test_a_mistake_of_the_operator_gets_a_clear_line_and_exit_code_2(arguments: tuple[str, ...], told: str) -> None:
    code, out, err = run(*arguments)

    assert code == 2
    assert told in err
    assert "Traceback" not in err + out


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("demo",),
        ("run",),
        ("grid",),
        ("sandbox",),
        ("sim",),
        ("ledger",),
        ("ledger", "audit"),
        ("ledger", "rebuild"),
        ("ledger", "backup"),
        ("ledger", "restore"),
        ("migrate",),
    ],
)
def test_help_imports_nothing_heavy(words: tuple[str, ...]) -> None:
    script = (
        "import sys\n"
        "from mm_trio.cli.main import main\n"
        "try:\n"
        "    main(sys.argv[1:])\n"
        "finally:\n"
        f"    print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, *words, "--help"], capture_output=True, text=True, timeout=DEADLINE_S
    )

    assert ended.returncode == 0
    assert ended.stdout.startswith(" ".join(["usage: mm-trio", *words]))
    assert ended.stderr.strip() == "[]"


ENCODERS = ("eth_account", "eth_abi", "eth_utils", "eth_keys", "eth_keyfile", "pydantic", "parsimonious", "rlp")


def test_a_run_imports_no_library_that_encodes_typed_data() -> None:
    """Our own signer does without; they take a quarter of a second at each start."""
    script = (
        "import sys, mm_trio.cli.run\n"
        "import mm_trio.cli.check_programs.start, mm_trio.cli.halt_programs.refused_start\n"
        "import mm_trio.cli.run_programs.run_maker, mm_trio.cli.live_programs.live_start\n"
        f"print([name for name in {ENCODERS} if name in sys.modules])\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=DEADLINE_S)

    assert (ended.stderr, ended.stdout.strip()) == ("", "[]")
