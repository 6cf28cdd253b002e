"""Request of the operator to take over another configuration, and the maker's answer, as files in its folder."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from mm_trio.account_config.settings import AccountSettings
from mm_trio.account_config.toml_text import write_toml
from mm_trio.halts.applied_file import WANTED_NAME, note_settings, read_settings
from mm_trio.journal.end_mark import replace_file
from mm_trio.model.errors import ConfigError

__all__ = ["ANSWER_NAME", "ChangeAnswer", "ask_for_change", "give_answer", "read_answer", "read_wanted"]

ANSWER_NAME = "apply-answer.json"
_MOST_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class ChangeAnswer:
    """What a maker made of a request.

    `digest` names the request, `done` what happened to each coin, `error` why not all of it was done.
    """

    digest: str
    done: dict[str, str] = field(default_factory=dict)
    error: str | None = None


def ask_for_change(folder: Path, wanted: AccountSettings) -> str:
    """Ask the maker of a folder to take over settings; return the name of the request. Blocks. Errors: OSError.

    An earlier answer is removed first: asked twice for the same, it would be taken for this one's.
    """
    (folder / ANSWER_NAME).unlink(missing_ok=True)
    note_settings(folder, wanted, name=WANTED_NAME)
    return _name(wanted)


def read_wanted(folder: Path) -> AccountSettings | None:
    """Read the settings that are asked for; None where there are none. Blocks. Errors: ConfigError; OSError."""
    return read_settings(folder, name=WANTED_NAME)


def give_answer(folder: Path, wanted: AccountSettings | None, done: dict[str, str], error: str | None = None) -> None:
    """Remove a request and answer it; nobody asks anew before that. Blocks. Errors: OSError."""
    (folder / WANTED_NAME).unlink(missing_ok=True)
    answer = {"digest": "" if wanted is None else _name(wanted), "done": done, "error": error}
    replace_file(folder / ANSWER_NAME, json.dumps(answer).encode(), beside=folder / f"{ANSWER_NAME}.new")


def read_answer(folder: Path) -> ChangeAnswer | None:
    """Read the last answer; None where there is none, or where it cannot be read yet. Blocks."""
    try:
        with (folder / ANSWER_NAME).open("rb") as file:
            raw = json.loads(file.read(_MOST_BYTES))
        done = {str(coin): str(word) for coin, word in raw["done"].items()}
        return ChangeAnswer(str(raw["digest"]), done, None if raw["error"] is None else str(raw["error"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{folder / ANSWER_NAME} cannot be read: {error}; run `mm-trio apply` again") from error


def _name(settings: AccountSettings) -> str:
    return sha256(write_toml(settings).encode()).hexdigest()
