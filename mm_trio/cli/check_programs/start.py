"""The cheap half of the checks, before a maker starts: this machine and the configuration; nobody is asked."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from mm_trio.cli.check_programs.facts import (
    AccountFacts,
    Facts,
    KeyFacts,
    LadderFacts,
    MarketFacts,
    QuestionFacts,
)
from mm_trio.cli.check_programs.findings import Unknown, Verdict, run_checks
from mm_trio.cli.check_programs.local_facts import look_at_disk, look_at_programs, skip_ledger
from mm_trio.cli.check_programs.machine_checks import START_CHECKS_OF_MACHINE
from mm_trio.cli.check_programs.money_checks import START_CHECKS_OF_MONEY
from mm_trio.config.settings import Settings
from mm_trio.grids.schedule import read_machine_clock
from mm_trio.journal.data_dir import find_network_folder
from mm_trio.model.errors import ConfigError

__all__ = ["START_CHECKS", "run_cheap_checks"]

_log = logging.getLogger(__name__)

START_CHECKS = (*START_CHECKS_OF_MACHINE, *START_CHECKS_OF_MONEY)


def run_cheap_checks(settings: Settings, *, environ: Mapping[str, str]) -> None:
    """Look at this machine before a maker starts.

    Each warning is logged. What the start itself asks, it refuses by itself. Blocks for an instant. Errors: one
    ConfigError with all fails.
    """
    findings = run_checks(START_CHECKS, _gather(settings, environ))
    for finding in findings:
        if finding.verdict is Verdict.WARN:
            _log.warning("check warns: name=%s reason=%s; to do: %s", finding.name, finding.text, finding.remedy)
    failed = [finding for finding in findings if finding.verdict is Verdict.FAIL]
    if failed:
        lines = [f"{finding.name}: {finding.text}; {finding.remedy}" for finding in failed]
        raise ConfigError("\n  ".join(["the maker does not start (`mm-trio doctor` shows more):", *lines]))


def _gather(settings: Settings, environ: Mapping[str, str]) -> Facts:
    folder = find_network_folder(environ, settings.market.network)
    machine = look_at_disk(look_at_programs(folder, settings.market.base_url))
    unasked = Unknown("nobody was asked", verdict=Verdict.SKIP)
    return Facts(
        settings=settings,
        now_ms=read_machine_clock(),
        key=KeyFacts(address=unasked),
        machine=machine,
        ledger=skip_ledger(unasked),
        account=AccountFacts(
            role=unasked,
            key_role=unasked,
            agents=unasked,
            mode=unasked,
            balances=unasked,
            orders=unasked,
            budget=unasked,
            fees=unasked,
        ),
        market=MarketFacts(
            meta=unasked,
            market=unasked,
            token_id=unasked,
            book=unasked,
            skew=unasked,
            status=unasked,
            hip2=unasked,
        ),
        questions=QuestionFacts(),
        ladder=LadderFacts(grid=unasked, plan=unasked, opening=unasked),
    )
