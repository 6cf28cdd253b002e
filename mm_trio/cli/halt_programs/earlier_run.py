"""Look for orders of an earlier run, where a run is refused before it knows the venue."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from mm_trio.cli.shell.stop_signal import StopSignal
from mm_trio.model.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import trio

    from mm_trio.config.settings import Settings

__all__ = ["look_for_earlier_run"]


def look_for_earlier_run(arguments: argparse.Namespace, grids: Sequence[Settings], refusal: Exception) -> None:
    """Look for orders of an earlier run of these grids, where there was one. Errors: OrdersMayRest."""
    from mm_trio.journal.data_dir import find_network_folder

    environ = arguments.environment.plain
    try:
        if not find_network_folder(environ, grids[0].market.network).exists():
            return
    except ConfigError:
        # Without a home there is no folder either.
        return
    except OSError:
        # The look tells what is wrong with the disk.
        pass
    # Imported late for the SDK, which the first start of all need not wait for.
    from mm_trio.cli.halt_programs.refused_start import look_after_refusal

    async def look(*, stop_scope: trio.CancelScope) -> None:
        with stop_scope:
            await look_after_refusal(grids, refusal, environ=environ, config=arguments.config)

    StopSignal().run(look)
