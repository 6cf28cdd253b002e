"""A sound maker on an exchange in process, to be spoiled in one way, and the doctor that examines it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import trio
from builders import EPOCH_MS, run_inline
from sandbox_kit import HYPE_TOKEN, PURR_TOKEN, TAKER, USDC_TOKEN, Clock, buy, dec, sell
from trio.testing import MockClock

from mm_trio.cli.check_programs.examination import examine, gather_facts
from mm_trio.cli.check_programs.facts import Facts
from mm_trio.cli.check_programs.findings import DoctorReport, Finding
from mm_trio.cli.check_programs.local_facts import look_at_key
from mm_trio.cli.check_programs.venue_facts import Examiner
from mm_trio.cli.ledger_programs.check_steps import CheckSteps
from mm_trio.config.keys import Secret
from mm_trio.config.loading import parse_settings
from mm_trio.config.settings import Settings
from mm_trio.journal.data_dir import find_signer_lock, find_state_folder
from mm_trio.sandbox.api.auth import Auth
from mm_trio.sandbox.api.gateway import Gateway
from mm_trio.sandbox.api.ip_weights import weigh_question
from mm_trio.sandbox.inprocess.info import InProcessInfo, InProcessVenue
from mm_trio.sandbox.matching.exchange import Exchange
from mm_trio.sandbox.model.agents import Agent
from mm_trio.sandbox.model.commands import Deposit, NewOrder, PlaceOrders
from mm_trio.venue.sdk import make_wallet

ACCOUNT = "0x" + "a1" * 20
KEY = "0x" + "11" * 32
SIGNER = make_wallet(KEY).address.lower()
DAY_MS = 86_400_000

# 40 levels from 20, 20 of them asks: the boundary is at 21.23, the middle of the others at 21.2. A gap earns more than
# its fees, and the bids are paid for.
CONFIG: dict[str, dict[str, Any]] = {
    "market": {"coin": "@107", "network": "testnet", "account": ACCOUNT, "base": "HYPE"},
    "strategy": {"start_px": "20", "n_orders": 40, "order_sz": "5", "gap_levels": 1},
    "allocation": {"token": "100", "usdc": "2000"},
    "limits": {
        "max_order_notional": "1000",
        "max_side_notional": "10000",
        "max_net_spend": "10000",
        "price_low": "20",
        "price_high": "27",
        "max_loss_vs_hold": "1000",
        "max_drawdown_vs_hold": "1000",
        "max_actions_per_hour": 20000,
        "max_fills_per_minute": 600,
        "max_unknown_outcomes": 20,
        "budget_floor": 500,
    },
}


class WeighingVenue(InProcessVenue):
    """Counts the weight of questions as the exchange does, and answers some of them as a test wants.

    `answers`: by type of question, an answer, an exception, or a change of the answer.
    """

    def __init__(self, gateway: Gateway) -> None:
        super().__init__(gateway)
        self.weight = 0
        self.answers: dict[str, Any] = {}

    def ask(self, method: str, request: Any) -> Any:
        self.weight += weigh_question(request)
        answer = self.answers.get(request["type"])
        if isinstance(answer, Exception):
            raise answer
        if callable(answer):
            return answer(super().ask(method, request))
        return super().ask(method, request) if answer is None else answer


class PostingInfo(InProcessInfo):
    """Client that posts questions too, as the SDK's does."""

    def __init__(self, venue: WeighingVenue) -> None:
        super().__init__(venue)
        self._weighing = venue

    def post(self, path: str, question: Any) -> Any:
        assert path == "/info"
        return self._weighing.ask("post", question)


@dataclass
class Patient:
    """An exchange in process, an account on it, and a maker's configuration, key and state folder."""

    folder: Path
    clock: Clock = field(default_factory=lambda: Clock(EPOCH_MS))
    config: dict[str, dict[str, Any]] = field(
        default_factory=lambda: {section: dict(values) for section, values in CONFIG.items()}
    )
    secrets: dict[str, Secret] = field(default_factory=lambda: {"MM_TRIO_PRIVATE_KEY": Secret(KEY)})
    ahead_ms: int = 0
    of_account: bool = False
    steps: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.environ = {"XDG_STATE_HOME": str(self.folder / "state")}
        self.exchange = Exchange(maker_fee="0.0004", taker_fee="0.0007")
        self.gateway = Gateway(self.exchange, now_ms=self.clock)
        auth = Auth(lambda address: address in self.exchange.addresses())
        self.gateway.agents = self.agents = auth.agents
        self.fund(ACCOUNT, "150", "6000")
        self.fund(TAKER, "100000", "1000000")
        self.approve(days=60)
        self.place(TAKER, buy("21.1", "10"), sell("21.3", "10"))
        self.venue = WeighingVenue(self.gateway)

    # --- The venue ----------------------------------------------------------------------------

    def fund(self, address: str, token: str, usdc: str) -> None:
        for index, amount in ((HYPE_TOKEN, token), (PURR_TOKEN, token), (USDC_TOKEN, usdc)):
            self.gateway.apply(Deposit(address, index, dec(amount)))

    def approve(self, *, days: float, master: str = ACCOUNT, name: str | None = "maker") -> None:
        until_ms = self.clock.now_ms + int(days * DAY_MS)
        self.agents.register(Agent(address=SIGNER, master=master, name=name, valid_until_ms=until_ms))

    def place(self, address: str, *orders: NewOrder) -> None:
        self.gateway.apply(PlaceOrders(address, orders))

    # --- The maker ----------------------------------------------------------------------------

    def set(self, section: str, **values: Any) -> None:
        """Change settings; None leaves one out."""
        merged = self.config.get(section, {}) | values
        self.config[section] = {name: value for name, value in merged.items() if value is not None}

    @property
    def settings(self) -> Settings:
        return parse_settings(self.config, environ={}, source="test")

    @property
    def network(self) -> str:
        return self.settings.market.network

    @property
    def state_folder(self) -> Path:
        """The state folder of the maker, made where it is missing."""
        settings = self.settings
        place = find_state_folder(
            self.environ, network=self.network, account=settings.market.account, coin="@107"
        )  # fmt: skip
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        return place

    @property
    def signer_lock(self) -> Path:
        return find_signer_lock(self.environ, network=self.network, signer=SIGNER)

    # --- The doctor ---------------------------------------------------------------------------

    @property
    def examiner(self) -> Examiner:
        return Examiner(
            environ=self.environ,
            make_info=lambda meta: PostingInfo(self.venue),
            run_sync=run_inline,
            clock_ms=lambda: self.clock.now_ms + self.ahead_ms,
            on_step=self.steps.append,
            of_account=self.of_account,
        )

    def examine(self) -> DoctorReport:
        key = look_at_key(self.secrets, None)
        work = partial(examine, self.settings, key, examiner=self.examiner, stop_scope=trio.CancelScope())
        return trio.run(work, clock=MockClock(autojump_threshold=0))

    def gather(self) -> Facts:
        key, steps = look_at_key(self.secrets, None), CheckSteps("questions to the venue", "state folder and ledger")
        work = partial(gather_facts, self.settings, key, examiner=self.examiner, steps=steps)
        return trio.run(work, clock=MockClock(autojump_threshold=0))


def by_name(report: DoctorReport) -> dict[str, Finding]:
    return {finding.name: finding for finding in report.findings}


Spoil = Callable[[Patient], object]
