"""Facts of a pair before it has a maker: read from the venue, or from a file."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mm_trio.model.errors import ConfigError, ProtocolError, Unreachable, VenueError
from mm_trio.planning.income import Fees
from mm_trio.planning.market_view import MarketView
from mm_trio.venue import wire

if TYPE_CHECKING:
    import trio

__all__ = ["FACTS_SHAPE", "HIP2_ADDRESS", "PairFacts", "load_facts", "parse_facts", "read_facts"]

_log = logging.getLogger(__name__)

# HIP-2's account on every network.
HIP2_ADDRESS = "0x" + "f" * 40
# The whole of mainnet's pairs takes a hundredth of it.
MAX_FILE_BYTES = 32 * 2**20
FACTS_SHAPE = (
    '{"spotMeta": …, "l2Book": …, "userFees": …, "hip2Orders": […], "tokenDetails": …}: answers of the venue\'s info '
    "endpoint as they are, the last three may be left out; --save writes one"
)


@dataclass(frozen=True, slots=True)
class PairFacts:
    """What a plan needs to know of its pair; `fees` None: not read."""

    view: MarketView
    fees: Fees | None


async def read_facts(
    base_url: str, coin: str, account: str | None, *, stop_scope: trio.CancelScope
) -> dict[str, Any] | None:
    """Read the facts of a pair (weight 82 at most); None if stopped.

    What only a warning needs is left out where it cannot be read. Errors: ConfigError for an unknown pair, VenueError.
    """
    # Imported late: the SDK takes most of a second, and a file is read without it.
    from mm_trio.cli.programs.start_checks import ask_at_start
    from mm_trio.model.market import SpotMeta
    from mm_trio.venue.sdk import make_info

    with stop_scope:
        info = make_info(base_url, SpotMeta((), ()))
        ask = partial(ask_at_start, _post, base_url, info)
        try:
            spot_meta = await ask({"type": "spotMeta"})
        except Unreachable as error:
            advice = "name the network to read (--network), start a sandbox (`mm-trio sandbox`), or give --offline FILE"
            raise Unreachable(f"{error}; {advice}") from error
        market = wire.parse_market(spot_meta, coin)
        facts: dict[str, Any] = {"spotMeta": spot_meta, "l2Book": await ask({"type": "l2Book", "coin": market.coin})}
        if account is not None:
            facts["userFees"] = await ask({"type": "userFees", "user": account})
        try:
            orders = await ask({"type": "openOrders", "user": HIP2_ADDRESS})
            facts["hip2Orders"] = [row for row in orders if row.get("coin") == market.coin]
            token_id = wire.parse_token_id(spot_meta, market.base.index)
            if token_id is not None:
                facts["tokenDetails"] = _shorten_details(await ask({"type": "tokenDetails", "tokenId": token_id}))
        except (VenueError, AttributeError, TypeError) as error:
            _log.warning("signs of HIP-2 not read: error=%s; the plan goes on without them", error)
        return facts
    return None


def _post(_base_url: str, info: Any, question: Mapping[str, str]) -> Any:
    return info.post("/info", question)


def _shorten_details(raw: Any) -> dict[str, Any]:
    """Keep HIP-2's own row of a genesis, which may have 100,000."""
    rows = (raw.get("genesis") or {}).get("userBalances", [])
    kept = [row for row in rows if row[0] == HIP2_ADDRESS]
    return {"seededUsdc": raw.get("seededUsdc", "0.0"), "genesis": {"userBalances": kept}}


def load_facts(path: Path) -> dict[str, Any]:
    """Load the facts of a file. Errors: ConfigError."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"--offline {path} cannot be read: {error.strerror}") from error
    if len(data) > MAX_FILE_BYTES:
        raise ConfigError(f"--offline {path} is larger than {MAX_FILE_BYTES >> 20} MiB; it must be {FACTS_SHAPE}")
    try:
        facts = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            f"--offline {path} is not valid JSON: {error}; make one with `mm-trio grid … --save {path.name}`"
        ) from error
    missing = {"spotMeta", "l2Book"} - facts.keys() if isinstance(facts, dict) else {"spotMeta", "l2Book"}
    if missing:
        raise ConfigError(f"--offline {path} lacks {' and '.join(sorted(missing))}; it must be {FACTS_SHAPE}")
    found: dict[str, Any] = facts
    return found


def parse_facts(facts: Mapping[str, Any], coin: str, *, source: str | None = None) -> PairFacts:
    """Parse the facts of a pair; `source` names a file.

    Errors: ConfigError for an unknown pair, and for everything wrong with a file; ProtocolError.
    """
    try:
        return _parse(facts, coin)
    except ProtocolError as error:
        if source is None:
            raise
        raise ConfigError(f"--offline {source}: {error}; it must be {FACTS_SHAPE}") from error


def _parse(facts: Mapping[str, Any], coin: str) -> PairFacts:
    market = wire.parse_market(facts["spotMeta"], coin)
    if market.coin != _clean(market.coin):
        raise ProtocolError("spotMeta.universe.name", market.coin)
    book = facts["l2Book"]
    if isinstance(book, Mapping) and book.get("coin") not in (None, market.coin):
        raise ConfigError(f"the l2Book is of {book['coin']!r} and not of {market.coin!r}; read it for this pair")
    named = {"coin": market.coin, **book} if isinstance(book, Mapping) else book
    hip2_orders: int | None = None
    if "hip2Orders" in facts:
        rows, _ = wire.parse_open_orders(facts["hip2Orders"], market.coin)
        hip2_orders = sum(row.coin == market.coin for row in rows)
    tokens, quote = None, None
    if "tokenDetails" in facts:
        tokens, quote = wire.parse_hip2_funds(facts["tokenDetails"], HIP2_ADDRESS)
    view = MarketView(
        coin=market.coin,
        base=_clean(market.base.name),
        quote=_clean(market.quote.name),
        sz_decimals=market.base.sz_decimals,
        book=wire.parse_book(named, market.coin),
        hip2_orders=hip2_orders,
        hip2_tokens=tokens,
        hip2_quote=quote,
    )
    return PairFacts(view, _parse_fees(facts))


def _clean(name: str) -> str:
    """Leave out what could change a terminal or a configuration.

    Names of tokens are chosen by strangers, and end up in both.
    """
    return "".join(character for character in name if character.isprintable() and character not in '"\\')


def _parse_fees(facts: Mapping[str, Any]) -> Fees | None:
    if facts.get("userFees") is None:
        return None
    maker, taker = wire.parse_spot_rates(facts["userFees"])
    for name, rate in (("maker", maker), ("taker", taker)):
        if not Decimal("-0.01") < rate < Decimal("0.1"):
            raise ProtocolError(f"userFees: rate of the {name}", f"{rate}")
    return Fees(maker, taker)
