"""Every command of the runbook does what it says there, in the order of the page, on one sandbox."""

from __future__ import annotations

import re
import shlex
import signal
from pathlib import Path

import pytest
from process_kit import CHECKOUT, open_sandbox, run, running

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

# The exit codes with which each may end here, where all is well: a sound journal is neither rebuilt nor replaced,
# and nobody approves a key that is not there as a file.
ENDS_WITH = {
    "doctor": {0},
    "rehearse": {0, 1},
    "pause": {0},
    "resume": {0},
    "cancel-all": {0},
    "ledger audit": {0},
    "ledger rebuild": {2},
    "status": {0},
    "ledger backup": {0},
    "ledger restore": {2},
    "keys show": {0},
    "keys rotate": {2},
}
# These run until they are stopped, and this line says that they work.
READY = {"run": "tick=1 ", "guard": "guard watches"}


def read_commands() -> list[str]:
    blocks = re.findall(r"^```sh\n(.*?)^```", (CHECKOUT / "docs" / "runbook.md").read_text(), re.DOTALL | re.MULTILINE)
    return "".join(blocks).splitlines()


def name_of(words: list[str]) -> str:
    return " ".join(words[:2]) if words[0] in ("ledger", "keys") else words[0]


COMMANDS = read_commands()


def test_the_runbook_has_every_verb_that_stops_or_mends() -> None:
    names = {name_of(shlex.split(command.removeprefix("mm-trio "))) for command in COMMANDS}

    assert names == ENDS_WITH.keys() | READY.keys()


def test_its_commands_end_as_it_says(tmp_path: Path) -> None:
    with open_sandbox(tmp_path) as sandbox:
        config = str(sandbox.save_config(tmp_path))
        for command in COMMANDS:
            words = shlex.split(command.removeprefix("mm-trio ").replace("maker.toml", config))
            name = name_of(words)
            environ = {} if name == "guard" else sandbox.key
            if name in READY:
                with running(tmp_path, *words, environ=environ) as program:
                    program.wait_for(READY[name])
                    assert program.end(signal.SIGINT) == 0, f"{command}: {program.err}"
            else:
                code, out, err = run(tmp_path, *words, environ=environ)
                assert code in ENDS_WITH[name], f"{command}: {code} {out} {err}"
                assert "Traceback" not in err
        left = sandbox.ask("openOrders")

    assert left == []
