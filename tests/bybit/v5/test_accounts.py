"""Live views of a v5 account: what enters, what leaves, and what a late or repeated event must not do."""

import random
from decimal import Decimal
from typing import Any

import pytest

from depthwire import errors
from depthwire.bybit.v5.accounts import Balances, OpenOrders, Positions
from depthwire.bybit.v5.private import CoinBalance, Order, Position, Wallet


def order(status: str, filled: int = 0, at_ms: int | None = None, order_id: str = "a", **other: Any) -> Order:
    return Order(
        category="linear",
        symbol="BTCUSDT",
        order_id=order_id,
        side="Buy",
        order_type="Limit",
        order_status=status,
        **{"qty": Decimal(10), "cum_exec_qty": Decimal(filled), "leaves_qty": Decimal(10 - filled), **other},
        updated_time_ms=at_ms,
    )


def position(idx: int, side: str, size: int, seq: int | None = None, symbol: str = "BTCUSDT") -> Position:
    return Position(category="linear", symbol=symbol, position_idx=idx, side=side, size=Decimal(size), seq=seq)


def wallet(**balances: int) -> Wallet:
    coins = [CoinBalance(coin=coin, wallet_balance=Decimal(amount)) for coin, amount in balances.items()]
    return Wallet(account_type="UNIFIED", coin=coins, total_equity=Decimal(sum(balances.values())))


def fed(view: Any, *events: Any) -> Any:
    for event in events:
        view.apply(event)
    return view


# orders


def test_a_conditional_order_is_open_under_one_id_until_it_is_filled() -> None:
    view = OpenOrders()
    for event in (order("Untriggered"), order("Triggered"), order("New"), order("PartiallyFilled", 4)):
        assert view.apply(event)
        assert view["a"].order_status == event.order_status
    assert view.apply(order("Filled", 10))
    assert dict(view) == {}
    assert not view.apply(order("New")), "late: a closed order stays closed"


@pytest.mark.parametrize("status", ["Filled", "Cancelled", "PartiallyFilledCanceled", "Rejected", "Deactivated"])
def test_these_close_an_order(status: str) -> None:
    assert dict(fed(OpenOrders(), order("New"), order(status, 3))) == {}


def test_a_status_that_nobody_knows_closes_an_order_only_if_nothing_is_left_of_it() -> None:
    assert set(fed(OpenOrders(), order("Sleeping"))) == {"a"}
    assert set(fed(OpenOrders(), order("Sleeping", leaves_qty=None))) == {"a"}
    assert set(fed(OpenOrders(), order("New"), order("Gone", leaves_qty=Decimal(0)))) == set()


@pytest.mark.parametrize(
    ("known", "late"),
    [
        (order("PartiallyFilled", 4, 5), order("New", 0, 6)),
        (order("New", 0, 6), order("New", 0, 5, price=Decimal(1))),
        (order("New"), order("Untriggered")),
        (order("New"), order("Triggered")),
    ],
)
def test_what_is_older_than_what_is_known_does_not_count(known: Order, late: Order) -> None:
    view = fed(OpenOrders(), known)
    assert not view.apply(late)
    assert view["a"] == known


def test_an_order_without_a_filled_quantity_has_none() -> None:
    view = fed(OpenOrders(), order("New", cum_exec_qty=None))
    assert view.apply(order("PartiallyFilled", 1))


def test_any_order_of_events_ends_in_the_same_view() -> None:
    events = [order("Untriggered", 0, 1), order("Triggered", 0, 2), order("New", 0, 3), order("PartiallyFilled", 4, 4)]
    events += [order("New", 0, 5, "b"), order("Cancelled", 0, 6, "b"), order("New", 0, 7, "c", price=Decimal(7))]
    expected = dict(fed(OpenOrders(), *events))
    rng = random.Random(5)
    for _ in range(200):
        rng.shuffle(events)
        assert dict(fed(OpenOrders(), *events)) == expected


# positions


def test_a_position_stays_when_it_is_flat() -> None:
    view = fed(Positions(), position(0, "Buy", 2), position(0, "", 0))
    assert view["BTCUSDT", 0].size == 0
    assert view.of("BTCUSDT") == (view["BTCUSDT", 0],)
    assert view.of("ETHUSDT") == ()


def test_both_sides_of_a_symbol_stand_side_by_side_in_hedge_mode() -> None:
    view = fed(Positions(), position(1, "Buy", 2), position(2, "Sell", 3), position(0, "Sell", 4, symbol="ETHUSDT"))
    assert {key: each.size for key, each in view.items()} == {
        ("BTCUSDT", 1): 2,
        ("BTCUSDT", 2): 3,
        ("ETHUSDT", 0): 4,
    }


def test_a_change_of_mode_replaces_the_other_modes_positions() -> None:
    view = fed(Positions(), position(0, "", 0), position(0, "Buy", 1, symbol="ETHUSDT"), position(1, "Buy", 2))
    assert set(view) == {("BTCUSDT", 1), ("ETHUSDT", 0)}
    assert set(fed(view, position(2, "", 0), position(0, "", 0))) == {("BTCUSDT", 0), ("ETHUSDT", 0)}


def test_an_older_sequence_does_not_count() -> None:
    view = fed(Positions(), position(0, "Buy", 2, seq=8))
    assert not view.apply(position(0, "Buy", 1, seq=7))
    assert view.apply(position(0, "Buy", 3, seq=8)), "one matching may change it more than once"
    assert view.apply(position(0, "Buy", 4))
    assert view["BTCUSDT", 0].size == 4


# balances


def test_balances_are_kept_by_coin_and_the_totals_are_the_latest() -> None:
    view = fed(Balances(), wallet(BTC=1, USDT=5), wallet(USDT=7))
    assert {coin: each.wallet_balance for coin, each in view.items()} == {"BTC": 1, "USDT": 7}
    assert view.account is not None
    assert view.account.total_equity == 7
    assert Balances().account is None


def test_reconciling_forgets_all_and_ends_the_gap() -> None:
    view = fed(Balances(), wallet(BTC=1))
    view.break_off(errors.StreamGap("wallet", "lost", 1, 2))
    assert view.gap is not None
    view.reconcile([wallet(USDT=3)])
    assert (set(view), view.gap) == ({"USDT"}, None)
