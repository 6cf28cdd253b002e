"""Several grids on one account: one socket, one lane, one journal, and no grid on another's money."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
import trio
from builders import MAKER, TAKER, until
from grids_kit import COINS, GridsWorld, find_sums
from trio.testing import MockClock

from mm_trio.engine.account_maker import AccountMaker, GridTerms
from mm_trio.engine.session import Session
from mm_trio.engine.tasks import keep_cover_forever, reconcile_all
from mm_trio.grids.grid import Grid
from mm_trio.halts.standing import Standing, State
from mm_trio.halts.standing_file import VolatileStanding
from mm_trio.journal.replay import replay
from mm_trio.journal.sqlite_journal import Journal
from mm_trio.limits.terms import RiskLimits
from mm_trio.model.errors import ActionsRefused, ConfigError, Contradiction, find_leaves
from mm_trio.model.journal_entries import Booked
from mm_trio.model.orders import OrderDiff
from mm_trio.model.replies import Refusal, Refused
from mm_trio.sandbox.model.commands import Deposit, NewOrder, PlaceOrders
from mm_trio.sandbox.model.limits import Limits
from mm_trio.sandbox.model.markets import DEFAULT_MARKETS
from mm_trio.witness.opening_check import Opening


async def trade(world: GridsWorld, seconds: float, *, seed: int = 1) -> None:
    """Takers come to all coins."""
    rng = random.Random(seed)
    with trio.move_on_after(seconds):
        while True:
            await trio.sleep(rng.uniform(0.1, 4))
            world.take(rng.choice(world.coins), rng.choice(["buy", "sell"]), Decimal(rng.randint(1, 120)) / 10)


async def test_each_grid_quotes_its_own_coin_and_leaves_nothing(autojump_clock: MockClock) -> None:
    world = GridsWorld()
    async with world.quoting(world.account_maker()):
        await trio.sleep(10)
        for coin in COINS:
            assert {order.is_buy for order in world.open_of(coin)} == {True, False}
    assert world.exchange.open_orders(MAKER) == ()


async def test_ten_minutes_of_takers_leave_every_ledger_exact(autojump_clock: MockClock) -> None:
    world = GridsWorld()
    maker = world.account_maker()
    async with world.quoting(maker):
        await trade(world, 600)
        await trio.sleep(30)
        for face in maker.faces.values():
            assert face.stats.fills > 50
        sums = find_sums(world, maker)
    for token, (ledgers, exchange) in sums.items():
        assert ledgers == exchange, token


async def test_orders_of_several_coins_leave_in_one_action(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = GridsWorld()
    applied: list[set[int]] = []
    apply = world.exchange.apply

    def watch(now_ms: int, command: Any) -> Any:
        if isinstance(command, PlaceOrders) and command.address == MAKER:
            applied.append({order.asset for order in command.orders})
        return apply(now_ms, command)

    monkeypatch.setattr(world.exchange, "apply", watch)
    async with world.quoting(world.account_maker()):
        await trio.sleep(5)
    assert max(map(len, applied)) > 1


async def test_a_deposit_belongs_to_no_grid(autojump_clock: MockClock) -> None:
    world = GridsWorld()
    maker = world.account_maker()
    async with world.quoting(maker):
        world.fund(MAKER, 0, 7_000)
        await trio.sleep(200)
        assert [face.inventory.effective_usdc for face in maker.faces.values()] == [5_000] * len(COINS)


async def test_a_shortage_is_spread_over_the_grids_once(autojump_clock: MockClock) -> None:
    world = GridsWorld()
    maker = world.account_maker()
    async with world.quoting(maker):
        await trio.sleep(10)
        for order in world.exchange.open_orders(MAKER):
            if order.is_buy and order.coin == COINS[0]:
                world.cancel(order.oid)
        world.take_out(3_000)
        await trio.sleep(300)
        assert sum(face.inventory.effective_usdc for face in maker.faces.values()) == 12_000
        held = sum(order.price * order.size for order in world.exchange.open_orders(MAKER) if order.is_buy)
        assert held <= 12_000


async def test_allocations_beyond_the_account_are_refused(autojump_clock: MockClock) -> None:
    world = GridsWorld(usdc=3_000)
    with pytest.raises(ConfigError, match=r"sum up to 15000 .* and 9000.0 is free"):
        await world.account_maker().run()
    assert world.exchange.open_orders(MAKER) == ()


async def test_a_grid_without_an_allocation_of_a_shared_token_is_refused(autojump_clock: MockClock) -> None:
    world = GridsWorld()
    grids = [world.terms(COINS[0]), world.terms(COINS[1], allocated_usdc=None)]
    with pytest.raises(ConfigError, match=f"{COINS[1]} has no allocation of USDC"):
        await world.account_maker(grids).run()


async def test_a_restart_goes_on_from_one_journal(tmp_path: Path, autojump_clock: MockClock) -> None:
    world = GridsWorld()
    for n in range(3):
        journal = Journal.open(tmp_path)
        maker = world.account_maker(journal=journal, rng=random.Random(n), checkpoint_every=200)
        async with world.quoting(maker):
            await trade(world, 300, seed=n)
            await trio.sleep(30)
            sums = find_sums(world, maker)
        journal.close()
        assert all(ledgers == exchange for ledgers, exchange in sums.values()), sums
    assert all(face.inventory.virtual_usdc != 5_000 for face in maker.faces.values())


@pytest.mark.parametrize("n_others", [1, 2])
async def test_a_grid_that_is_left_out_for_a_session_keeps_its_ledger(
    tmp_path: Path, autojump_clock: MockClock, n_others: int
) -> None:
    world = GridsWorld()
    seen: list[tuple[object, ...]] = []
    for n, coins in enumerate((COINS, COINS[1 : 1 + n_others], COINS)):
        journal = Journal.open(tmp_path)
        grids = [world.terms(coin) for coin in coins]
        maker = world.account_maker(grids, journal=journal, rng=random.Random(n), checkpoint_every=100)
        async with world.quoting(maker):
            if COINS[0] in coins:
                ledger = maker.faces[COINS[0]].inventory
                seen.append((ledger.virtual_token, ledger.virtual_usdc, maker.faces[COINS[0]].boundary_level))
            if n < 2:
                await trade(world, 200, seed=n)
                await trio.sleep(30)
                if n == 0:
                    seen[0] = ledger.virtual_token, ledger.virtual_usdc, maker.faces[COINS[0]].boundary_level
        journal.close()
    first, again = seen
    assert again == first
    assert first[1] != 5_000


async def test_a_quiet_coin_does_not_need_what_the_venue_forgot(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The venue lists an account's last fills alone, and other coins can fill that list between two of ours."""
    quiet, busy = COINS[:2]
    world = GridsWorld((quiet, busy), limits=Limits(fills_kept=60))
    n_rows: list[int] = []
    ask = world.info.user_fills_by_time

    def count(*args: Any) -> Any:
        rows = ask(*args)
        n_rows.append(len(rows))
        return rows

    for n in range(2):
        journal = Journal.open(tmp_path)
        maker = world.account_maker(journal=journal, rng=random.Random(n))
        monkeypatch.setattr(world.info, "user_fills_by_time", count)
        async with world.quoting(maker):
            world.take(quiet, "buy", "2")
            for turn in range(90):
                await trio.sleep(4)
                world.take(busy, ("buy", "sell")[turn % 2], "1")
                if turn == 45:
                    n_rows.clear()
            world.take(quiet, "sell", "1")
            await trio.sleep(200)
            assert {name: face.failure for name, face in maker.faces.items()} == {quiet: None, busy: None}
            sums = find_sums(world, maker)
            assert all(ledgers == exchange for ledgers, exchange in sums.values()), sums
        journal.close()
    # A look reads on from the last one, and not from the quiet coin's last fill.
    assert max(n_rows) < 50


async def test_one_grid_s_halt_leaves_the_others_quoting(autojump_clock: MockClock) -> None:
    world = GridsWorld()
    first = world.terms(COINS[0], limits=RiskLimits(max_net_spend=Decimal(50)))
    maker = world.account_maker([first, *(world.terms(coin) for coin in COINS[1:])])
    async with world.quoting(maker):
        await trio.sleep(5)
        world.take(COINS[0], "sell", "5")
        await until(lambda: maker.faces[COINS[0]].failure is not None)
        await trio.sleep(20)
        assert world.open_of(COINS[0]) == []
        before = {coin: maker.faces[coin].stats.fills for coin in COINS[1:]}
        await trade(world, 60)
        assert all(world.open_of(coin) for coin in COINS[1:])
        assert all(maker.faces[coin].stats.fills > before[coin] for coin in COINS[1:])
    assert world.exchange.open_orders(MAKER) == ()


async def test_a_tick_that_waited_for_the_lane_cancels_nothing_in_a_pause(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = GridsWorld(COINS[:2])
    maker = world.account_maker()
    async with world.quoting(maker), trio.open_nursery() as nursery:
        await trio.sleep(5)
        assert maker._session is not None
        (first, second), account = maker._session.grids, maker._session.account
        carry_out, may_answer = account.gateway.carry_out, trio.Event()

        async def carry_out_late(*args: Any, **options: Any) -> Any:
            await may_answer.wait()
            return await carry_out(*args, **options)

        monkeypatch.setattr(account.gateway, "carry_out", carry_out_late)
        async with first.turn, second.turn:
            oids = [world.open_of(grid.coin)[0].oid for grid in (first, second)]
            nursery.start_soon(first.emitter.emit, OrderDiff(cancels=oids[:1]), account.budget)
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(
                partial(second.emitter.emit, OrderDiff(cancels=oids[1:]), account.budget, is_quoting=True)
            )
            await trio.testing.wait_all_tasks_blocked()
            account.gate.pause("feed lost")
            may_answer.set()
            await trio.testing.wait_all_tasks_blocked()
            assert oids[0] not in {order.oid for order in world.open_of(first.coin)}
            assert oids[1] in {order.oid for order in world.open_of(second.coin)}
            assert not second.state.order_state.has_doubts
        account.gate.start_quoting()


async def test_a_reader_of_one_coin_sees_that_coin_alone(tmp_path: Path, autojump_clock: MockClock) -> None:
    world = GridsWorld()
    journal = Journal.open(tmp_path / "account")
    maker = world.account_maker(journal=journal, checkpoint_every=100)
    async with world.quoting(maker):
        await trade(world, 200)
        await trio.sleep(30)
        booked = {coin: maker.faces[coin].stats.fills for coin in COINS}
        accounts = {coin: maker.faces[coin].inventory.account_usdc for coin in COINS}
    journal.close()
    for coin in COINS:
        with closing(Journal.open_to_read(tmp_path / coin)) as reader:
            fills = list(reader.read_kinds(Booked))
            found = replay(
                [row.entry for row in reader.read(since_checkpoint=False)],
                order_size=5,
                now_s=0,
                wall_ms=world.now_ms(),
            )
            assert sum(reader.sum_items(per_ms=3_600_000).values()) > 0
        assert {row.entry.coin for row in fills if isinstance(row.entry, Booked)} == {coin}
        assert len(fills) == booked[coin]
        assert found.inventory.account_usdc == accounts[coin]


def find_session(maker: AccountMaker) -> Session:
    """The session that runs."""
    session = maker._session
    assert session is not None
    return session


def halted(coin: str, world: GridsWorld) -> GridTerms:
    """Terms of a grid that an earlier session halted."""
    standing = VolatileStanding()
    standing.tighten(Standing(state=State.HALTED, since_ms=1, why="a limit"))
    return world.terms(coin, standing=standing)


async def keep_ledgers(world: GridsWorld, tmp_path: Path, *sessions: list[GridTerms] | None) -> AccountMaker:
    """Let sessions trade one after another on one journal, with a checkpoint now and then."""
    for n, grids in enumerate(sessions):
        journal = Journal.open(tmp_path)
        maker = world.account_maker(grids or (), journal=journal, rng=random.Random(n), checkpoint_every=100)
        async with world.quoting(maker):
            await trade(world, 200, seed=n)
            await trio.sleep(30)
        journal.close()
    return maker


async def test_a_coin_left_out_for_a_session_keeps_its_ledger(tmp_path: Path, autojump_clock: MockClock) -> None:
    world = GridsWorld()
    some = [world.terms(coin) for coin in COINS[1:]]
    maker = await keep_ledgers(world, tmp_path, None, some, None)
    sums = find_sums(world, maker)
    assert all(ledgers == exchange for ledgers, exchange in sums.values()), sums
    assert all(face.failure is None for face in maker.faces.values())


async def test_a_grid_goes_on_alone_while_the_others_are_halted(tmp_path: Path, autojump_clock: MockClock) -> None:
    world = GridsWorld()
    some = [world.terms(COINS[0]), *(halted(coin, world) for coin in COINS[1:])]
    maker = await keep_ledgers(world, tmp_path, None, some, None)
    sums = find_sums(world, maker)
    assert all(ledgers == exchange for ledgers, exchange in sums.values()), sums


def refuse_to_open(opening: Opening) -> None:
    raise Contradiction("two sources tell different prices")


async def test_a_grid_that_fails_at_its_start_leaves_the_others(tmp_path: Path, autojump_clock: MockClock) -> None:
    world = GridsWorld()
    await keep_ledgers(world, tmp_path, None)
    others = [world.terms(coin) for coin in COINS[1:]]
    refused = [world.terms(COINS[0], check_opening=refuse_to_open), *others]

    maker = await keep_ledgers(world, tmp_path, refused)
    assert isinstance(maker.faces[COINS[0]].failure, Contradiction)
    assert all(maker.faces[coin].stats.fills > 20 for coin in COINS[1:])
    with closing(Journal.open_to_read(tmp_path)) as reader:
        assert len(list(reader.read())) < 300, "checkpoints go on"

    last = await keep_ledgers(world, tmp_path, None)
    assert all(face.failure is None for face in last.faces.values())
    sums = find_sums(world, last)
    assert all(ledgers == exchange for ledgers, exchange in sums.values()), sums


async def test_a_lost_key_that_a_reconciliation_finds_ends_all(autojump_clock: MockClock) -> None:
    world = GridsWorld()
    maker = world.account_maker()

    async def lose_key() -> None:
        async with world.quoting(maker):
            await trio.sleep(1)
            session = find_session(maker)
            for _ in range(3):
                session.account.gateway.signer.on_answer(Refused(Refusal.SIGNER, "User or API Wallet does not exist"))
            session.grids[0].schedule.want_reconcile(0)
            await trio.sleep(30)

    with pytest.raises(ExceptionGroup) as ended:
        await lose_key()

    assert any(isinstance(leaf, ActionsRefused) for leaf in find_leaves(ended.value))
    assert all(face.failure is None for face in maker.faces.values())


class Deaf:
    """An exchange object whose actions do not arrive for a while."""

    def __init__(self, exchange: Any) -> None:
        self._exchange = exchange
        self.is_deaf = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._exchange, name)

    def post_signed(self, signed: Any) -> Any:
        if self.is_deaf:
            raise ConnectionError("nobody is there")
        return self._exchange.post_signed(signed)


@pytest.mark.parametrize("quotes_on_s", [0, 120])
async def test_orders_that_a_grid_left_are_cancelled_later(quotes_on_s: float, autojump_clock: MockClock) -> None:
    """By the end of the session at the latest."""
    world = GridsWorld()
    exchange = Deaf(world.sdk_exchange)
    maker = world.account_maker(exchange=exchange)
    async with world.quoting(maker):
        await trio.sleep(5)
        exchange.is_deaf = True
        grid = find_session(maker).grids[0]
        grid.fail(Contradiction("a made up one"))
        await until(lambda: grid.left_behind is not None)
        assert grid.left_behind
        exchange.is_deaf = False
        await trio.sleep(quotes_on_s)
        if quotes_on_s:
            assert world.open_of(COINS[0]) == []
            assert all(world.open_of(coin) for coin in COINS[1:])
    assert world.exchange.open_orders(MAKER) == ()
    assert maker.orders_may_rest == ()


async def end_first_grid(maker: AccountMaker) -> Grid:
    """End one grid while the others go on, and wait until nothing of it rests."""
    grid = find_session(maker).grids[0]
    grid.fail(Contradiction("a made up one"))
    await until(lambda: grid.left_behind == ())
    return grid


async def test_frames_do_not_wait_for_a_grid_that_ended(autojump_clock: MockClock) -> None:
    world = GridsWorld()
    maker = world.account_maker()
    async with world.quoting(maker):
        await trio.sleep(5)
        (await end_first_grid(maker)).schedule.wake_tick()
        began_s = trio.current_time()
        for coin in COINS[1:] * 10:
            world.take(coin, "buy", "0.5")
        await trio.sleep(2)
        faces = [maker.faces[coin] for coin in COINS[1:]]
        assert sum(face.stats.fills for face in faces) == 20
        assert max(face.recent_fills[-1][0] for face in faces) < began_s + 0.05


async def test_a_grid_that_ended_makes_no_history_longer(autojump_clock: MockClock) -> None:
    """The others ask for fills since their own last ones."""
    world = GridsWorld()
    maker = world.account_maker()
    async with world.quoting(maker):
        await end_first_grid(maker)
        ended_ms = world.now_ms()
        await trade(world, 300)
        await trio.sleep(100)
        assert find_session(maker).account.answers.find_fills_since_ms() > ended_ms


async def test_the_account_s_loss_is_known_beside_a_grid_that_failed(autojump_clock: MockClock) -> None:
    """It needs the prices of all grids, or else nothing more is placed."""
    world = GridsWorld()
    grids = [world.terms(COINS[0], check_opening=refuse_to_open), *(world.terms(coin) for coin in COINS[1:])]
    maker = world.account_maker(grids, limits=RiskLimits(max_loss_vs_hold=Decimal(1_000)))
    async with world.quoting(maker):
        await trade(world, 200)
        assert [maker.faces[coin].paused_because for coin in COINS[1:]] == [None, None]
        assert all(world.open_of(coin) for coin in COINS[1:])


async def test_each_quote_token_keeps_the_account_s_limits_by_itself(autojump_clock: MockClock) -> None:
    world = GridsWorld(("@107", "@207"))
    world.gateway.apply(Deposit(MAKER, 268, Decimal(5_000)))
    maker = world.account_maker(limits=RiskLimits(max_net_spend=Decimal(150), max_side_notional=Decimal(2_500)))
    async with world.quoting(maker):
        for coin in world.coins:
            world.take(coin, "sell", "5")
        await trio.sleep(20)
        assert [face.paused_because for face in maker.faces.values()] == [None, None]
        assert all(face.stats.fills for face in maker.faces.values())
        for coin in world.coins:
            assert sum(order.price * order.size for order in world.open_of(coin) if order.is_buy) > 1_500
    assert maker.standing.state is State.ACTIVE


async def test_a_new_grid_starts_beside_one_that_missed_fills(tmp_path: Path, autojump_clock: MockClock) -> None:
    """The account has less USDC than the ledger of the other says, until that has booked what it missed."""
    world = GridsWorld(COINS[:2])
    await keep_ledgers(world, tmp_path, [world.terms(COINS[0], cancel_on_shutdown=False)])
    world.take(COINS[0], "sell", "5")
    journal = Journal.open(tmp_path)
    maker = world.account_maker(journal=journal)
    async with world.quoting(maker):
        # It has what it took while it was alone until two looks agree.
        await trio.sleep(200)
        sums = find_sums(world, maker)
    journal.close()
    assert all(ledgers == exchange for ledgers, exchange in sums.values()), sums


async def test_orders_of_a_coin_that_is_not_quoted_any_more_are_cancelled(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """They hold money that a grid in its place is allotted."""
    world = GridsWorld(COINS[:2])
    await keep_ledgers(world, tmp_path, [world.terms(coin, cancel_on_shutdown=False) for coin in world.coins])
    foreign = NewOrder(DEFAULT_MARKETS.pair(COINS[0]).asset, True, Decimal(10), Decimal(2), "Gtc", None)
    world.gateway.apply(PlaceOrders(MAKER, (foreign,)))
    assert len(world.open_of(COINS[0])) > 10
    journal = Journal.open(tmp_path)
    maker = world.account_maker([world.terms(COINS[1], allocated_usdc=9_000)], journal=journal)
    async with world.quoting(maker):
        assert [order.price for order in world.open_of(COINS[0])] == [10]
        await trio.sleep(60)
    journal.close()

    last = await keep_ledgers(world, tmp_path, None)
    await trio.sleep(1)
    sums = find_sums(world, last)
    assert all(ledgers == exchange for ledgers, exchange in sums.values()), sums


class Signs:
    """What a guard is told, as far as it is asked when the cancels of an earlier session may be replaced."""

    is_settled: Callable[[], bool]

    async def keep_cover_forever(self, *, is_settled: Callable[[], bool]) -> None:
        self.is_settled = is_settled


async def test_earlier_cancels_stay_until_every_grid_has_settled(autojump_clock: MockClock) -> None:
    """A guard cancels with them what a session that dies meanwhile does not know yet."""
    world, signs = GridsWorld(), Signs()
    maker = world.account_maker()
    async with world.quoting(maker):
        session, keep = find_session(maker), cast("Any", keep_cover_forever)
        await keep(session, signs)
        assert signs.is_settled()
        session.grids[-1].gate.pause("doubts of an earlier session")
        assert not signs.is_settled()


async def test_items_that_others_send_while_one_asks_stay_counted(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The venue counted before another grid sent 30 items."""
    world = GridsWorld()
    maker = world.account_maker()
    async with world.quoting(maker):
        await trio.sleep(5)
        ask, budget, counted = world.info.user_rate_limit, maker.rate_limit, []

        def ask_and_send(address: str) -> Any:
            answer = ask(address)
            budget.on_request(30)
            counted.append(budget.n_requests)
            return answer

        monkeypatch.setattr(world.info, "user_rate_limit", ask_and_send)
        await reconcile_all(find_session(maker))
        assert counted
        assert budget.n_requests == counted[0]
        monkeypatch.undo()
        await reconcile_all(find_session(maker))
        assert budget.n_requests == counted[0] - 30


async def test_a_token_that_is_base_of_one_and_quote_of_another_stays_exact(autojump_clock: MockClock) -> None:
    """Two grids sell HYPE, and one buys it with what another one sells."""
    world = GridsWorld(("@107", "@166", "@207"), usdc=10_000 // 3)
    for owner, amount in ((MAKER, 5_000), (TAKER, 500_000)):
        world.gateway.apply(Deposit(owner, 268, Decimal(amount)))
    world.fund(MAKER, 0, 1)
    maker = world.account_maker()
    async with world.quoting(maker):
        await trade(world, 200)
        await trio.sleep(30)
        assert all(face.stats.fills > 20 and face.failure is None for face in maker.faces.values())
        sums = find_sums(world, maker)
    assert all(ledgers == exchange for ledgers, exchange in sums.values()), sums
