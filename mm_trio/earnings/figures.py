"""Figures of a period: what was earned, in its parts, and what is not known and why.

Amounts are in quote unless their name says base, and exact. None means absent, and `absent` says why; it is never zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Context, Decimal, localcontext

from mm_trio.earnings.absences import NO_MARK, find_absences
from mm_trio.earnings.exact import Linear, exactly, shorten
from mm_trio.earnings.figures_json import figures_to_json, to_text
from mm_trio.earnings.markouts import AT_FILL_MS, LVR_AFTER_MS
from mm_trio.earnings.period import Period
from mm_trio.earnings.tally import Holdings, Tally
from mm_trio.earnings.turns import TurnIncome, compute_turns

__all__ = ["REQUEST_PRICE", "EndMark", "Figures", "MarkedFigure", "Setting", "compute_figures"]

# What the venue takes for a request above the free ones, in quote.
REQUEST_PRICE = Decimal("0.0005")
# Of takers at the base tier, where the ledger does not tell the rate.
TAKER_RATE = Decimal("0.0007")


@dataclass(frozen=True, slots=True, kw_only=True)
class EndMark:
    """Price that holdings are valued at, or why there is none. `source`: "record" or "given"."""

    price: Decimal | None
    source: str = "record"
    at_ms: int | None = None
    absent: str | None = None

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        return {"price": to_text(self.price), "source": self.source, "at_ms": self.at_ms, "absent": self.absent}


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkedFigure:
    """Sum over fills that needs a price of its own for each; None unless all `n` have one.

    `of_marked` is the sum over the `n_marked` fills that have it, None where none of them has.
    """

    horizon_ms: int
    n: int
    n_marked: int
    of_marked: Decimal | None

    @property
    def amount(self) -> Decimal | None:
        """Return the sum over all fills."""
        return self.of_marked if self.n == self.n_marked else None

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        values = {"amount": to_text(self.amount), "fills": self.n, "marked": self.n_marked}
        return {"horizon_s": self.horizon_ms // 1000, **values, "of_marked": to_text(self.of_marked)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Everything besides the fills that the figures of a period need.

    `start` is what the account held, `quoted` what the maker may use of it (None: not known). `terms` are the
    parameters of the sessions, the one in force at the beginning first. `fee_share` is that of a token's deployer.
    """

    period: Period = field(default_factory=Period)
    start: Holdings = field(default_factory=Holdings)
    quoted: Holdings | None = None
    start_mark: EndMark = field(default_factory=lambda: EndMark(price=None, absent=NO_MARK))
    end_mark: EndMark = field(default_factory=lambda: EndMark(price=None, absent=NO_MARK))
    terms: Sequence[Mapping[str, str]] = ()
    n_requests: int | None = None
    fee_share: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """What a period earned. Every property is exact, or None."""

    tally: Tally
    setting: Setting
    turns: TurnIncome

    @property
    def mark(self) -> Decimal | None:
        """Return the price that holdings are valued at."""
        return self.setting.end_mark.price

    @property
    def earned(self) -> Linear:
        """Return the gain against having held, by the mark."""
        with exactly():
            return self.tally.earned()

    @property
    def pnl_vs_hold(self) -> Decimal | None:
        """Return the gain against having held."""
        return self.earned.at(self.mark)

    @property
    def realised(self) -> Decimal:
        """Return what paired fills gained, before fees."""
        return self.tally.pairs.realised

    @property
    def open(self) -> Linear:
        """Return what fills gained that are not paired, before fees, by the mark."""
        with exactly():
            return self.tally.pairs.value_open()

    @property
    def fees(self) -> Linear:
        """Return the fees in base and quote, by the mark."""
        return self.tally.fees()

    @property
    def volume(self) -> Decimal:
        """Return the notional of all fills."""
        with exactly():
            return self.tally.buys.quote + self.tally.sells.quote

    def find_marked(self, horizon_ms: int) -> MarkedFigure:
        """Return the sum over all fills against the price so long after each."""
        found = self.tally.markouts.get(horizon_ms)
        return MarkedFigure(
            horizon_ms=horizon_ms,
            n=self.tally.n_fills,
            n_marked=found.n,
            of_marked=None if found.n == 0 < self.tally.n_fills else found.amount,
        )

    @property
    def edge(self) -> Decimal | None:
        """Return what was gained against the middle of the book just before each fill."""
        return self.find_marked(AT_FILL_MS).amount

    @property
    def inventory(self) -> Decimal | None:
        """Return what the amounts that were bought and sold gained since, with the price."""
        pnl, edge, fees = self.pnl_vs_hold, self.edge, self.fees.at(self.mark)
        if pnl is None or edge is None or fees is None:
            return None
        with exactly():
            return pnl - edge + fees

    def find_adverse(self, horizon_ms: int) -> Decimal | None:
        """Return how much of the edge was gone so long after the fills."""
        edge, markout = self.edge, self.find_marked(horizon_ms).amount
        if edge is None or markout is None:
            return None
        with exactly():
            return edge - markout

    @property
    def lvr(self) -> Decimal | None:
        """Return the loss against rebalancing at the middle of the book, one second after each fill."""
        markout = self.find_marked(LVR_AFTER_MS).amount
        with exactly():
            return None if markout is None else -markout

    @property
    def end(self) -> Holdings:
        """Return what the account held at the end."""
        with exactly():
            return self.setting.start.plus(*self.tally.change())

    @property
    def capital(self) -> Decimal | None:
        """Return what the maker could use at the beginning, at the mark of that time."""
        held = self.setting.quoted
        return None if held is None else Linear(held.quote, held.base).at(self.setting.start_mark.price)

    @property
    def wealth_change(self) -> Decimal | None:
        """Return how the worth of the account changed, transfers left out: mostly that of the price."""
        start, tally = self.setting.start, self.tally
        before = Linear(start.quote, start.base).at(self.setting.start_mark.price)
        with exactly():
            # What nothing explains may be a loss, but it is told apart; it is no result of trading.
            after = (Linear(start.quote, start.base) + tally.earned()).at(self.mark)
            return None if before is None or after is None else after - before

    @property
    def return_on_capital(self) -> Decimal | None:
        """Return the gain against having held as a share of the capital, to 12 places."""
        if self.pnl_vs_hold is None or self.capital is None:
            return None
        return shorten(self.pnl_vs_hold, self.capital, places=12)

    @property
    def ladder_vs_hold(self) -> Decimal | None:
        """Return what having moved along the ladder lost or gained against holding, fees and turns apart."""
        return None if self.turns.moved is None else self.turns.moved.at(self.mark)

    @property
    def pool_vs_hold(self) -> Decimal | None:
        """Return what the same start would have lost in a pool x * y = k, to 28 digits.

        Such a pool begins at the price y / x, whatever the market's was.
        """
        held, mark = self.setting.quoted, self.mark
        if held is None or mark is None or held.base <= 0 or held.quote <= 0:
            return None
        with localcontext(Context(prec=28)):
            return 2 * (held.base * held.quote * mark).sqrt() - (held.base * mark + held.quote)

    @property
    def taker_rate(self) -> Decimal:
        """Return the rate of takers who buy from us."""
        told = self.setting.terms[0].get("taker_rate") if self.setting.terms else None
        return TAKER_RATE if told is None else Decimal(told)

    @property
    def fee_share_income(self) -> Decimal | None:
        """Return what a deployer gets of fees that were paid in the token; an estimate.

        They are ours, and those of takers who bought from us, at the rate of takers.
        """
        share = self.setting.fee_share
        if share is None:
            return None
        with exactly():
            of_takers = self.taker_rate * self.tally.sells.quote
            total = Linear(of_takers, self.tally.fee_base).at(self.mark)
            return None if total is None else share * total

    @property
    def request_cost(self) -> Decimal | None:
        """Return what the requests would have cost, were none of them free."""
        return None if self.setting.n_requests is None else self.setting.n_requests * REQUEST_PRICE

    @property
    def requests_per_1000(self) -> Decimal | None:
        """Return the request items for each 1,000 quote filled, to 6 places."""
        n = self.setting.n_requests
        return None if n is None else shorten(Decimal(n * 1000), self.volume, places=6)

    @property
    def absent(self) -> dict[str, str]:
        """Return why each figure that is absent is so."""
        return find_absences(self)

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values; amounts are decimal strings, None is absent."""
        return figures_to_json(self)


def compute_figures(tally: Tally, setting: Setting) -> Figures:
    """Compute the figures of a period from its sums."""
    with exactly():
        start_base = None if setting.quoted is None else setting.quoted.base
        turns = compute_turns(tally, start_base=start_base, terms=setting.terms)
    return Figures(tally, setting, turns)
