"""Tracebacks with local variables, as error reporters write them, and the search for a key in them."""

from __future__ import annotations

import traceback
from collections.abc import Iterable

# Runs a command of the program with one function replaced by a bug. What ends it is printed with all variables.
SCRIPT = """
import importlib, sys, traceback
from mm_trio.cli import main as entry

def fail(*values, **named):
    raise RuntimeError("planted")

place, *words = sys.argv[1:]
if place:
    module, names = place.split(":")
    *owners, name = names.split(".")
    owner = importlib.import_module(module)
    for each in owners:
        owner = getattr(owner, each)
    setattr(owner, name, fail)

def report(error, report=entry._report_error):
    print("".join(traceback.TracebackException.from_exception(error, capture_locals=True).format()), file=sys.stderr)
    return report(error)

entry._report_error = report
raise SystemExit(entry.main(words))
"""


def write_forms(key: str) -> set[str]:
    """The forms that a key of 0x and 64 hex digits may take in a text; the search ignores case."""
    digits = key[2:].lower()
    data = bytes.fromhex(digits)
    return {digits, str(int(digits, 16)), repr(data)[2:-1].lower(), ", ".join(map(str, data))}


def find_secrets(text: str, *secrets: str) -> set[str]:
    """What of these secrets, or forms of a key among them, stands in a text."""
    forms = {
        form
        for secret in secrets
        for form in (write_forms(secret) if secret.startswith("0x") and len(secret) == 66 else {secret.lower()})
    }
    return {form for form in forms if form in text.lower()}


def show_frames(error: BaseException, *, of_files: Iterable[str]) -> str:
    """An exception, and those behind it, with the variables of every frame in these files."""
    chain: list[BaseException] = []
    pending: list[BaseException | None] = [error]
    while pending:
        each = pending.pop()
        if each is not None and each not in chain:
            chain.append(each)
            pending += (each.__context__, each.__cause__)
    texts: list[str] = []
    for each in chain:
        texts.append(repr(each))
        for frame, _line in traceback.walk_tb(each.__traceback__):
            if frame.f_code.co_filename.endswith(tuple(of_files)):
                texts += (f"{name} = {value!r}" for name, value in frame.f_locals.items())
    return "\n".join(texts)
