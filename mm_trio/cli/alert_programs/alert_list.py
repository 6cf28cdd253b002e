"""List of what is told, and to whom."""

from __future__ import annotations

from dataclasses import dataclass

from mm_trio.alerts.addresses import Addresses
from mm_trio.alerts.rules import DIFFERS_AFTER_S, EXPLAINED_WITHIN_S, GUARD_SILENT_AFTER_S
from mm_trio.config.settings import Alerts

__all__ = ["AlertList", "AlertRow"]


@dataclass(frozen=True, slots=True)
class AlertRow:
    """Rule: its name, how urgent it is, and when it tells."""

    name: str
    severity: str
    when: str


@dataclass(frozen=True, slots=True)
class AlertList:
    """Rules as they are configured, and channels as far as they may be shown."""

    rows: tuple[AlertRow, ...]
    channels: tuple[str, ...]
    heartbeat: str | None

    @classmethod
    def of(cls, alerts: Alerts, addresses: Addresses) -> AlertList:
        """Make the list of a configuration."""
        heartbeat = addresses.heartbeat
        return cls(
            rows=list_rows(alerts),
            channels=tuple(f"{number}:{url}" for number, url in enumerate(addresses.urls, 1)),
            heartbeat=None if heartbeat is None else f"{heartbeat} every {alerts.heartbeat_every_s:g} s",
        )

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        return {
            "alerts": [{"name": row.name, "severity": row.severity, "when": row.when} for row in self.rows],
            "channels": list(self.channels),
            "heartbeat": self.heartbeat,
        }

    def to_text(self) -> str:
        """Return the text for a person."""
        lines = [f"{row.name:12} {row.severity:20} {row.when}" for row in self.rows]
        lines += ["", f"{'channels':12} {', '.join(self.channels) or 'none: set [alerts] urls or MM_TRIO_ALERT_URLS'}"]
        return "\n".join([*lines, f"{'heartbeat':12} {self.heartbeat or 'none: set [alerts] heartbeat_url'}"])


def list_rows(alerts: Alerts) -> tuple[AlertRow, ...]:
    """List the rules with their limits, in the order of `rules.RULES`, then what guard and end tell."""
    budget = f", or at the present rate in {alerts.budget_hours} h" if alerts.budget_hours else ""
    key = f" ends within {alerts.agent_days} days, or" if alerts.agent_days else ""
    rows = (
        ("halted", "critical", "a limit, an operator or the ledger ended quoting"),
        ("stopped", "warning", "an operator or a limit lets it place nothing"),
        ("feed", "critical", f"no frame of the venue for {alerts.feed_down_after_s:g} s"),
        ("one-sided", "warning", f"no bids, no asks or no orders for {alerts.one_sided_after_min:g} min"),
        ("budget", "critical, warning", f"the request budget is down to its floor{budget}"),
        ("key", "critical, warning", f"the signing key{key} is not listed any more"),
        ("guard", "warning", f"a guard that watched gave no sign of life for {GUARD_SILENT_AFTER_S:g} s"),
        (
            "ledger",
            "warning",
            f"it differs from the venue's balance for {DIFFERS_AFTER_S:g} s, or took over what nothing explains within "
            f"{EXPLAINED_WITHIN_S / 60:g} min",
        ),
        ("ended", "critical", "the maker or its guard ended with an error, or halted"),
        ("rests", "critical", "the maker or its guard ended, and orders may still rest"),
        ("silent", "critical", "told by the guard: the maker is silent, and its orders are cancelled"),
    )
    return tuple(AlertRow(*row) for row in rows)
