"""The dashboard of ``watch``, except ladders: lists of events, candles, instruments, tables."""

import io
from collections.abc import Iterator
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from depthwire.bybit.accounts import Balances, OpenOrders
from depthwire.bybit.v2.messages import Trade
from depthwire.bybit.v2.private import Order, Wallet
from depthwire.bybit.v2.public import Kline, Liquidation
from depthwire.errors import ReaderOverflow, StreamGap
from tests.support.live_instrument import live_instrument

pytest.importorskip("rich")

from rich.console import Console

from depthwire.cli.dashboard import Dashboard, shares


class Screen:
    """A dashboard and its visible text."""

    def __init__(self, *, width: int = 100, height: int = 30, encoding: str = "utf-8", colour: bool = False) -> None:
        self._bytes = io.BytesIO()
        self._file = io.TextIOWrapper(self._bytes, encoding=encoding)
        self._console = Console(
            file=self._file,
            width=width,
            height=height,
            color_system="standard" if colour else None,
            force_terminal=colour,
        )
        self.dashboard = Dashboard(self._console)

    def lines(self) -> list[str]:
        self._bytes.truncate(0)
        self._bytes.seek(0)
        self._console.print(self.dashboard.render())
        self._file.flush()
        return [line.rstrip() for line in self._bytes.getvalue().decode(self._file.encoding).splitlines()]


def trade(number: int, side: str = "Buy", symbol: str = "BTCUSD") -> Trade:
    price, size = Decimal(100) + Decimal(number) / 2, Decimal(1000 * number)
    at_ms = 1618618586000 + number
    return Trade(symbol=symbol, side=side, price=price, size=size, trade_id="t", trade_time_ms=at_ms)


def kline(start: int, prices: str, *, confirm: bool = False) -> Kline:
    open_, high, low, close = map(Decimal, prices.split())
    return Kline(
        start=start,
        end=start + 60,
        open=open_,
        close=close,
        high=high,
        low=low,
        volume=Decimal(1),
        turnover=Decimal(1),
        confirm=confirm,
        cross_seq=1,
        timestamp=1,
    )


def test_before_anything_happened_it_says_so() -> None:
    assert Screen().lines() == ["waiting for the first event"]


def test_a_tape_has_the_newest_trade_at_the_bottom_and_as_many_as_fit() -> None:
    screen = Screen(height=13)
    for number in range(50):
        screen.dashboard.event("trade.BTCUSD", trade(number, "Sell" if number % 2 else "Buy"))
    title, head, *rows = screen.lines()
    assert title == "trade"
    assert head.split() == ["time", "symbol", "side", "price", "size"]
    assert len(rows) == 10
    assert rows[-1].split() == ["2021-04-17T00:16:26.049Z", "BTCUSD", "Sell", "124.5", "49,000"]
    assert [Decimal(row.split()[3]) for row in rows] == [Decimal(100) + Decimal(n) / 2 for n in range(40, 50)]
    assert len({row.index(".", 30) for row in rows}) == 1


def test_sides_are_coloured() -> None:
    screen = Screen(colour=True)
    screen.dashboard.event("trade.BTCUSD", trade(1, "Buy"))
    screen.dashboard.event("trade.BTCUSD", trade(2, "Sell"))
    *_, buy, sell = screen.lines()
    assert "\x1b[32m" in buy
    assert "\x1b[31m" in sell


def test_kinds_have_a_tape_each_and_symbols_share_it() -> None:
    screen = Screen()
    screen.dashboard.event("trade.BTCUSD", trade(1))
    screen.dashboard.event("trade.ETHUSD", trade(2, symbol="ETHUSD"))
    at, five = 1618618586000, Decimal(5)
    liquidation = Liquidation(symbol="BTCUSD", side="Sell", price=five, qty=five, time=at)
    screen.dashboard.event("liquidation.BTCUSD", liquidation)
    lines = screen.lines()
    assert [line for line in lines if len(line.split()) == 1] == ["trade", "liquidation"]
    assert [line.split()[1] for line in lines if "Z " in line] == ["BTCUSD", "ETHUSD", "BTCUSD"]


def charts(lines: list[str]) -> Iterator[str]:
    for line in lines[2:]:
        _, found, chart = line.partition(" no")
        yield (chart if found else line.partition(" yes")[2]).rstrip()[2:]


def test_candles_are_rows_with_charts_on_one_scale() -> None:
    screen = Screen(width=120)
    screen.dashboard.event("klineV2.1.BTCUSD", kline(60, "0 10 0 10", confirm=True))
    screen.dashboard.event("klineV2.1.BTCUSD", kline(120, "15 20 0 10"))
    lines = screen.lines()
    assert lines[0] == "klineV2.1.BTCUSD"
    assert lines[2].split()[:7] == ["1970-01-01T00:01Z", "0", "10", "0", "10", "1", "yes"]
    rising, falling = charts(lines)
    assert {*rising.strip()} == {"█"}
    assert len(rising.strip()) == 12  # half the span of the other candle
    assert {*falling.strip()} == {"█", "─"}
    assert (falling.index("█"), falling.rindex("█"), len(falling.strip())) == (
        falling.index("─") + 11,
        falling.index("─") + 17,
        24,
    )


def test_a_candle_changes_its_row_until_it_is_confirmed() -> None:
    screen = Screen(width=120)
    for prices in ("1 1 1 1", "1 2 1 2", "1 3 1 2"):
        screen.dashboard.event("klineV2.1.BTCUSD", kline(60, prices))
    (row,) = screen.lines()[2:]
    assert row.split()[1:7] == ["1", "3", "1", "2", "1", "no"]


def test_a_candle_without_a_range_and_a_terminal_without_blocks() -> None:
    screen = Screen(width=120, encoding="ascii")
    screen.dashboard.event("klineV2.1.BTCUSD", kline(60, "7 7 7 7"))
    assert [chart.strip() for chart in charts(screen.lines())] == ["#"]


def test_an_instrument_shows_exact_values_and_highlights_the_last_change() -> None:
    screen = Screen(width=60, colour=True)
    screen.dashboard.instrument(live_instrument())
    lines = screen.lines()
    assert "BTCUSD" in lines[0]
    rows = {name: next(line for line in lines[1:] if name in line) for name in ("funding_rate", "last_price")}
    assert "-0.0002" in rows["funding_rate"]
    assert "60622.5" in rows["last_price"]
    assert "\x1b[1;33m" in rows["funding_rate"]
    assert "\x1b[1;33m" not in rows["last_price"]


def test_a_stale_instrument_keeps_its_fields_and_says_why() -> None:
    instrument = live_instrument()
    instrument.mark_stale("a test")
    screen = Screen(width=60)
    screen.dashboard.instrument(instrument)
    head, *rows = screen.lines()
    assert head == "BTCUSD STALE a test"
    assert any("60622.5" in row for row in rows)


def order(order_id: str, status: str = "New") -> Order:
    one = Decimal(1)
    return Order(
        order_id=order_id,
        symbol="BTCUSD",
        side="Buy",
        order_type="Limit",
        price=Decimal("60622.5"),
        qty=Decimal(7),
        time_in_force="GoodTillCancel",
        order_status=status,
        leaves_qty=one,
        cum_exec_qty=one,
        cum_exec_value=one,
        cum_exec_fee=one,
    )


def test_open_orders_are_a_table_of_the_live_view() -> None:
    screen, orders = Screen(), OpenOrders()
    screen.dashboard.account("order", orders)
    assert screen.lines()[0] == "order: nothing yet; the exchange sends only changes"
    for event in (order("first"), order("second"), order("first", "Cancelled")):
        orders.apply(event)
        screen.dashboard.event("order", event)
    title, head, row = screen.lines()
    assert title == "order"
    assert head.split() == ["order", "symbol", "side", "type", "price", "qty", "filled", "status"]
    assert row.split() == ["second", "BTCUSD", "Buy", "Limit", "60,622.5", "7", "1", "New"]


def test_a_view_with_a_gap_says_so() -> None:
    screen, balances = Screen(), Balances()
    balances.apply(Wallet(coin="BTC", wallet_balance=Decimal("1.5"), available_balance=Decimal("0.25")))
    balances.break_off(StreamGap("wallet", "no answer", 1, 2))
    screen.dashboard.account("wallet", balances)
    title, _, row = screen.lines()
    assert title == "wallet: incomplete; changes may be missing after a gap"
    assert row.split() == ["BTC", "1.5", "0.25"]


def test_a_narrow_terminal_cuts_ids_and_not_numbers() -> None:
    screen, orders = Screen(width=72), OpenOrders()
    orders.apply(order("a" * 36))
    screen.dashboard.account("order", orders)
    row = screen.lines()[2]
    assert row.startswith("aa")
    assert "60,622.5" in row
    assert "BTCUSD" in row


def test_what_a_small_terminal_has_no_room_for_is_named() -> None:
    """Without room, sections are named, items are counted, and columns are named; lists keep their newest rows."""
    screen, orders = Screen(width=60, height=24), OpenOrders()
    screen.dashboard.account("order", orders)
    for number in range(30):
        orders.apply(order(f"{number:036}"))
    screen.dashboard.event("klineV2.1.BTCUSD", kline(60, "1 2 1 2"))
    instrument = live_instrument()
    screen.dashboard.instrument(instrument)
    for kind in ("liquidation", "trade", "insurance", "execution"):
        screen.dashboard.event(f"{kind}.BTCUSD", trade(1))
    lines = screen.lines()
    assert len(lines) <= 23
    assert all(len(line) <= 60 for line in lines)
    assert lines[0].startswith("order: +")
    shown = sum(line.startswith("0") for line in lines)
    assert lines[0].startswith(f"order: +{30 - shown} more (too narrow for ")
    for word in lines[0].partition("(too narrow for ")[2].rstrip(")").split(", "):
        assert word not in lines[1].split()
    assert "status" in lines[1].split()
    (candles,) = (line for line in lines if line.startswith("klineV2.1.BTCUSD"))
    assert "chart" in candles
    (head,) = (line for line in lines if line.startswith("BTCUSD LIVE"))
    assert int(head.partition("+")[2].split()[0]) > 0
    assert lines[-1] == "no room for execution" or all(f"{kind}" in lines for kind in ("trade", "execution"))


def test_sections_that_have_no_room_are_named() -> None:
    screen = Screen(height=12)
    kinds = ["trade", "liquidation", "insurance", "execution", "publicTrade"]
    for kind in kinds:
        screen.dashboard.event(f"{kind}.BTCUSD", trade(1))
    lines = screen.lines()
    assert len(lines) <= 11
    assert [kind for kind in kinds if kind in lines] == kinds[:3]
    assert lines[-1] == "no room for execution, publicTrade"


def test_errors_stay_in_sight_and_events_go_on() -> None:
    screen = Screen(width=200, height=12)
    for lost in range(1, 6):
        screen.dashboard.error(ReaderOverflow(lost, 10, "trade.*"))
        screen.dashboard.event("trade.BTCUSD", trade(lost))
    lines = screen.lines()
    assert [line.partition("trade.*: ")[2].split()[0] for line in lines[-3:]] == ["3", "4", "5"]
    assert sum("BTCUSD" in line for line in lines) == 5


def test_many_sections_fit_on_the_screen() -> None:
    screen = Screen(height=40)
    for number in range(60):
        screen.dashboard.event("trade.BTCUSD", trade(number))
        screen.dashboard.event("klineV2.1.BTCUSD", kline(60 * number, "1 2 1 2"))
    screen.dashboard.instrument(live_instrument())
    screen.dashboard.account("order", OpenOrders())
    assert len(screen.lines()) <= 39


@given(st.lists(st.integers(1, 60), min_size=1, max_size=8), st.integers(8, 100))
def test_shares_are_fair(wanted: list[int], lines: int) -> None:
    given_ = shares(wanted, lines)
    assert all(0 <= share <= want for share, want in zip(given_, wanted, strict=True))
    assert sum(given_) == min(sum(wanted), lines) or lines - sum(given_) < len(wanted)
    # A section gets less than another only if it wants no more, or because of the remainder.
    for share, want in zip(given_, wanted, strict=True):
        assert share == want or share >= max(given_) - 1
