"""Live views of an account: what enters, what leaves, and what a late or repeated event must not do."""

import json
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from depthwire import errors
from depthwire.bybit import accounts
from depthwire.bybit.accounts import AccountStream, Balances, OpenOrders, OpenStopOrders, Positions, View
from depthwire.bybit.v2.dialect import INVERSE, LINEAR, V2Dialect
from depthwire.bybit.v2.private import Order, Position, StopOrder, Wallet
from depthwire.feed.event_channel import EventChannel
from depthwire.feed.listener import Feed
from tests.support.offline import Offline

ORDER_ID = "1640b725"


def order(status: str, filled: float = 0, at: str | None = None, order_id: str = ORDER_ID, **other: Any) -> Order:
    amounts = {"qty": 10, "cum_exec_qty": filled, "leaves_qty": 10 - filled, "cum_exec_value": 0, "cum_exec_fee": 0}
    if status in ("Filled", "Cancelled", "Rejected"):
        amounts["leaves_qty"] = 0
    return Order(
        order_id=order_id,
        symbol="BTCUSD",
        side="Buy",
        order_type="Limit",
        price=Decimal(100),
        time_in_force="GoodTillCancel",
        order_status=status,
        timestamp=at,
        **{name: Decimal(str(amount)) for name, amount in amounts.items()},
        **other,
    )


def stop(status: str, at: str | None = None) -> StopOrder:
    return StopOrder(
        stop_order_id="s",
        symbol="BTCUSDT",
        side="Sell",
        order_type="Market",
        price=Decimal(0),
        qty=Decimal(1),
        order_status=status,
        trigger_price=Decimal(90),
        update_time=at,
    )


def position(side: str, size: float, symbol: str = "BTCUSD", **other: Any) -> Position:
    return Position(symbol=symbol, side=side, size=Decimal(str(size)), entry_price=Decimal(1), **other)


def at(second: int) -> str:
    return f"2022-06-23T04:08:{second:02}.956636888Z"


def fed(view: Any, *events: Any) -> Any:
    for event in events:
        view.apply(event)
    return view


# orders


def test_an_order_is_open_from_its_first_event_until_it_is_filled() -> None:
    view = OpenOrders()
    assert view.apply(order("New"))
    assert view[ORDER_ID].leaves_qty == 10
    assert view.apply(order("PartiallyFilled", 4))
    assert (view[ORDER_ID].order_status, view[ORDER_ID].leaves_qty, len(view)) == ("PartiallyFilled", 6, 1)
    assert view.apply(order("Filled", 10))
    assert dict(view) == {}
    assert view.version == 3


@pytest.mark.parametrize("status", ["Filled", "Cancelled", "Rejected", "Deactivated"])
def test_a_closed_order_never_opens_again(status: str) -> None:
    view = fed(OpenOrders(), order("New"), order(status))
    version = view.version
    for late in (order("New"), order("Created"), order("PartiallyFilled", 5, at(59)), order(status)):
        assert not view.apply(late)
    assert (dict(view), view.version) == ({}, version)


def test_an_order_whose_end_comes_first_is_never_shown() -> None:
    assert dict(fed(OpenOrders(), order("Filled", 10), order("New"))) == {}


@pytest.mark.parametrize(
    ("newer", "older"),
    [
        (order("PartiallyFilled", 4), order("New")),
        (order("PartiallyFilled", 4), order("PartiallyFilled", 3)),
        (order("PartiallyFilled", 4, at(1)), order("PartiallyFilled", 3, at(2))),  # a fill is never undone
        (order("New", 0, at(2)), order("New", 0, at(1))),
        (order("New", 0, "2022-01-01T00:00:00.000000002Z"), order("New", 0, "2022-01-01T00:00:00.000000001Z")),
        (order("New"), order("Created")),
        (order("PendingCancel", 4, at(1)), order("PartiallyFilled", 4, at(1))),
    ],
)
def test_an_older_event_changes_nothing_in_whichever_order_they_come(newer: Order, older: Order) -> None:
    assert fed(OpenOrders(), newer, older)[ORDER_ID] == newer
    assert fed(OpenOrders(), older, newer)[ORDER_ID] == newer


def test_an_amended_order_shows_its_new_price() -> None:
    amended = order("New", 0, at(1), last_exec_price=Decimal(7))
    assert fed(OpenOrders(), order("New", 0, at(1)), amended)[ORDER_ID] is amended


def test_a_status_that_nobody_knows_is_open_while_something_is_unfilled() -> None:
    view = fed(OpenOrders(), order("New"), order("Suspended"))
    assert view[ORDER_ID].order_status == "Suspended"
    closed = order("Retired", 10)
    assert view.apply(closed)
    assert dict(view) == {}


def test_shuffled_and_repeated_events_end_where_the_ordered_ones_do() -> None:
    rng = random.Random(7)
    for _ in range(200):
        events: list[Order] = []
        expected: dict[str, Order] = {}
        for number in range(5):
            order_id = f"order-{number}"
            life = [order("New", 0, at(0), order_id)]
            fills = sorted(rng.sample(range(1, 10), rng.randrange(4)))
            life += [order("PartiallyFilled", filled, at(filled), order_id) for filled in fills]
            last = rng.choice(["Filled", "Cancelled", ""])
            if last:
                life.append(order(last, 10 if last == "Filled" else 0, at(30), order_id))
            else:
                expected[order_id] = life[-1]
            events += life * 2
        rng.shuffle(events)
        assert dict(fed(OpenOrders(), *events)) == expected


def test_only_the_latest_closed_orders_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "CLOSED_KEPT", 3)
    view = fed(OpenOrders(), *(order("Filled", 10, None, str(number)) for number in range(5)))
    assert len(view._closed) == 3
    assert not view.apply(order("New", 0, None, "4"))
    assert not view.apply(order("New", 0, None, "2"))
    assert view.apply(order("New", 0, None, "0"))


# conditional orders


@pytest.mark.parametrize("status", ["Triggered", "Active", "Deactivated", "Cancelled", "Rejected", "Filled", "New"])
def test_a_conditional_order_leaves_when_it_triggers_or_ends(status: str) -> None:
    view = fed(OpenStopOrders(), stop("Untriggered", at(1)))
    assert list(view) == ["s"]
    view.apply(stop(status, at(2)))
    view.apply(stop("Untriggered", at(1)))
    assert dict(view) == {}


# positions


def test_one_way_a_symbol_has_one_position_whose_side_changes() -> None:
    view = fed(Positions(one_way=True), position("Buy", 5), position("Buy", 1, "ETHUSD"), position("Sell", 3))
    assert set(view) == {("BTCUSD", "Sell"), ("ETHUSD", "Buy")}
    view.apply(position("None", 0))
    (flat,) = view.of("BTCUSD")
    assert (flat.side, flat.size) == ("None", 0)


def test_both_sides_stand_side_by_side_and_flat_ones_stay() -> None:
    view = fed(Positions(one_way=False), position("Buy", 5), position("Sell", 2), position("Buy", 0))
    assert {key: int(found.size) for key, found in view.items()} == {("BTCUSD", "Buy"): 0, ("BTCUSD", "Sell"): 2}


def test_an_inverse_symbol_in_hedge_mode_keeps_both_sides() -> None:
    view = fed(Positions(one_way=True), position("Buy", 5, position_idx=1), position("Sell", 2, position_idx=2))
    assert len(view) == 2


def test_an_older_position_does_not_count() -> None:
    view = fed(Positions(one_way=True), position("Buy", 5, position_seq=14))
    assert not view.apply(position("Sell", 3, position_seq=13))
    assert view.apply(position("Buy", 6, position_seq=14))
    assert view.apply(position("Buy", 7, position_seq=0))  # recorded: inverse may not count at all
    assert view["BTCUSD", "Buy"].size == 7


# balances


def test_balances_are_kept_by_coin() -> None:
    def wallet(amount: str, coin: str = "") -> Wallet:
        return Wallet(wallet_balance=Decimal(amount), available_balance=Decimal(1), coin=coin)

    view = fed(Balances(), wallet("1.5", "BTC"), wallet("7"), wallet("2.5", "BTC"))
    assert {coin: str(found.wallet_balance) for coin, found in view.items()} == {"BTC": "2.5", "": "7"}
    assert view.version == 3


# every view


@pytest.mark.parametrize("view", [OpenOrders(), OpenStopOrders(), Positions(one_way=True), Balances()])
def test_a_view_is_a_mapping_that_nobody_but_events_can_change(view: View[Any, Any]) -> None:
    assert len(view) == 0
    assert "x" not in view
    with pytest.raises(TypeError):
        view["x"] = 1  # type: ignore[index]
    with pytest.raises(KeyError):
        view["x"]


def test_a_gap_lasts_until_the_view_is_reconciled() -> None:
    channel = INVERSE.channel("order")
    assert isinstance(channel, EventChannel)
    view = channel.view
    fed(view, order("New"), order("Filled", 10, None, "b"))
    channel.connection_lost("the cable", 5)
    channel.connection_back(9)
    gap = view.gap
    assert isinstance(gap, errors.StreamGap)
    assert (gap.since_ns, gap.until_ns) == (5, 9)
    channel.refuse(errors.MalformedFrame("later"))
    assert view.gap is gap
    view.reconcile([order("New", 0, None, "b")])
    assert view.gap is None
    assert list(view) == ["b"]


# the frame path


def fed_by_frames(dialect: V2Dialect, topic: str, raws: list[bytes]) -> EventChannel:
    owner = Offline()
    feed = Feed(owner)
    channel = dialect.channel(topic)
    assert isinstance(channel, EventChannel)
    channel.attach(owner.errors.append)
    feed.channels.add(channel)
    for raw in raws:
        feed.receive(raw, 1)
    assert owner.errors == []
    return channel


def recorded(path: Path, topic: str) -> list[bytes]:
    return [raw for raw in path.read_bytes().splitlines() if json.loads(raw).get("topic") == topic]


def test_recorded_private_frames_make_the_account_they_tell_of(tapes: Path) -> None:
    path = tapes / "private-linear-2021-07-22.jsonl"
    positions = fed_by_frames(LINEAR, "position", recorded(path, "position")).view
    assert {key: found.size for key, found in positions.items()} == {
        ("BTCUSDT", "Buy"): 0,
        ("BTCUSDT", "Sell"): 0,
        ("BNBUSDT", "Buy"): Decimal("0.11"),
        ("BNBUSDT", "Sell"): 0,
    }
    assert positions["BNBUSDT", "Buy"].position_value == Decimal("32.329002")
    assert dict(fed_by_frames(LINEAR, "order", recorded(path, "order")).view) == {}  # it came filled
    assert fed_by_frames(LINEAR, "wallet", recorded(path, "wallet")).view["USDT"].wallet_balance == Decimal("211.18776")
    executions = fed_by_frames(LINEAR, "execution", recorded(path, "execution"))
    assert (executions.view, executions.events) == (None, 1)


@pytest.mark.parametrize(("dialect", "name"), [(INVERSE, "examples-inverse.jsonl"), (LINEAR, "examples-linear.jsonl")])
def test_the_documents_examples_make_views(tapes: Path, dialect: V2Dialect, name: str) -> None:
    stops = fed_by_frames(dialect, "stop_order", recorded(tapes / name, "stop_order")).view
    assert [(key, found.order_status) for key, found in stops.items()] == [(next(iter(stops)), "Untriggered")]
    positions = fed_by_frames(dialect, "position", recorded(tapes / name, "position")).view
    assert [key[1] for key in positions] == ["Buy"]
    wallet = fed_by_frames(dialect, "wallet", recorded(tapes / name, "wallet")).view
    assert list(wallet) == (["BTC"] if dialect is INVERSE else ["USDT"])


def test_a_stream_finds_its_view_up_to_date_with_each_frame(tapes: Path) -> None:
    raws = recorded(tapes / "examples-inverse.jsonl", "wallet")
    channel = fed_by_frames(INVERSE, "wallet", [])
    stream: AccountStream[Wallet, Balances] = AccountStream("wallet", 10, channel.view, on_close=channel.leave)
    channel.join(stream)
    seen: list[tuple[Wallet, dict[str, Wallet]]] = []
    stream.on_event(lambda wallet: seen.append((wallet, dict(stream.view))))
    feed = Feed(Offline())
    feed.channels.add(channel)
    for raw in raws:
        feed.receive(raw, 1)
    assert [(wallet.coin, view[wallet.coin] is wallet) for wallet, view in seen] == [("BTC", True)]
    assert stream.waiting == 1
    stream.close()
    feed.receive(raws[0], 2)
    assert (stream.waiting, channel.view.version) == (1, 2)
