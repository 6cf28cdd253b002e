"""Cancels that a maker of several markets signs in advance: one file for all of its coins."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from guard_kit import COINS, HOUR_MS, GuardedVenue, make_account_cover, read_cancels

from mm_trio.guard.cover import CancelCover
from mm_trio.guard.reserve import AHEAD_MS, MOST_ACTIONS, MOST_VOLLEYS
from mm_trio.guard.signed_file import CANCELS_NAME, MOST_BYTES, NEW_CANCELS_NAME, SignedCancels, write_fired
from mm_trio.model.orders import Intent
from mm_trio.state.order_state import OrderState
from mm_trio.venue.signer import SigningExchange


class Account:
    """A maker of several markets at an exchange, as far as its cover knows it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.venue = GuardedVenue()
        self.states: dict[str, OrderState] = {coin: OrderState() for coin in COINS}
        self.cover = self.start()

    def start(self) -> CancelCover:
        """A later session, which knows what its ledger tells."""
        self.cover = make_account_cover(self.venue, self.folder, self.states)
        return self.cover

    def send(self, coin: str, n: int, *, arrive: bool = True) -> list[Intent]:
        """Cover orders and place them; they rest."""
        intents = [self.venue.make_intent() for _ in range(n)]
        for intent in intents:
            self.states[coin].on_sent(intent)
        self.cover.make_cover()()
        if arrive:
            for intent, oid in zip(intents, self.venue.place(*intents, coin=coin), strict=True):
                self.states[coin].on_intent_seen(intent, oid, now_s=0.0)
        return intents

    def end(self, coin: str, n: int) -> None:
        """The oldest orders of a coin end, as far as the maker knows."""
        for order in self.states[coin].get_current_orders()[:n]:
            self.states[coin].on_cancel_confirmed(order.oid, now_s=0.0)

    @property
    def names(self) -> set[str | None]:
        """What may rest, as far as the maker knows."""
        states = self.states.values()
        resting = {order.cloid for state in states for order in state.get_current_orders()}
        return resting | {intent.cloid for state in states for intent in state.get_intents()}

    def refresh(self) -> SignedCancels:
        """Refresh until the file is near to what rests."""
        for _ in range(50):
            self.cover.refresh()()
            if self.cover.is_near():
                return read_cancels(self.folder)
        raise AssertionError("it never came near")

    def fire(self, cancels: SignedCancels | None = None, volley: int = 0) -> list[str]:
        """What comes of a volley: `ok`, or the refusal."""
        answers = [self.venue.post(action) for action in (cancels or read_cancels(self.folder)).volleys[volley]]
        return [answer["response"] if answer["status"] == "err" else "ok" for answer in answers]


@pytest.fixture
def account(tmp_path: Path) -> Account:
    return Account(tmp_path)


def test_one_volley_cancels_the_orders_of_all_coins(account: Account) -> None:
    for coin in COINS:
        account.send(coin, 20)

    cancels = read_cancels(account.folder)

    assert cancels.owner == ("sandbox", cancels.account, "account")
    assert cancels.coins == tuple(sorted(COINS))
    assert len(cancels.names) == 60
    assert set(account.fire()) == {"ok"}
    assert account.venue.list_resting() == set()


def test_orders_of_a_coin_that_comes_are_covered_from_the_first_one_on(account: Account) -> None:
    del account.states[COINS[2]]
    account.send(COINS[0], 5)
    account.states[COINS[2]] = OrderState()

    (first,) = account.send(COINS[2], 1, arrive=False)

    cancels = read_cancels(account.folder)
    assert first.cloid in cancels.names
    assert COINS[2] in cancels.coins


def test_a_coin_that_left_is_named_no_more(account: Account) -> None:
    account.send(COINS[0], 5)
    account.send(COINS[1], 5)
    del account.states[COINS[1]]

    cancels = account.refresh()

    assert cancels.names == account.names
    assert cancels.coins == (COINS[0], COINS[2])


def count_signatures(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """A call that returns how many actions were signed since the last one."""
    n_signed, sign = [0], SigningExchange.sign_action

    def count(exchange: SigningExchange, unsigned: object) -> object:
        n_signed[0] += 1
        return sign(exchange, unsigned)  # type: ignore[arg-type]

    def take() -> int:
        n, n_signed[0] = n_signed[0], 0
        return n

    monkeypatch.setattr(SigningExchange, "sign_action", count)
    return take


def fill(account: Account, *, each: int) -> None:
    """So many orders of each coin rest, as far as the maker knows."""
    for coin in COINS:
        for n in range(each):
            intent = account.venue.make_intent()
            account.states[coin].on_sent(intent)
            account.states[coin].on_intent_seen(intent, 10_000_000 + account.venue._n_orders + n, now_s=0.0)


def test_a_reaction_signs_one_page_however_many_orders_rest(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(account, each=650)
    account.refresh()
    take = count_signatures(monkeypatch)
    signed = []
    for n in range(30):
        account.send(COINS[n % 3], 1, arrive=False)
        signed.append(take())

    # Once for each volley.
    assert max(signed) <= MOST_VOLLEYS
    assert read_cancels(account.folder).names >= account.names


def test_the_bounds_hold_while_two_thousand_orders_are_replaced(account: Account) -> None:
    fill(account, each=660)
    rng, widths = random.Random(3), []
    for n in range(200):
        coin = rng.choice(COINS)
        account.end(coin, 40)
        for intent in account.send(coin, 40, arrive=False):
            account.states[coin].on_intent_seen(intent, 20_000_000 + int(intent.cloid[-6:], 16), now_s=0.0)
        cancels = read_cancels(account.folder)
        assert cancels.names >= account.names
        widths.append(len(cancels.volleys[0]))
        if n % 2:
            account.cover.refresh()()

    assert max(widths) <= MOST_ACTIONS
    assert (account.folder / "guard-cancels.json").stat().st_size <= MOST_BYTES
    assert len(account.refresh().volleys[0]) <= 11
    assert read_cancels(account.folder).names == account.names


def test_what_waits_for_an_order_is_a_small_file(account: Account) -> None:
    fill(account, each=600)
    account.refresh()
    whole, changes = account.folder / CANCELS_NAME, account.folder / NEW_CANCELS_NAME
    before, sizes = whole.stat().st_ino, []
    for n in range(40):
        account.send(COINS[n % 3], 2, arrive=False)
        sizes.append(changes.stat().st_size)

    assert whole.stat().st_ino == before
    assert max(sizes) < whole.stat().st_size / 10
    assert read_cancels(account.folder).names >= account.names


def test_the_small_file_counts_with_the_one_that_it_belongs_to_alone(account: Account) -> None:
    """Of two volleys each has to cancel everything, so that what is read is of one moment."""
    account.send(COINS[0], 60)
    account.refresh()
    (late,) = account.send(COINS[1], 1, arrive=False)
    changes = (account.folder / NEW_CANCELS_NAME).read_bytes()
    account.states[COINS[1]].on_never_placed(late.cloid)

    after = account.refresh()

    assert (account.folder / NEW_CANCELS_NAME).read_bytes() == changes
    assert late.cloid not in after.names


def test_a_whole_file_that_is_gone_is_written_anew_by_the_next_order(account: Account) -> None:
    account.send(COINS[0], 60)
    account.refresh()
    (account.folder / CANCELS_NAME).unlink()

    account.send(COINS[1], 1)

    assert read_cancels(account.folder).names == account.names


def test_fewer_volleys_of_a_larger_account_all_cancel_everything(account: Account) -> None:
    fill(account, each=500)
    account.refresh()
    widths = set()
    for _ in range(90):
        account.send(COINS[0], 24, arrive=False)
        cancels = read_cancels(account.folder)
        widths.add(len(cancels.volleys))
        for volley in cancels.volleys:
            assert frozenset().union(*(action.names for action in volley)) >= account.names

    assert widths == {1, 2, 3}


def test_a_refresh_writes_nothing_once_all_is_tidy(account: Account) -> None:
    account.send(COINS[0], 60)
    account.end(COINS[0], 30)
    account.refresh()
    path = account.folder / "guard-cancels.json"
    before = path.stat().st_mtime_ns

    account.cover.refresh()()

    assert path.stat().st_mtime_ns == before


def test_what_an_earlier_session_left_stays_covered_until_it_is_settled(account: Account) -> None:
    """An order of one coin is sent while another coin has not settled yet what the ledger does not know."""
    left = account.send(COINS[1], 30)
    for coin in COINS:
        account.states[coin] = OrderState()
    account.start()

    account.send(COINS[0], 10)
    before = read_cancels(account.folder)
    after = account.refresh()

    assert {intent.cloid for intent in left} < before.names
    assert after.names == account.names
    assert after.first == before.first
    # By the cancels from before, because the later ones do not name what is settled.
    assert set(account.fire(before)) == {"ok"}
    assert account.venue.list_resting() == set()


def test_nonces_that_a_guard_has_posted_are_not_signed_with_again(account: Account) -> None:
    for coin in COINS:
        account.send(coin, 30)
    fired = read_cancels(account.folder)
    account.fire(fired)
    write_fired(account.folder, {action.nonce for action in fired.volleys[0]}, at_ms=account.venue.now_ms)
    account.venue.now_ms += 1000

    account.cover.refresh()()
    account.send(COINS[0], 5)
    renewed = read_cancels(account.folder)

    assert set(renewed.spent) == {action.nonce for action in fired.volleys[0]}
    assert set(account.fire(renewed)) == {"ok"}
    assert account.venue.list_resting() == set()


def test_nonces_near_their_time_are_replaced_and_burnt(account: Account) -> None:
    for coin in COINS:
        account.send(coin, 70)
    old = read_cancels(account.folder)
    account.venue.now_ms += AHEAD_MS - HOUR_MS

    account.cover.refresh()()
    n_burnt = account.cover.burn()
    new = read_cancels(account.folder)

    assert n_burnt >= MOST_VOLLEYS * len(old.volleys[0])
    assert all("duplicate nonce" in text for volley in range(MOST_VOLLEYS) for text in account.fire(old, volley))
    assert set(account.fire(new)) == {"ok"}
    assert account.venue.list_resting() == set()


def test_the_last_refresh_leaves_no_name_of_an_order_that_is_gone(account: Account) -> None:
    for coin in COINS:
        account.send(coin, 250, arrive=False)
    for state in account.states.values():
        for intent in state.get_intents():
            state.on_never_placed(intent.cloid)

    account.cover.refresh(is_last=True)()

    assert read_cancels(account.folder).names == frozenset()
