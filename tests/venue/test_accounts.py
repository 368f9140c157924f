"""Accounts in the synthetic market, without a socket: fills, positions, margins, triggers, liquidations."""

import json
import random
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal as D
from itertools import islice
from typing import Any

import pytest

from depthwire.venue import (
    Account,
    AccountOrder,
    DemoTrader,
    Dialect,
    Exchange,
    OrderRejected,
    SyntheticMarket,
)
from depthwire.venue.frames.private_frames import PrivateFrame, PrivateTopic
from depthwire.venue.market.contracts import INVERSE, MAKER_FEE, TAKER_FEE, UNIT
from tests.support.venue_frames import topics_of

START_NS = 1_618_677_786_000_000_000
COINS = ("BTC", "ETH", "USDT")
SIGNS = {"Buy": 1, "Sell": -1}
WHALE = {"BTC": 10**6, "ETH": 10**6, "USDT": 10**10}


class Floor:
    """An exchange, and the frames that it published."""

    def __init__(self, seed: int = 1) -> None:
        market = SyntheticMarket(seed, start_ns=START_NS)
        self.exchange: Exchange = market.open()
        for topic in topics_of(market, Dialect.V2):
            self.exchange.publish(topic)
        self.told: list[tuple[PrivateTopic, bytes]] = []
        self.public: list[Any] = []
        self.exchange.listen(self._listen)
        self._ticks = self.exchange.ticks()
        self.run(1)

    def _listen(self, frame: PrivateFrame) -> None:
        if frame.topic.dialect is Dialect.V2:
            self.told.append((frame.topic, frame.raw))

    def run(self, steps: int) -> None:
        """Advance by a number of 20 ms steps."""
        for tick in islice(self._ticks, 5 * steps):
            self.public += tick.frames

    def best(self, symbol: str, side: str) -> D:
        return self.exchange.engines[symbol].best(side)

    def frames(self, account: Account, topic: str, category: str = "inverse") -> list[Any]:
        return [
            entry
            for told, raw in self.told
            if told == (account.key, Dialect.V2, category, topic)
            for entry in json.loads(raw, parse_float=D)["data"]
        ]

    def check_money(self) -> None:
        assert {coin: self.exchange.clearing.imbalance(coin) for coin in COINS} == dict.fromkeys(COINS, 0)

    def push_price(self, symbol: str, side: str, until: Callable[[], bool]) -> None:
        """Let a large account move the market until a condition holds."""
        whale = self.exchange.account("whale", deposits=WHALE)
        size = 1_000_000 if symbol.endswith("USD") else 20
        for order in range(30):
            if until():
                return
            whale.submit(symbol, side, size * 2 ** min(order, 8), order_type="Market")
        raise AssertionError("it never happened")


@pytest.fixture
def floor() -> Floor:
    return Floor()


@pytest.fixture
def account(floor: Floor) -> Account:
    return floor.exchange.account("a", deposits={"BTC": 10, "ETH": 100, "USDT": 500_000})


def test_a_new_account_has_its_deposits_and_an_own_secret(floor: Floor) -> None:
    first, second = (floor.exchange.account(key) for key in "ab")
    assert floor.exchange.account("a") is first
    assert first.secret != second.secret
    assert first.secret not in repr(first)
    assert first.wallet["BTC"] == (10, 10)
    first.deposit("BTC", "0.00000001")
    assert first.wallet["BTC"].wallet == D("10.00000001")
    for amount in (0, -1, "0.000000001", "many", "nan", float("inf"), 10**15):
        with pytest.raises(ValueError, match=r"invalid deposit: .*: expected an amount above 0"):
            first.deposit("BTC", amount)
        with pytest.raises(ValueError, match="invalid deposit"):
            floor.exchange.account("poor", deposits={"ETH": 1, "BTC": amount})
    assert "poor" not in floor.exchange.accounts
    with pytest.raises(ValueError, match="another secret"):
        floor.exchange.account("a", secret="mine")
    assert floor.exchange.account("c", secret="mine").secret == "mine"
    floor.check_money()


@pytest.mark.parametrize("side", ["Buy", "Sell"])
def test_a_market_order_takes_the_best_price_and_pays_the_fee(floor: Floor, account: Account, side: str) -> None:
    price = floor.best("BTCUSD", "Sell" if side == "Buy" else "Buy")
    order = account.submit("BTCUSD", side, 100, order_type="Market")
    value = INVERSE.value(D(100), price)
    fee = INVERSE.fee(value, TAKER_FEE)
    assert (order.status, order.last_exec_price, order.cum_exec_fee) == ("Filled", price, fee)
    position = account.positions["BTCUSD", side]
    assert (position.size, position.value, position.realised_pnl) == (100, value, -fee)
    assert abs(position.entry_price - price) < 1
    assert SIGNS[side] * (position.entry_price - position.liq_price) > 0
    wallet, available = account.wallet["BTC"]
    assert wallet == 10 - fee
    assert available == wallet - position.margin
    (execution,) = floor.frames(account, "execution")
    assert (execution["order_id"], execution["exec_fee"]) == (order.order_id, f"{fee:f}")
    assert not execution["is_maker"]
    floor.check_money()


def test_a_maker_is_paid_once_those_before_it_are_filled(floor: Floor, account: Account) -> None:
    whale = floor.exchange.account("whale", deposits=WHALE)
    price = floor.best("ETHUSD", "Buy")
    bids = floor.exchange.engines["ETHUSD"].matcher.bids
    before = bids.levels[bids.keys[0]].lots
    order = account.submit("ETHUSD", "Buy", 10, price, time_in_force="PostOnly")
    assert (order.status, account.orders) == ("New", {order.order_id: order})
    whale.submit("ETHUSD", "Sell", before, order_type="Market")
    assert (order.status, floor.best("ETHUSD", "Buy")) == ("New", price)
    whale.submit("ETHUSD", "Sell", 4, order_type="Market")
    assert (order.status, order.leaves_qty) == ("PartiallyFilled", 6)
    whale.submit("ETHUSD", "Sell", 6, order_type="Market")
    assert (order.status, account.orders) == ("Filled", {})
    fees = [INVERSE.fee(INVERSE.value(D(qty), price), MAKER_FEE) for qty in (4, 6)]
    assert order.cum_exec_fee == sum(fees) < 0
    assert account.wallet["ETH"].wallet == 100 - sum(fees)
    told = floor.frames(account, "execution")
    assert [(fill["is_maker"], D(fill["exec_fee"]), fill["leaves_qty"]) for fill in told] == [
        (True, fees[0], 6),
        (True, fees[1], 0),
    ]
    floor.check_money()


def test_inverse_positions_are_one_way_and_flip(floor: Floor, account: Account) -> None:
    account.submit("BTCUSD", "Buy", 100, order_type="Market")
    bought = account.positions["BTCUSD", "Buy"].value
    sold = account.submit("BTCUSD", "Sell", 250, order_type="Market")
    assert list(account.positions) == [("BTCUSD", "Sell")]
    position = account.positions["BTCUSD", "Sell"]
    assert position.size == 150
    account.submit("BTCUSD", "Buy", 150, order_type="Market", reduce_only=True)
    assert account.positions == {}
    assert floor.frames(account, "position")[-1]["side"] == "None"
    assert account.wallet["BTC"].available == account.wallet["BTC"].wallet
    assert account.wallet["BTC"].wallet == 10 + position.cum_realised_pnl
    assert sold.cum_exec_value > bought
    floor.check_money()


def test_linear_positions_have_two_sides(floor: Floor, account: Account) -> None:
    account.submit("BTCUSDT", "Buy", "0.03", order_type="Market")
    account.submit("BTCUSDT", "Sell", "0.02", order_type="Market")
    assert {key: position.size for key, position in account.positions.items()} == {
        ("BTCUSDT", "Buy"): D("0.03"),
        ("BTCUSDT", "Sell"): D("0.02"),
    }
    account.submit("BTCUSDT", "Sell", "0.01", order_type="Market", reduce_only=True)
    assert account.positions["BTCUSDT", "Buy"].size == D("0.02")
    told = floor.frames(account, "position", "linear")[-2:]
    assert [(entry["side"], entry["size"]) for entry in told] == [("Buy", D("0.02")), ("Sell", D("0.02"))]
    floor.check_money()


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        ({"symbol": "NOSUCH"}, "symbol invalid.*BTCUSD, ETHUSD, BTCUSDT"),
        ({"side": "buy"}, "side invalid"),
        ({"qty": 0}, "qty is invalid"),
        ({"qty": "1.5"}, "qty is invalid.*multiple of 1 "),
        ({"qty": "many"}, "qty is invalid: 'many': expected a number"),
        ({"qty": "NaN"}, "qty is invalid: 'NaN': expected a number"),
        ({"qty": float("inf")}, "qty is invalid: inf: expected a number"),
        ({"qty": "1e999999"}, "qty is invalid"),
        ({"price": "100.3"}, r"price is invalid.*multiple of 0\.5"),
        ({"price": -1}, "price is invalid"),
        ({"price": None}, "Limit with a price"),
        ({"order_type": "Market"}, "Market without"),
        ({"order_type": "Stop"}, "order_type 'Stop'"),
        ({"time_in_force": "Forever"}, "time_in_force invalid"),
        ({"order_type": "Market", "price": None, "time_in_force": "PostOnly"}, "time_in_force invalid"),
        ({"reduce_only": True}, "reduce-only rule not satisfied"),
        ({"close_on_trigger": True}, "reduce-only rule not satisfied"),
        ({"qty": 10**9}, "insufficient available balance"),
        ({"take_profit": 50_000}, "take_profit of a Buy order must be above"),
        ({"stop_loss": 70_000}, "stop_loss of a Buy order must be below"),
        ({"order_link_id": "x" * 37}, "order_link_id"),
        ({"side": ["Buy"]}, r"side invalid: \['Buy'\]: expected a string"),
        ({"symbol": {}}, r"symbol invalid: \{\}: expected a string"),
        ({"symbol": 10**5000}, "symbol invalid: <int, too long to display>: expected a string"),
        ({"qty": 10**5000}, "qty is invalid: <int, too long to display>"),
        ({"order_type": ["Limit"]}, "order_type invalid.*expected a string"),
        ({"time_in_force": {}}, "time_in_force invalid.*expected a string"),
        ({"order_link_id": None}, "order_link_id invalid: None: expected a string"),
        ({"order_link_id": [1]}, r"order_link_id invalid: \[1\]: expected a string"),
        ({"price": [60_000]}, r"price is invalid: \[60000\]: expected a number"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(
    floor: Floor, account: Account, order: dict[str, Any], reason: str
) -> None:
    told = len(floor.told)
    asked = {"symbol": "BTCUSD", "side": "Buy", "qty": 100, "price": 60_000, **order}
    with pytest.raises(OrderRejected, match=reason):
        account.submit(**asked)
    assert (len(floor.told), account.orders, account.wallet["BTC"]) == (told, {}, (10, 10))


def test_a_doubled_link_id_and_an_unknown_order_are_refused(account: Account) -> None:
    order = account.submit("BTCUSD", "Buy", 100, 50_000, order_link_id="mine")
    with pytest.raises(OrderRejected, match="duplicate order_link_id"):
        account.submit("BTCUSD", "Buy", 100, 50_000, order_link_id="mine")
    assert account.cancel(order.order_id).status == "Cancelled"
    with pytest.raises(OrderRejected, match="order not exists or too late to cancel"):
        account.cancel(order.order_id)
    with pytest.raises(OrderRejected, match=r"order_id invalid: \[\]: expected a string"):
        account.cancel([])  # type: ignore[arg-type]
    assert account.submit("BTCUSD", "Buy", 100, 50_000, order_link_id="mine").is_open


def test_open_orders_hold_margin_until_they_are_cancelled(floor: Floor, account: Account) -> None:
    order = account.submit("BTCUSD", "Buy", 50_000, 50_000)
    held = INVERSE.value(D(50_000), D(50_000)) / 10 * (1 + 2 * 10 * TAKER_FEE)
    assert account.wallet["BTC"] == (10, 10 - held)
    told = floor.frames(account, "wallet")[-1]
    assert (D(told["wallet_balance"]), D(told["available_balance"])) == (10, 10 - held)
    account.cancel(order.order_id)
    assert account.wallet["BTC"] == (10, 10)
    assert [entry["order_status"] for entry in floor.frames(account, "order")] == ["New", "Cancelled"]
    assert floor.frames(account, "order")[-1]["leaves_qty"] == 0


def test_leverage_changes_the_margin_and_only_without_a_position(account: Account) -> None:
    account.set_leverage("BTCUSD", 100)
    account.submit("BTCUSD", "Buy", 100, order_type="Market")
    position = account.positions["BTCUSD", "Buy"]
    assert position.margin == INVERSE.initial_margin(position.value, D(100)) + position.closing_fee
    for leverage, reason in (
        (50, "open orders or a position"),
        *((bad, "1 to 100") for bad in (0, 101, "many", "nan")),
    ):
        with pytest.raises(OrderRejected, match=reason):
            account.set_leverage("BTCUSD", leverage)


# closing orders


def test_closing_orders_are_never_more_than_the_position(floor: Floor, account: Account) -> None:
    account.submit("BTCUSD", "Buy", 100, order_type="Market")
    first = account.submit("BTCUSD", "Sell", 70, 69_000, reduce_only=True)
    second = account.submit("BTCUSD", "Sell", 70, 69_000, reduce_only=True)
    assert (first.qty, second.qty) == (70, 30)
    with pytest.raises(OrderRejected, match="other closing orders already cover it"):
        account.submit("BTCUSD", "Sell", 1, 69_000, reduce_only=True)
    account.submit("BTCUSD", "Sell", 40, order_type="Market")
    assert (first.leaves_qty, second.status, second.cancel_type) == (60, "Cancelled", "CancelByReduceOnly")
    account.submit("BTCUSD", "Sell", 90, order_type="Market")
    assert (first.status, account.positions["BTCUSD", "Sell"].size) == ("Cancelled", 30)
    floor.check_money()


# conditional orders


@pytest.mark.parametrize(("side", "push"), [("Buy", "Buy"), ("Sell", "Sell"), ("Buy", "Sell"), ("Sell", "Buy")])
def test_a_conditional_order_waits_for_the_last_price(floor: Floor, account: Account, side: str, push: str) -> None:
    last = floor.exchange.engines["BTCUSD"].last_price
    trigger = last + SIGNS[push] * 20
    stop = account.submit("BTCUSD", side, 100, order_type="Market", trigger_price=trigger)
    assert (stop.status, account.stop_orders, account.orders) == ("Untriggered", {stop.order_id: stop}, {})
    floor.push_price("BTCUSD", push, lambda: stop.status != "Untriggered")
    assert (stop.status, stop.cum_exec_qty, stop.leaves_qty) == ("Filled", 100, 0), (
        "the order that was returned goes on"
    )
    assert stop.cum_exec_value > 0
    assert account.stop_orders == {}
    engine = floor.exchange.engines["BTCUSD"]
    assert any(SIGNS[push] * (engine.instrument.price_of(trade.tick) - trigger) >= 0 for trade in engine.trades)
    assert account.positions["BTCUSD", side].size == 100
    stops = floor.frames(account, "stop_order")
    assert [entry["order_status"] for entry in stops] == ["Untriggered", "Triggered"]
    (order,) = floor.frames(account, "order")
    assert (order["order_id"], order["order_status"], order["create_type"]) == (
        stop.order_id,
        "Filled",
        "CreateByStopOrder",
    )
    floor.check_money()


def test_a_conditional_order_can_be_cancelled_and_not_be_at_the_last_price(floor: Floor, account: Account) -> None:
    last = floor.exchange.engines["BTCUSD"].last_price
    with pytest.raises(OrderRejected, match="trigger_price invalid"):
        account.submit("BTCUSD", "Buy", 100, order_type="Market", trigger_price=last)
    stop = account.submit("BTCUSD", "Buy", 100, 60_000, trigger_price=last + 100)
    account.cancel(stop.order_id)
    assert (stop.status, account.stop_orders) == ("Deactivated", {})


@pytest.mark.parametrize("symbol", ["BTCUSD", "BTCUSDT"])
@pytest.mark.parametrize("side", ["Buy", "Sell"])
@pytest.mark.parametrize("end", ["TakeProfit", "StopLoss"])
def test_take_profit_and_stop_loss_end_the_position_and_each_other(
    floor: Floor, account: Account, symbol: str, side: str, end: str
) -> None:
    away = SIGNS[side] * 30
    last = floor.exchange.engines[symbol].last_price
    qty = 100 if symbol == "BTCUSD" else "0.1"
    account.submit(symbol, side, qty, order_type="Market", take_profit=last + away, stop_loss=last - away)
    assert {stop.stop_order_type: stop.trigger_price for stop in account.stop_orders.values()} == {
        "TakeProfit": last + away,
        "StopLoss": last - away,
    }
    push = {1: "Buy", -1: "Sell"}[SIGNS[side] * (1 if end == "TakeProfit" else -1)]
    floor.push_price(symbol, push, lambda: not account.positions)
    assert account.stop_orders == {}
    category = "inverse" if symbol == "BTCUSD" else "linear"
    last_told = {
        entry["stop_order_type"]: entry["order_status"] for entry in floor.frames(account, "stop_order", category)
    }
    assert last_told.pop(end) == "Triggered"
    assert list(last_told.values()) == ["Deactivated"]
    assert floor.frames(account, "order", category)[-1]["create_type"] == f"CreateBy{end}"
    floor.check_money()


def test_a_guard_follows_the_position_s_size(floor: Floor, account: Account) -> None:
    account.submit("BTCUSD", "Buy", 100, order_type="Market", take_profit=70_000)
    (guard,) = account.stop_orders.values()
    account.submit("BTCUSD", "Buy", 50, order_type="Market")
    assert guard.qty == 150
    account.submit("BTCUSD", "Sell", 120, order_type="Market")
    assert guard.qty == 30
    assert floor.frames(account, "stop_order")[-1]["qty"] == 30
    assert floor.frames(account, "position")[-1]["take_profit"] == "70000"


# liquidation


@pytest.mark.parametrize("symbol", ["BTCUSD", "BTCUSDT"])
@pytest.mark.parametrize("side", ["Buy", "Sell"])
def test_a_position_without_margin_is_liquidated(floor: Floor, account: Account, symbol: str, side: str) -> None:
    coin = "BTC" if symbol == "BTCUSD" else "USDT"
    account.set_leverage(symbol, 100)
    account.submit(symbol, side, 10_000 if symbol == "BTCUSD" else "0.5", order_type="Market")
    far = 40_000 if side == "Buy" else 80_000
    resting = account.submit(symbol, side, 1, far)
    position = account.positions[symbol, side]
    bust, size, margin = position.bust_price, position.size, position.margin
    wallet = account.wallet[coin].wallet
    floor.push_price(symbol, {"Buy": "Sell", "Sell": "Buy"}[side], lambda: not account.positions)
    assert (resting.status, resting.cancel_type) == ("Cancelled", "CancelByPrepareLiq")
    assert (
        abs(wallet - margin - account.wallet[coin].wallet) <= margin / 100
    )  # the bankruptcy price is on the price grid
    assert account.wallet[coin].wallet >= wallet - margin - UNIT
    category = "inverse" if symbol == "BTCUSD" else "linear"
    execution = floor.frames(account, "execution", category)[-1]
    assert (execution["exec_type"], D(execution["price"]), D(execution["exec_qty"])) == ("BustTrade", bust, size)
    assert floor.frames(account, "order", category)[-1]["create_type"] == "CreateByLiq"
    floor.run(1)
    (frame,) = (json.loads(raw) for _, topic, raw in floor.public if topic.name == f"liquidation.{symbol}")
    told = frame["data"]
    assert (told["symbol"], told["side"], D(told["price"]), D(told["qty"])) == (symbol, side, bust, size)
    assert floor.exchange.clearing.insurance_fund.position(position.instrument).lots == 0
    assert floor.exchange.clearing.insurance_fund.balances[coin] != 1000
    floor.check_money()


def test_a_short_inverse_position_without_leverage_is_never_liquidated(floor: Floor, account: Account) -> None:
    account.set_leverage("BTCUSD", 1)
    account.submit("BTCUSD", "Sell", 1000, order_type="Market")
    assert account.positions["BTCUSD", "Sell"].bust_price == 999_999
    whale = floor.exchange.account("whale", deposits=WHALE)
    for _ in range(20):
        whale.submit("BTCUSD", "Buy", 10_000_000, order_type="Market")
    assert account.positions["BTCUSD", "Sell"].size == 1000


# the ledger


def trade_at_random(floor: Floor, seed: int, orders: int) -> None:
    """Let two accounts send random requests of every kind."""
    rng = random.Random(seed)
    accounts = [floor.exchange.account("a"), floor.exchange.account("b", deposits=WHALE)]
    for _ in range(orders):
        account, engine = rng.choice(accounts), rng.choice(list(floor.exchange.engines.values()))
        side, is_market = rng.choice(["Buy", "Sell"]), rng.random() < 0.3
        tick, best = engine.instrument.tick_size, engine.best(side)
        size = rng.randint(1, 3000) * (300 if account.key == "b" and rng.random() < 0.15 else 1)
        order: dict[str, Any] = {
            "reduce_only": rng.random() < 0.15,
            "trigger_price": best + rng.choice([-9, 9]) * tick if rng.random() < 0.15 else None,
        }
        if rng.random() < 0.2:
            order |= {"take_profit": best + SIGNS[side] * 15 * tick, "stop_loss": best - SIGNS[side] * 15 * tick}
        if not is_market:
            order["price"] = best + rng.randint(-6, 6) * tick
            order["time_in_force"] = rng.choice(["GoodTillCancel", "PostOnly", "FillOrKill", "ImmediateOrCancel"])
        with suppress(OrderRejected):
            account.submit(
                engine.instrument.symbol,
                side,
                engine.instrument.qty_of(size),
                order_type="Market" if is_market else "Limit",
                **order,
            )
        if account.orders and rng.random() < 0.3:
            account.cancel(rng.choice(list(account.orders)))
        if rng.random() < 0.2:
            floor.run(1)


def check_books(floor: Floor) -> None:
    """Check that positions, orders and margins agree."""
    for account in floor.exchange.accounts.values():
        for position in account.all_positions():
            assert position.lots >= 0
            assert (position.sign != 0) == (position.lots > 0) == (position.value > 0)
            closing = [
                order.leaves
                for order in account.orders.values()
                if order.only_closes and order.symbol == position.symbol and order.position_index == position.index
            ]
            assert sum(closing) <= position.lots
        for order in account.orders.values():
            assert order.status in ("New", "PartiallyFilled")
            assert order.leaves == order.lots - order.cum_lots > 0
            assert floor.exchange.engines[order.symbol].matcher.is_resting(order)
    for engine in floor.exchange.engines.values():
        stands = [
            order
            for side in (engine.matcher.bids, engine.matcher.asks)
            for level in side.levels.values()
            for order in level.queue
            if isinstance(order, AccountOrder)
        ]
        known = {
            order_id: order
            for account in floor.exchange.accounts.values()
            for order_id, order in account.orders.items()
            if order.symbol == engine.instrument.symbol
        }
        assert {order.order_id: order for order in stands} == known


@pytest.mark.parametrize("seed", range(4))
def test_money_is_conserved_to_the_last_unit(seed: int) -> None:
    floor = Floor(seed)
    floor.exchange.account("a").set_leverage("BTCUSD", 100)
    for part in range(20):
        trade_at_random(floor, 100 * seed + part, 60)
        floor.check_money()
        check_books(floor)
    fills = [fill for account in floor.exchange.accounts.values() for fill in floor.frames(account, "execution")]
    assert len(fills) > 100


def test_equal_seeds_and_equal_orders_give_equal_frames() -> None:
    told = []
    for _ in range(2):
        floor = Floor(3)
        DemoTrader(floor.exchange, floor.exchange.account("demo"), seed=4)
        trade_at_random(floor, 5, 200)
        floor.run(100)
        told.append((floor.told, floor.public))
    assert told[0] == told[1]


def test_the_private_frames_tell_the_whole_truth() -> None:
    """A client that listens from the start knows all open orders, positions and balances."""
    floor = Floor(6)
    account = floor.exchange.account("demo")
    DemoTrader(floor.exchange, account, seed=1)
    floor.run(3000)
    for category, order_id in (("inverse", "order_id"), ("linear", "stop_order_id")):
        orders = {entry["order_id"]: entry["leaves_qty"] for entry in floor.frames(account, "order", category)}
        assert {key: qty for key, qty in orders.items() if qty} == {
            order.order_id: order.leaves_qty
            for order in account.orders.values()
            if order.instrument.category == category
        }
        stops = {entry[order_id]: entry["order_status"] for entry in floor.frames(account, "stop_order", category)}
        assert {key for key, status in stops.items() if status == "Untriggered"} == {
            key for key, stop in account.stop_orders.items() if stop.instrument.category == category
        }
        positions = {
            (entry["symbol"], entry.get("position_idx", 0)): (D(entry["size"]), D(entry["cum_realised_pnl"]))
            for entry in floor.frames(account, "position", category)
        }
        for position in account.all_positions():
            if position.instrument.category == category and position.sequence:
                index = position.index if category == "inverse" else str(position.index)
                assert positions[position.symbol, index] == (position.size, position.cum_realised_pnl)
        fills = floor.frames(account, "execution", category)
        assert len({fill["exec_id"] for fill in fills}) == len(fills) > 50
    wallets = {entry["coin"]: entry for entry in floor.frames(account, "wallet")}
    for coin in ("BTC", "ETH"):
        told = D(wallets[coin]["wallet_balance"]), D(wallets[coin]["available_balance"])
        assert told == account.wallet[coin]
    told_usdt = floor.frames(account, "wallet", "linear")[-1]
    assert (told_usdt["wallet_balance"], told_usdt["available_balance"]) == account.wallet["USDT"]
    floor.check_money()


def test_a_liquidation_in_the_crowd_takes_accounts_orders_as_any_order_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("depthwire.venue.market.liquidations._STEPS_BETWEEN", 1)
    floor = Floor()
    account = floor.exchange.account("maker", deposits=WHALE)
    for symbol in ("BTCUSD", "ETHUSD", "BTCUSDT"):
        for side, sign in SIGNS.items():
            tick = floor.exchange.engines[symbol].instrument.tick_size
            account.submit(symbol, side, 1, floor.best(symbol, side) - sign * tick)
    floor.public.clear()
    floor.run(20)
    liquidated = {
        (data["symbol"], data["side"])
        for frame in floor.public
        if frame.topic.name.startswith("liquidation.")
        for data in [json.loads(frame.raw)["data"]]
    }
    fills = [
        (fill["symbol"], fill["side"])
        for topic, raw in floor.told
        if topic.name == "execution"
        for fill in json.loads(raw)["data"]
    ]
    assert fills
    assert set(fills) <= liquidated  # a buyer takes over what a long position must sell
    for coin in COINS:
        assert floor.exchange.clearing.imbalance(coin) == 0
