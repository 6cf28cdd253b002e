"""Facts that the checks judge. Pure: each is a value, or the reason why it is not known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from mm_trio.cli.alert_programs.channel_facts import NO_ALERTS, AlertFacts
from mm_trio.cli.check_programs.findings import Fact
from mm_trio.config.settings import Settings
from mm_trio.guard.heartbeat import Alive
from mm_trio.halts.standing import Standing
from mm_trio.journal.replay import Recovered
from mm_trio.model.market import Balances, Book, Market, SpotMeta
from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.model.replies import ListedAgent, OpenOrder
from mm_trio.planning.income import Fees
from mm_trio.planning.ladder_plan import LadderPlan
from mm_trio.witness.account_role import AccountRole
from mm_trio.witness.opening_check import Opening

__all__ = [
    "AccountFacts",
    "Facts",
    "KeyFacts",
    "LadderFacts",
    "LedgerFacts",
    "MachineFacts",
    "MarketFacts",
    "QuestionFacts",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFacts:
    """Address of the signing key, and variables naming a source."""

    address: Fact[str]
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineFacts:
    """This machine: state folder, disk, programs, proxies.

    `folder_fault` says what others may change, None where nothing. `proxies` are those that apply to the venue's
    address, by scheme and without what may be a password.
    """

    folder: Path
    folder_fault: Fact[str | None]
    is_writable: Fact[bool]
    free_bytes: Fact[int]
    signing: Fact[str]
    proxies: Mapping[str, str]
    versions: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerFacts:
    """What the state folder of this maker holds.

    `ledger` None: there was none yet. The locks say whether another process holds them. `guard` None: none was ever
    there.
    """

    standing: Fact[Standing]
    ledger: Fact[Recovered | None]
    is_locked: Fact[bool]
    is_key_locked: Fact[bool]
    guard: Fact[Alive | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFacts:
    """What the venue says of account and key.

    `key_role`: role of the key's address, and its owner. `agents`: those with a name, of who approves them. `budget`:
    volume traded and requests used.
    """

    role: Fact[AccountRole]
    key_role: Fact[tuple[str, str | None]]
    agents: Fact[tuple[ListedAgent, ...]]
    mode: Fact[str]
    balances: Fact[Balances]
    orders: Fact[tuple[OpenOrder, ...]]
    budget: Fact[tuple[Decimal, int]]
    fees: Fact[Fees]


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketFacts:
    """What the venue says of pair, book and itself.

    `skew` says how wrong our clock is, None where it is right. `status` is what the exchange says of a special state.
    `hip2`: tokens and USDC that HIP-2 began with.
    """

    meta: Fact[SpotMeta]
    market: Fact[Market]
    token_id: Fact[str | None]
    book: Fact[Book]
    skew: Fact[str | None]
    status: Fact[str | None]
    hip2: Fact[tuple[Decimal, Decimal]]


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionFacts:
    """Weight used, and refusals as too many (HTTP 429).

    `unreached` says why the venue could not be asked, None where it could.
    """

    weight: int = 0
    n_busy: int = 0
    unreached: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderFacts:
    """Ladder of the configuration on this account and market.

    `plan` is that of the amounts configured, `opening` what a start would open with now.
    """

    grid: Fact[PricingGrid]
    plan: Fact[LadderPlan]
    opening: Fact[Opening]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that the checks judge, at a moment."""

    settings: Settings
    now_ms: int
    key: KeyFacts
    machine: MachineFacts
    ledger: LedgerFacts
    account: AccountFacts
    market: MarketFacts
    questions: QuestionFacts
    ladder: LadderFacts
    alerts: AlertFacts = NO_ALERTS
