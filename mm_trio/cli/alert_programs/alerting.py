"""Alerts of one process: what runs beside its work, and what is told at its end."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import trio

from mm_trio.alerts.addresses import find_addresses
from mm_trio.alerts.apprise_channel import open_channels
from mm_trio.alerts.message import Message
from mm_trio.alerts.observer import Observer
from mm_trio.alerts.outside_heartbeat import OutsideHeartbeat
from mm_trio.alerts.rules import AlertTerms
from mm_trio.alerts.sender import Sender
from mm_trio.cli.alert_programs.end_words import describe_error, describe_result
from mm_trio.cli.alert_programs.guard_news import tell_guard_news
from mm_trio.cli.run_programs.beside import keep_beside, make_status_source
from mm_trio.cli.run_programs.maker_run import Beside, OpenMaker
from mm_trio.halts.standing import State
from mm_trio.metrics.samples import AlertCounts

if TYPE_CHECKING:
    from mm_trio.account_config.settings import AccountSettings
    from mm_trio.config.keys import Secret
    from mm_trio.config.redaction import HiddenUrl
    from mm_trio.config.settings import Alerts
    from mm_trio.guard.watcher import Watcher

__all__ = ["Alerting", "describe_subject", "prepare_alerting", "take_terms"]

_T = TypeVar("_T")
_log = logging.getLogger(__name__)

# The messages of an end. A service manager gives a process that was asked to end some thirty seconds.
LAST_WITHIN_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Alerting:
    """Alerts of a process. `sender` None: nobody is told. `heartbeat` None: nobody outside misses it."""

    account: AccountSettings
    sender: Sender | None = None
    heartbeat: HiddenUrl | None = None
    _observers: list[Observer] = field(default_factory=list)

    def count(self) -> AlertCounts | None:
        """Count what was told; None where nobody is."""
        if self.sender is None:
            return None
        return AlertCounts(
            n_raised=sum(len(observer.raised) for observer in self._observers), channels=self.sender.reports
        )

    @property
    def beside(self) -> tuple[Beside[OpenMaker], ...]:
        """Return what runs beside a maker."""
        tasks = []
        if self.sender is not None:
            tasks.append(keep_beside("alerts", self._observe))
        if self.heartbeat is not None:
            tasks.append(keep_beside("heartbeat", self._beat))
        return tuple(tasks)

    @property
    def beside_guard(self) -> Callable[[Watcher], Awaitable[None]] | None:
        """Return what runs beside a guard; None where nobody is told."""
        return None if self.sender is None else self._tell_of_guard

    async def around(self, work: Callable[..., Awaitable[_T]], *, stop_scope: trio.CancelScope) -> _T:
        """Do the work of the process, send what is told meanwhile, and tell a bad end.

        Errors: those of the work.
        """
        if self.sender is None:
            return await work(stop_scope=stop_scope)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.sender.send_forever)
            end: Message | None = None
            try:
                result = await work(stop_scope=stop_scope)
                end = describe_result(result)
            except Exception as error:
                end = describe_error(error)
                raise
            finally:
                await self._end(end)
                nursery.cancel_scope.cancel()
        return result

    async def _end(self, end: Message | None) -> None:
        assert self.sender is not None
        if end is not None:
            self.sender.put(end)
        with trio.CancelScope(shield=True):
            await self.sender.drain(within_s=LAST_WITHIN_S)

    async def _observe(self, opened: OpenMaker, _: trio.CancelScope) -> None:
        assert self.sender is not None
        limits = self.account.limits or self.account.grids[0].limits
        observer = Observer(
            make_status_source(opened, self.account),
            take_terms(self.account.alerts),
            remind_after_h=self.account.alerts.remind_after_h,
            budget_floor=0 if limits is None else limits.budget_floor or 0,
        )
        self._observers.append(observer)
        await observer.tell_forever(self.sender)

    async def _tell_of_guard(self, watcher: Watcher) -> None:
        assert self.sender is not None
        after_s, remind_after_h = self.account.guard.guard_after_s, self.account.alerts.remind_after_h
        try:
            await tell_guard_news(watcher, self.sender, after_s=after_s, remind_after_h=remind_after_h)
        except Exception as error:  # noqa: BLE001 - whatever it does wrong, the guard goes on
            _log.error("service ended: name=%s error=%r; the guard goes on without it", "alerts", error)

    async def _beat(self, opened: OpenMaker, _: trio.CancelScope) -> None:
        assert self.heartbeat is not None
        maker, n_stopped = opened.maker, 0

        def count_signs() -> int:
            nonlocal n_stopped
            # An operator who stopped it need not hear that it does not tick.
            n_stopped += maker.standing.state in (State.PAUSED, State.CANCEL_ONLY)
            return n_stopped + sum(face.stats.ticks for face in maker.faces.values())

        heartbeat = OutsideHeartbeat(
            self.heartbeat,
            every_s=self.account.alerts.heartbeat_every_s,
            count_signs=count_signs,
        )
        await heartbeat.beat_forever()


def prepare_alerting(account: AccountSettings, secrets: Mapping[str, Secret], *, role: str = "") -> Alerting:
    """Make the alerts of a process, before its event loop runs. Takes a second where there are addresses.

    `secrets` are the variables of the environment that may have addresses. `role` is named where it is not the maker.
    Errors: ConfigError.
    """
    addresses = find_addresses(account.alerts, secrets)
    channels = open_channels(addresses.urls)
    sender = None
    if channels:
        subject = " ".join(filter(None, (describe_subject(account), role)))
        sender = Sender(channels, subject=subject, most_an_hour=account.alerts.most_an_hour)
    return Alerting(account=account, sender=sender, heartbeat=addresses.heartbeat)


def take_terms(alerts: Alerts) -> AlertTerms:
    """Return the limits of the rules as they are configured."""
    return AlertTerms(
        feed_down_after_s=alerts.feed_down_after_s,
        one_sided_after_min=alerts.one_sided_after_min,
        budget_hours=alerts.budget_hours,
        agent_days=alerts.agent_days,
    )


def describe_subject(account: AccountSettings) -> str:
    """Name a maker in few words."""
    coins = account.coins
    return f"{account.account.network} {', '.join(coins) if len(coins) <= 3 else f'{len(coins)} markets'}"
