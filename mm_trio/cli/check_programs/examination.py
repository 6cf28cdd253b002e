"""Examination of a configuration: facts are gathered, checks judge them, a report lists what they found.

It sends no action and writes nothing. Locks are tried for an instant, so a maker that runs is not disturbed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import trio

from mm_trio.cli.check_programs.account_checks import ACCOUNT_CHECKS
from mm_trio.cli.check_programs.budget_checks import BUDGET_CHECKS
from mm_trio.cli.check_programs.facts import Facts, KeyFacts, LedgerFacts, MachineFacts
from mm_trio.cli.check_programs.findings import DoctorReport, Fact, Unknown, Verdict, run_checks
from mm_trio.cli.check_programs.ladder_facts import work_out_ladder
from mm_trio.cli.check_programs.local_facts import look_at_disk, look_at_ledger, look_at_programs, skip_ledger
from mm_trio.cli.check_programs.machine_checks import MACHINE_CHECKS
from mm_trio.cli.check_programs.market_checks import MARKET_CHECKS
from mm_trio.cli.check_programs.money_checks import MONEY_CHECKS
from mm_trio.cli.check_programs.venue_facts import Examiner, VenueFacts, ask_venue
from mm_trio.cli.ledger_programs.check_steps import CheckSteps
from mm_trio.cli.programs.start_checks import find_network
from mm_trio.concurrency.blocking_calls import RunSync
from mm_trio.config.settings import Settings
from mm_trio.journal.data_dir import ACCOUNT_NAME, find_network_folder, find_signer_lock, find_state_folder
from mm_trio.model.errors import ConfigError, VenueError

__all__ = ["ALL_CHECKS", "LOCAL_S", "examine", "gather_facts"]

_T = TypeVar("_T")

ALL_CHECKS = (*MACHINE_CHECKS, *BUDGET_CHECKS[:4], *ACCOUNT_CHECKS, *MARKET_CHECKS, *MONEY_CHECKS, *BUDGET_CHECKS[4:])
# Of each look at this machine; a disk may hang. With the questions to the venue it stays below a minute.
LOCAL_S = 5.0
_STEPS = ("questions to the venue", "state folder and ledger")


async def examine(
    settings: Settings, key: KeyFacts, *, examiner: Examiner, stop_scope: trio.CancelScope
) -> DoctorReport:
    """Look at everything that may stop a maker.

    Errors: Interrupted once `stop_scope` is cancelled.
    """
    steps, began_s = CheckSteps(*_STEPS), trio.current_time()
    with stop_scope:
        facts = await gather_facts(settings, key, examiner=examiner, steps=steps)
        return DoctorReport(
            run_checks(ALL_CHECKS, facts),
            weight=facts.questions.weight,
            took_s=trio.current_time() - began_s,
            is_unreached=facts.questions.unreached is not None,
        )
    raise steps.make_interruption(summary={"ok": False})


async def gather_facts(settings: Settings, key: KeyFacts, *, examiner: Examiner, steps: CheckSteps) -> Facts:
    """Gather the facts of the venue, then of this machine.

    The venue names the state folder.
    """
    told = await ask_venue(settings.market, key.address, examiner=examiner)
    steps.finish("questions to the venue")
    examiner.on_step("state folder and ledger")
    folder = await _find_folder(settings, told, examiner)
    machine = await _look_at_machine(settings, folder, examiner)
    ledger = await _look_at_ledger(settings, key, folder, examiner)
    steps.finish("state folder and ledger")
    return Facts(
        settings=settings,
        now_ms=examiner.clock_ms(),
        key=key,
        machine=machine,
        ledger=ledger,
        account=told.account,
        market=told.market,
        questions=told.questions,
        ladder=work_out_ladder(settings, told.market, told.account, ledger),
        alerts=examiner.alerts,
    )


@dataclass(frozen=True, slots=True)
class _Folder:
    """State folder of a maker, and its network's name."""

    path: Path
    network: str


async def _find_folder(settings: Settings, told: VenueFacts, examiner: Examiner) -> Fact[_Folder]:
    """Find the state folder.

    A sandbox's depends on which exchange stands there.
    """
    market, pair = settings.market, told.market.market
    coin = market.coin if market.coin.startswith("@") else None
    if not isinstance(pair, Unknown):
        coin = pair.coin
    if coin is None or (market.network == "sandbox" and told.questions.unreached is not None):
        return Unknown("without the venue it is not known which folder it is", verdict=Verdict.SKIP)
    with trio.move_on_after(LOCAL_S):
        try:
            network = await find_network(market)
            place = find_state_folder(examiner.environ, network=network, account=market.account, coin=coin)
            return _Folder(place, network)
        except VenueError as error:
            return Unknown(str(error), verdict=Verdict.SKIP)
        except ConfigError as error:
            return Unknown(str(error), "set XDG_STATE_HOME", Verdict.FAIL)
    return Unknown(f"the sandbox did not tell its name within {LOCAL_S:g} s", verdict=Verdict.SKIP)


async def _look_at_machine(settings: Settings, folder: Fact[_Folder], examiner: Examiner) -> MachineFacts:
    path = Path()
    try:
        path = find_network_folder(examiner.environ, settings.market.network)
    except ConfigError as error:
        unknown = Unknown(str(error), "set XDG_STATE_HOME", Verdict.FAIL)
        found = look_at_programs(path, settings.market.base_url)
        return replace(found, folder_fault=unknown)
    if not isinstance(folder, Unknown):
        path = folder.path
    found = look_at_programs(path, settings.market.base_url)
    looked = await _look_in_time(partial(look_at_disk, found), examiner.run_sync)
    return replace(found, folder_fault=looked, free_bytes=looked) if isinstance(looked, Unknown) else looked


async def _look_at_ledger(settings: Settings, key: KeyFacts, folder: Fact[_Folder], examiner: Examiner) -> LedgerFacts:
    if isinstance(folder, Unknown):
        return skip_ledger(Unknown(folder.why, verdict=Verdict.SKIP))
    lock: Path | None = None
    if not isinstance(key.address, Unknown):
        lock = find_signer_lock(examiner.environ, network=folder.network, signer=key.address)
    shared = folder.path.parent / ACCOUNT_NAME if examiner.of_account else None
    look = partial(
        look_at_ledger,
        folder.path,
        shared=shared,
        signer_lock=lock,
        order_size=settings.strategy.order_sz,
        now_s=trio.current_time(),
        wall_ms=examiner.clock_ms(),
    )
    looked = await _look_in_time(look, examiner.run_sync)
    return skip_ledger(looked) if isinstance(looked, Unknown) else looked


async def _look_in_time(look: Callable[[], _T], run_sync: RunSync) -> Fact[_T]:
    """Look at a disk on a thread.

    It is left behind where the disk hangs.
    """
    with trio.move_on_after(LOCAL_S):
        looked: _T = await run_sync(look, abandon_on_cancel=True)
        return looked
    return Unknown(f"the disk did not answer within {LOCAL_S:g} s", "look at the disk of the state folder")
