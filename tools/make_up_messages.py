"""Write made-up venue messages in the form of captured ones.

    python tools/make_up_messages.py CAPTURES [FOLDER]

CAPTURES is a folder of captured messages; the made-up ones go to tests/data/made_up unless a FOLDER is given. A file
keeps its name, so that one set can stand for the other. The same captures give the same files at every run.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from make_up_signed import sign_again
from make_up_tapes import TAPES, TapePlan, draw_takers, make_tape, script_takers
from make_up_values import MadeUp

__all__ = ["make_up", "write_all"]

FOLDER = Path(__file__).resolve().parents[1] / "tests" / "data" / "made_up"
PARTS = ("rest", "ws", "exchange", "generated")
# Where a message came from is told of the captures alone.
OF_CAPTURES = ("net", "kind", "src", "note")
# A page of one maker's fills begins with a tape; it has to fit the ladder of the test that reads it.
WITH_A_TAPE = "hypercore_hip2like_maker_fills_testnet_selected"
TAPE_OF_A_PAGE = TapePlan(coin="@1226", base="TRADES", sz_decimals=2, start_px="0.003114", order_size="4210")
PART_OF_A_PAGE = "973.61"


def make_up(name: str, captured: Any) -> Any:
    """Make up one document."""
    document = _drop_origins(captured)
    made = MadeUp(name, document).replace(document)
    if name.endswith(WITH_A_TAPE):
        tape = make_tape(TAPE_OF_A_PAGE, script_takers(TAPE_OF_A_PAGE.order_size, PART_OF_A_PAGE))
        made = tape + [row for row in made if row["coin"] != TAPE_OF_A_PAGE.coin]
    return sign_again(name, made) if name.startswith("generated") else made


def _drop_origins(document: Any) -> Any:
    if isinstance(document, list):
        return [_drop_origins(each) for each in document]
    if not isinstance(document, dict):
        return document
    return {key: value for key, value in document.items() if key not in OF_CAPTURES}


def write_all(captures: Path, folder: Path) -> None:
    """Write every document of the captures anew, and the tapes."""
    for part in PARTS:
        for path in sorted((captures / "hyperliquid" / part).glob("*.json")):
            made = make_up(f"{part}/{path.stem}", json.loads(path.read_text()))
            write(folder / "hyperliquid" / part / path.name, made)
    for plan in TAPES:
        write(folder / "hip2" / f"tape_{plan.coin.removeprefix('@')}.json", make_tape(plan, draw_takers(plan)))


def write(path: Path, document: Any) -> None:
    """Write a document with one row a line, so that a change of one shows as one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = document if isinstance(document, list) else None
    lines = ",\n".join(json.dumps(row) for row in rows) if rows else ""
    path.write_text(f"[\n{lines}\n]\n" if rows else json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    given = [Path(argument) for argument in sys.argv[1:3]]
    if not given:
        raise SystemExit(__doc__)
    write_all(given[0], given[1] if len(given) > 1 else FOLDER)
