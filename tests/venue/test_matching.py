"""The matching engine against a naive one that searches a list of orders for each trade."""

import random
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depthwire.venue.market.matching import BUY, SELL, Matcher, Order, Side, TimeInForce, Trade

GTC, IOC = TimeInForce.GOOD_TILL_CANCEL, TimeInForce.IMMEDIATE_OR_CANCEL
FOK, POST_ONLY = TimeInForce.FILL_OR_KILL, TimeInForce.POST_ONLY


def submit(matcher: Matcher, order: Order, time_in_force: TimeInForce = GTC) -> list[tuple[int, int]]:
    """Return the order's trades: tick and lots."""
    return [(trade.tick, trade.lots) for trade in matcher.submit(order, time_in_force)]


def resting(matcher: Matcher, sign: int) -> list[tuple[int, int]]:
    """Return a side, best first: tick and total lots."""
    return [(-sign * key, lots) for key, lots in matcher.side(sign).window(1000).items()]


def mirrored(sign: int, tick: int) -> int:
    """Mirror an order, so that one test covers both sides."""
    return 100 + sign * (tick - 100)


@pytest.fixture(params=[BUY, SELL])
def sign(request: pytest.FixtureRequest) -> int:
    found: int = request.param
    return found


def book_against(sign: int, *levels: tuple[int, int]) -> Matcher:
    """Return a matcher with resting orders against ``sign``."""
    matcher = Matcher()
    for tick, lots in levels:
        submit(matcher, Order(-sign, mirrored(sign, tick), lots))
    return matcher


def test_the_best_price_trades_first_and_the_rest_stands(sign: int) -> None:
    matcher = book_against(sign, (103, 5), (101, 7), (102, 1))
    order = Order(sign, mirrored(sign, 102), 10)
    assert submit(matcher, order) == [(mirrored(sign, 101), 7), (mirrored(sign, 102), 1)]
    assert (order.leaves, matcher.is_resting(order)) == (2, True)
    assert resting(matcher, sign) == [(mirrored(sign, 102), 2)]
    assert resting(matcher, -sign) == [(mirrored(sign, 103), 5)]


def test_at_one_price_the_earliest_trades_first(sign: int) -> None:
    matcher = Matcher()
    makers = [Order(-sign, 100, lots) for lots in (3, 4, 5)]
    for maker in makers:
        submit(matcher, maker)
    met = [(trade.maker, trade.lots) for trade in matcher.submit(Order(sign, 100, 8))]
    assert met == [(makers[0], 3), (makers[1], 4), (makers[2], 1)]
    assert [matcher.is_resting(maker) for maker in makers] == [False, False, True]


def test_shrinking_keeps_the_place_in_the_queue_and_growing_loses_it(sign: int) -> None:
    matcher = Matcher()
    first, second, third = makers = [Order(-sign, 100, 5) for _ in range(3)]
    for maker in makers:
        submit(matcher, maker)
    matcher.amend(first, 2)
    matcher.amend(second, 9)
    met = [(trade.maker, trade.lots) for trade in matcher.submit(Order(sign, 100, 20), IOC)]
    assert met == [(first, 2), (third, 5), (second, 9)]


@pytest.mark.parametrize(("wanted", "trades"), [(8, [(101, 7), (102, 1)]), (9, []), (7, [(101, 7)])])
def test_fill_or_kill_is_whole_or_nothing(sign: int, wanted: int, trades: list[tuple[int, int]]) -> None:
    matcher = book_against(sign, (101, 7), (102, 1), (103, 50))
    before = resting(matcher, -sign)
    order = Order(sign, mirrored(sign, 102), wanted)
    assert submit(matcher, order, FOK) == [(mirrored(sign, tick), lots) for tick, lots in trades]
    assert not matcher.is_resting(order)
    if not trades:
        assert (order.leaves, resting(matcher, -sign)) == (wanted, before)


def test_immediate_or_cancel_never_stands(sign: int) -> None:
    matcher = book_against(sign, (101, 7))
    order = Order(sign, mirrored(sign, 101), 9)
    assert submit(matcher, order, IOC) == [(mirrored(sign, 101), 7)]
    assert (order.leaves, resting(matcher, sign)) == (2, [])


@pytest.mark.parametrize(("tick", "stands"), [(101, False), (102, False), (100, True)])
def test_post_only_never_takes(sign: int, tick: int, stands: bool) -> None:
    matcher = book_against(sign, (101, 7))
    order = Order(sign, mirrored(sign, tick), 3)
    assert submit(matcher, order, POST_ONLY) == []
    assert (matcher.is_resting(order), order.leaves) == (stands, 3)


def test_cancelling_takes_out_what_stands_once(sign: int) -> None:
    matcher = book_against(sign, (101, 7))
    order = Order(sign, mirrored(sign, 99), 3)
    assert not matcher.cancel(order)
    submit(matcher, order)
    assert matcher.cancel(order)
    assert not matcher.cancel(order)
    assert (order.leaves, resting(matcher, sign)) == (3, [])


def test_between_two_trades_any_order_may_be_cancelled_or_cut(sign: int) -> None:
    matcher = Matcher()
    first, second, third = makers = [Order(-sign, 100, 5) for _ in range(3)]
    for maker in makers:
        submit(matcher, maker)
    taker, met = Order(sign, 100, 20), []
    for trade in matcher.submit(taker):
        met.append((trade.maker, trade.lots))
        if trade.maker is first:
            matcher.cancel(second)
        else:
            taker.leaves = 0
    assert met == [(first, 5), (third, 5)]
    assert resting(matcher, sign) == []


# against the naive engine


@dataclass(eq=False)
class NaiveOrder:
    sign: int
    tick: int
    leaves: int


def naive_submit(book: list[NaiveOrder], order: NaiveOrder, time_in_force: TimeInForce) -> list[tuple[int, int]]:
    """Match an order against a list of orders in order of arrival."""
    met = sorted(
        (o for o in book if o.sign == -order.sign and order.sign * (order.tick - o.tick) >= 0),
        key=lambda o: order.sign * o.tick,
    )
    if time_in_force is POST_ONLY and met:
        return []
    if time_in_force is FOK and sum(o.leaves for o in met) < order.leaves:
        return []
    trades = []
    for maker in met:
        if lots := min(maker.leaves, order.leaves):
            trades.append((maker.tick, lots))
            maker.leaves -= lots
            order.leaves -= lots
    book[:] = [o for o in book if o.leaves]
    if order.leaves and time_in_force in (GTC, POST_ONLY):
        book.append(order)
    return trades


Action = tuple[int, int, int, TimeInForce]
ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from([BUY, SELL]), st.integers(90, 110), st.integers(1, 50), st.sampled_from(TimeInForce)),
        st.tuples(st.just("cancel"), st.integers(0, 1 << 16)),
        st.tuples(st.just("amend"), st.integers(0, 1 << 16), st.integers(1, 50)),
    ),
    max_size=120,
)


@settings(max_examples=150, deadline=None)
@given(ACTIONS)
def test_it_trades_like_the_naive_engine(actions: list[tuple[object, ...]]) -> None:
    """The book is never crossed, lots are conserved, and priority is price before time."""
    matcher, naive = Matcher(), list[NaiveOrder]()
    both: list[tuple[Order, NaiveOrder]] = []
    sequence = 0
    for action in actions:
        match action:
            case ("cancel", int(which)) if both:
                order, plain = both[which % len(both)]
                assert matcher.cancel(order) == (plain in naive)
                naive[:] = [o for o in naive if o is not plain]
            case ("amend", int(which), int(lots)) if both:
                order, plain = both[which % len(both)]
                if any(o is plain for o in naive):
                    if lots > plain.leaves:
                        naive[:] = [*(o for o in naive if o is not plain), plain]
                    plain.leaves = lots
                    matcher.amend(order, lots)
            case (int(sign), int(tick), int(lots), TimeInForce() as time_in_force):
                order, plain = Order(sign, tick, lots), NaiveOrder(sign, tick, lots)
                both.append((order, plain))
                traded = submit(matcher, order, time_in_force)
                assert traded == naive_submit(naive, plain, time_in_force)
                assert sum(filled for _, filled in traded) + order.leaves == lots
                assert matcher.sequence > sequence
        sequence = matcher.sequence
        assert [order.leaves for order, _ in both] == [plain.leaves for _, plain in both]
        bid, ask = matcher.best(BUY), matcher.best(SELL)
        assert bid is None or ask is None or bid < ask
        for sign in (BUY, SELL):
            sums: dict[int, int] = {}
            for o in naive:
                if o.sign == sign:
                    sums[o.tick] = sums.get(o.tick, 0) + o.leaves
            assert resting(matcher, sign) == sorted(sums.items(), key=lambda level: -sign * level[0])


def test_reach_tells_what_a_submit_would_do() -> None:
    rng = random.Random(5)
    matcher = Matcher()
    for _ in range(2000):
        sign, tick, lots = rng.choice([BUY, SELL]), rng.randint(80, 120), rng.randint(1, 30)
        order = Order(sign, tick, lots)
        reached, furthest = matcher.reach(order)
        trades: list[Trade] = list(matcher.submit(order, rng.choice([GTC, IOC])))
        assert reached == sum(trade.lots for trade in trades)
        assert furthest == (trades[-1].tick if trades else tick)
        assert matcher.last_tick == (trades[-1].tick if trades else matcher.last_tick)


def test_a_side_tells_that_it_changed() -> None:
    side, seen = Side(), set()
    order = Order(BUY, 5, 3)
    for change in (lambda: side.add(order), lambda: side.take(order, 1), lambda: side.remove(order)):
        change()
        seen.add(side.changes)
    assert len(seen) == 3
    assert side.window(9) == {}
