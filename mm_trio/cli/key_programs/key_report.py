"""Results of the commands that make or replace a key."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mm_trio.cli.key_programs.approval import Approval, show_date
from mm_trio.cli.shell.exit_codes import ExitCode
from mm_trio.config.keys import KEY_FILE_VARIABLE, KEYSTORE_VARIABLE
from mm_trio.model.replies import ListedAgent

__all__ = ["KeyReport", "Replaced"]


@dataclass(frozen=True, slots=True)
class Replaced:
    """Key that another one replaced: its agent, and the file that it is kept in."""

    address: str
    name: str | None
    kept: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyReport:
    """Key that was made, and whether the venue lists its agent.

    `path` is the file of the key. `is_rotation`: the key was made to replace another one, and `replaced` is that one
    once it did.
    """

    approval: Approval
    path: Path
    is_keystore: bool
    listed: ListedAgent | None
    within_s: float
    is_rotation: bool = False
    replaced: Replaced | None = None

    @property
    def exit_code(self) -> ExitCode:
        """Return the exit code: the venue's where the agent is not listed."""
        return ExitCode.VENUE if self.listed is None else ExitCode.CLEAN

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values; times are in ms."""
        values = {**self.approval.to_json(), "file": str(self.path), "listed": self.listed is not None}
        if self.listed is None:
            return {**values, "error": self._describe_missing(), "exit_code": int(self.exit_code)}
        # As it is listed, which need not be as it was asked for.
        values |= {"name": self.listed.name or None, "valid_until": self.listed.valid_until_ms}
        if self.replaced is not None:
            values |= {"replaced": self.replaced.address, "kept": str(self.replaced.kept), "restart": True}
        return values

    def to_text(self) -> str:
        """Tell what came of it, and what to do next."""
        if self.listed is None:
            return self._describe_missing()
        ends = "its end is not told by the venue"
        if self.listed.valid_until_ms is not None:
            ends = f"valid until {show_date(self.listed.valid_until_ms)}"
        name = f"named {self.listed.name}" if self.listed.name else "without a name"
        lines = [f"The venue lists {self.approval.address}: an agent {name}, {ends}."]
        if self.replaced is None:
            variable = KEYSTORE_VARIABLE if self.is_keystore else KEY_FILE_VARIABLE
            return "\n".join([*lines, f"For the maker, set: export {variable}='{self.path}'"])
        old, name = self.replaced, f" ({self.replaced.name})" if self.replaced.name else ""
        return "\n".join(
            [
                *lines,
                f"{self.path} has its key now. Restart the maker: one that runs read its key at its start and goes on "
                "with the old one.",
                f"Once it runs with the new key, remove the old agent {old.address}{name} on the venue's page, and "
                f"delete its key: {old.kept}",
            ]
        )

    def _describe_missing(self) -> str:
        told = f"the venue did not list the agent {self.approval.address} within {self.within_s:g} s"
        if self.is_rotation:
            return (
                f"{told}; nothing was switched, and the new key stays in {self.path}: approve it and run `mm-trio keys "
                "rotate` again, which goes on with that key"
            )
        return (
            f"{told}; the key stays in {self.path}: approve it, and look with `mm-trio keys show`, or delete the file"
        )
