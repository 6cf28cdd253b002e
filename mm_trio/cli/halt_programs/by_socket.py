"""Question to a running maker by its socket, where that is the quickest way."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from mm_trio.cli.halt_programs.maker_place import ANSWERED_WITHIN_S, touch_disk
from mm_trio.control.client import MakerSilent, NoSocket, Reply, ask_maker
from mm_trio.control.socket_file import SOCKET_NAME
from mm_trio.journal.data_dir import ACCOUNT_NAME

__all__ = ["ask_by_socket", "list_socket_folders"]

_log = logging.getLogger(__name__)


def list_socket_folders(folder: Path) -> tuple[Path, ...]:
    """List where the socket of the maker of a state folder may be: there, or in the folder of its account."""
    return folder, folder.parent / ACCOUNT_NAME


async def ask_by_socket(
    folder: Path,
    method: str,
    path: str,
    *,
    query: Mapping[str, str] | None = None,
    body: Mapping[str, object] | None = None,
    within_s: float = ANSWERED_WITHIN_S,
) -> Reply | None:
    """Ask the maker that has a state folder; None where none listens, or it does not answer or refuses.

    `query` is for a maker of several markets. Whoever asks has another way then, which needs nobody to answer. Errors:
    LocalError where the disk hangs.
    """
    places = await touch_disk(folder, lambda: [p for p in list_socket_folders(folder) if (p / SOCKET_NAME).exists()])
    for place in places:
        try:
            reply = await ask_maker(
                place, method, path, query=query if place != folder else None, body=body, within_s=within_s
            )
        except NoSocket:
            continue
        except MakerSilent as error:
            _log.info("the maker was asked by its socket, and did not answer: %s", error)
            return None
        if reply.is_good:
            return reply
        _log.info("the maker was asked by its socket, and did not do it: %s", reply.error)
        return None
    return None
