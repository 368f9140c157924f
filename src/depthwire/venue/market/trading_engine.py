"""The trading of one symbol: takes orders in, matches them, triggers the conditional ones, liquidates."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from depthwire.venue.market.accounts import Account
from depthwire.venue.market.background_traders import BackgroundTraders, TraderProfile
from depthwire.venue.market.clearing import Clearing, account_of
from depthwire.venue.market.instruments import Instrument
from depthwire.venue.market.liquidations import BackgroundLiquidations, Liquidation
from depthwire.venue.market.matching import BUY, SELL, Matcher, Order, TimeInForce, Trade
from depthwire.venue.market.orders import (
    SIDES,
    AccountOrder,
    Number,
    OrderRejected,
    checked_text,
    lots_in,
    shown,
    ticks_in,
)
from depthwire.venue.market.positions import Position
from depthwire.venue.market.public_trades import PublicTrade

_MARKET_REACH = Decimal("0.03")  # how far from the last price a market order goes
_MOST_ORDERS = 500
_LINK_ID_LENGTH = 36


class TradingEngine:
    """One symbol's market: the book, the crowd, and what accounts do in it."""

    def __init__(
        self, instrument: Instrument, profile: TraderProfile, seed: str, clearing: Clearing, flush: Callable[[], None]
    ) -> None:
        self.instrument = instrument
        self.stride = profile.stride
        """Steps of time between two calls of `step`."""
        self.matcher = Matcher()
        self.trades: list[PublicTrade] = []
        """Those not yet told, earliest first."""
        self.liquidations: list[Liquidation] = []
        """Those not yet told."""
        self._clearing = clearing
        self._flush = flush
        self._stops: dict[AccountOrder, None] = {}
        self.background_traders = BackgroundTraders(
            seed, instrument.opening_tick, profile, self.matcher, self._match, clearing.background_traders
        )
        self._background_liquidations = BackgroundLiquidations(
            seed, instrument, profile, self.matcher, self._match, clearing.background_traders
        )

    # what the market does

    def step(self) -> bool:
        """Lets the crowd act for one step of time, and all that follows from it happen; False: nothing did."""
        acted = self.background_traders.step()
        if liquidation := self._background_liquidations.step(self._clearing.now_ns):
            self.liquidations.append(liquidation)
            acted = True
        if acted:
            self._settle_down()
        return acted

    @property
    def mark_price(self) -> Decimal:
        """The middle of the book, by which positions are liquidated."""
        return self.instrument.price_of(self._best(BUY) + self._best(SELL)) / 2

    def best(self, side: str) -> Decimal:
        """The best price of the bids (``Buy``) or asks (``Sell``)."""
        return self.instrument.price_of(self._best(SIDES[side]))

    @property
    def last_price(self) -> Decimal:
        """Of the last trade."""
        return self.instrument.price_of(self.matcher.last_tick)

    @property
    def open_interest(self) -> int:
        """Lots that accounts, the crowd against them, and the insurance fund hold long. O(accounts)."""
        clearing = self._clearing
        positions = [
            holder.position(self.instrument) for holder in (clearing.background_traders, clearing.insurance_fund)
        ]
        for account in clearing.accounts.values():
            positions += account.positions_in(self.instrument)
        return sum(position.lots for position in positions if position.sign == BUY)

    def _best(self, sign: int) -> int:
        tick = self.matcher.best(sign)
        assert tick is not None, "the crowd keeps both sides deep"
        return tick

    # what accounts ask

    def submit(
        self,
        account: Account,
        side: str,
        qty: Number,
        price: Number | None,
        order_type: str,
        *,
        time_in_force: str | None,
        reduce_only: bool,
        close_on_trigger: bool,
        trigger_price: Number | None,
        take_profit: Number | None,
        stop_loss: Number | None,
        order_link_id: str,
    ) -> AccountOrder:
        """Takes an order in and lets all that follows from it happen. Raises OrderRejected, and nothing has changed."""
        instrument = self.instrument
        if checked_text("side", side) not in SIDES:
            raise OrderRejected(f"params error: side invalid: {shown(side)}: expected Buy or Sell")
        checked_text("order_type", order_type)
        is_market = order_type == "Market"
        if order_type not in ("Limit", "Market") or is_market != (price is None):
            raise OrderRejected(
                f"params error: order_type {shown(order_type)} with price {shown(price)}: "
                "expected Limit with a price, or Market without"
            )
        order = AccountOrder(
            SIDES[side],
            ticks_in(instrument, "price", price),
            lots := lots_in(instrument, qty),
            account,
            order_id=self._clearing.new_id(),
            order_link_id=checked_text("order_link_id", order_link_id),
            instrument=instrument,
            order_type=order_type,
            lots=lots,
            time_in_force=_time_in_force(time_in_force, is_market=is_market),
            created_ns=self._clearing.now_ns,
            updated_ns=self._clearing.now_ns,
            reduce_only=reduce_only,
            close_on_trigger=close_on_trigger,
            trigger_tick=ticks_in(instrument, "trigger_price", trigger_price),
            take_profit_tick=ticks_in(instrument, "take_profit", take_profit),
            stop_loss_tick=ticks_in(instrument, "stop_loss", stop_loss),
        )
        order.position_index = account.position_for(instrument, order.sign, order.only_closes).index
        self._check(account, order)
        if order.trigger_tick:
            order.create_type, order.stop_order_type = "CreateByStopOrder", "Stop"
            order.trigger_sign = BUY if order.trigger_tick > self.matcher.last_tick else SELL
            self._await_trigger(order)
        else:
            self._admit(account, order)
            self._work(order)
        self._settle_down()
        self._flush()
        return order

    def cancel(self, account: Account, order: AccountOrder) -> None:
        """Cancels an open order."""
        self._end(order, "CancelByUser")
        self._settle_down()
        self._flush()

    # checks

    def _check(self, account: Account, order: AccountOrder) -> None:
        """What can be told of an order without looking at money and positions."""
        open_orders = account.orders_in(order.symbol)
        if len(open_orders) >= _MOST_ORDERS:
            raise OrderRejected(f"too many open orders: at most {_MOST_ORDERS} in {order.symbol}")
        if len(order.order_link_id) > _LINK_ID_LENGTH:
            raise OrderRejected(f"params error: order_link_id is longer than {_LINK_ID_LENGTH} characters")
        if order.order_link_id and any(other.order_link_id == order.order_link_id for other in open_orders):
            raise OrderRejected(f"duplicate order_link_id: {order.order_link_id!r}")
        last = self.matcher.last_tick
        if order.trigger_tick == last:
            raise OrderRejected(f"trigger_price invalid: it is the last price: {order.trigger_price}")
        reference = order.trigger_tick or order.tick or last
        for name, tick, sign in (
            ("take_profit", order.take_profit_tick, order.sign),
            ("stop_loss", order.stop_loss_tick, -order.sign),
        ):
            if tick and sign * (tick - reference) <= 0:
                raise OrderRejected(
                    f"params error: {name} of a {order.side} order must be {'above' if sign > 0 else 'below'} "
                    f"{self.instrument.price_of(reference)}: {self.instrument.price_of(tick)}"
                )

    def _admit(self, account: Account, order: AccountOrder) -> None:
        """Gives a market order its limit, a closing order its bound, and checks that the account can pay for others."""
        instrument = self.instrument
        if order.order_type == "Market":
            last = self.matcher.last_tick
            order.tick = max(1, last + order.sign * int(last * _MARKET_REACH))
        if order.only_closes:
            room = self._closing_room(account, order)
            if room <= 0:
                raise OrderRejected("reduce-only rule not satisfied: no position, or all of it in closing orders")
            order.lots = order.leaves = min(order.leaves, room)
            return
        reached, furthest = self.matcher.reach(order)
        ticks = {furthest}
        if reached:
            ticks.add(self._best(-order.sign))
        if order.order_type == "Limit":
            ticks.add(order.tick)
        value = max(instrument.contract.value(order.qty, instrument.price_of(tick)) for tick in ticks)
        held = account.order_margin(instrument)
        needed = account.order_margin(instrument, order.sign, order.lots, value) - held
        available = account.balance(instrument.coin).available
        if needed > 0 and needed > available:
            raise OrderRejected(
                f"insufficient available balance: {needed} {instrument.coin} needed, {available} available"
            )

    def _closing_room(self, account: Account, order: AccountOrder) -> int:
        """How many lots a closing order may have: those of the position that no resting closing order is for."""
        position = account.position_for(self.instrument, order.sign, only_closes=True)
        if position.sign != -order.sign:
            return 0
        return position.lots - sum(other.leaves for other in self._closing_orders(account, position))

    def _closing_orders(self, account: Account, position: Position) -> list[AccountOrder]:
        return [
            order
            for order in account.open_orders.values()
            if order.instrument is self.instrument and order.only_closes and order.position_index == position.index
        ]

    # what becomes of an order

    def _work(self, order: AccountOrder) -> None:
        """Matches an order that was admitted, and lets the rest of it stand or end."""
        account = account_of(order)
        order.status = "New"
        self._match(order, order.time_in_force)
        if self.matcher.is_resting(order):
            account.open_orders[order.order_id] = order
        elif order.cum_lots < order.lots:
            self._close(order, "Cancelled", "")
        self._tell(order)

    def _match(self, order: Order, time_in_force: TimeInForce) -> list[Trade]:
        """Every trade of the symbol is made here."""
        trades = []
        for trade in self.matcher.submit(order, time_in_force):
            trades.append(trade)
            self.trades.append(
                PublicTrade(order.sign, trade.tick, trade.lots, self._clearing.now_ns, self.matcher.sequence)
            )
            changed = self._clearing.settle(self.instrument, trade, self.matcher.sequence)
            for side in (trade.maker, trade.taker):
                if isinstance(side, AccountOrder):
                    self._filled(side)
            for position, side in zip(changed, _account_orders(trade), strict=True):
                self._bound_closing_orders(account_of(side), position, trade.taker)
                self._guard(side, position)
        return trades

    def _filled(self, order: AccountOrder) -> None:
        order.status = "PartiallyFilled"
        if order.cum_lots == order.lots:
            self._close(order, "Filled", "")
        self._tell(order)

    def _end(self, order: AccountOrder, cancel_type: str) -> None:
        """Cancels an order, active or conditional."""
        self._stops.pop(order, None)
        self.matcher.cancel(order)
        self._close(order, "Deactivated" if order.status == "Untriggered" else "Cancelled", cancel_type)
        self._tell(order)

    def _close(self, order: AccountOrder, status: str, cancel_type: str) -> None:
        account = account_of(order)
        order.status, order.cancel_type, order.leaves = status, cancel_type, 0
        account.open_orders.pop(order.order_id, None)
        account.untriggered.pop(order.order_id, None)

    def _tell(self, order: AccountOrder) -> None:
        """Marks an order, and what depends on it, to be told on the private topics."""
        changes = account_of(order).changes
        order.updated_ns = self._clearing.now_ns
        told = changes.stop_orders if order.status in _CONDITIONAL else changes.orders
        told[order] = None
        changes.instruments[order.symbol] = order.instrument
        changes.coins[self.instrument.coin] = None

    # closing orders never open

    def _bound_closing_orders(self, account: Account, position: Position, taker: Order) -> None:
        """Shrinks or cancels closing orders, the latest first, until they are no more than the position."""
        room = position.lots
        for order in self._closing_orders(account, position):
            kept = min(order.leaves, room) if order.sign == -position.sign else 0
            room -= kept
            if not kept:
                self._end(order, "CancelByReduceOnly")
            elif kept < order.leaves:
                order.lots -= order.leaves - kept
                self.matcher.amend(order, kept)
                self._tell(order)
        if (
            isinstance(taker, AccountOrder)
            and taker.only_closes
            and account_of(taker) is account
            and taker.position_index == position.index
        ):
            taker.leaves = min(taker.leaves, position.lots if position.sign == -taker.sign else 0)

    # conditional orders

    def _await_trigger(self, order: AccountOrder) -> None:
        order.status = "Untriggered"
        self._stops[order] = None
        account_of(order).untriggered[order.order_id] = order
        self._tell(order)

    def _guard(self, order: AccountOrder, position: Position) -> None:
        """Keeps take profit and stop loss in step with the position that they close."""
        tp_sl_orders = position.tp_sl_orders
        for name, guard in list(tp_sl_orders.items()):
            if guard.sign != -position.sign or not guard.is_open:
                del tp_sl_orders[name]
                if guard.is_open:
                    self._end(guard, "CancelByTpSlTsClear")
            elif guard.lots != position.lots:
                guard.lots = guard.leaves = position.lots
                self._tell(guard)
        if order.sign != position.sign:
            return
        for name, tick, trigger_sign in (
            ("TakeProfit", order.take_profit_tick, order.sign),
            ("StopLoss", order.stop_loss_tick, -order.sign),
        ):
            standing = tp_sl_orders.get(name)
            if not tick or (standing and standing.trigger_tick == tick):
                continue
            if standing:
                self._end(standing, "CancelByTpSlTsClear")
            tp_sl_orders[name] = guard = AccountOrder(
                -position.sign,
                0,
                position.lots,
                order.owner,
                order_id=self._clearing.new_id(),
                order_link_id="",
                instrument=self.instrument,
                order_type="Market",
                lots=position.lots,
                time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL,
                created_ns=self._clearing.now_ns,
                updated_ns=self._clearing.now_ns,
                reduce_only=True,
                close_on_trigger=True,
                trigger_tick=tick,
                trigger_sign=trigger_sign,
                create_type=f"CreateBy{name}",
                stop_order_type=name,
                position_index=position.index,
            )
            self._await_trigger(guard)

    def _trigger(self) -> bool:
        """Sets one conditional order to work that the last price has reached. False: there is none."""
        last = self.matcher.last_tick
        for stop in self._stops:
            if stop.trigger_sign * (last - stop.trigger_tick) >= 0:
                break
        else:
            return False
        account = account_of(stop)
        del self._stops[stop]
        account.changes.stop_orders.pop(stop, None)
        for position in account.positions_in(self.instrument):
            position.tp_sl_orders = {name: guard for name, guard in position.tp_sl_orders.items() if guard is not stop}
        triggered = replace(stop)  # what is told of the trigger; the order itself shows what becomes of it
        self._close(triggered, "Triggered", "")
        self._tell(triggered)
        order = stop
        order.status = "Created"
        if order.close_on_trigger:
            position = account.position_for(self.instrument, order.sign, only_closes=True)
            for other in self._closing_orders(account, position):
                self._end(other, "CancelByReduceOnly")
        try:
            self._admit(account, order)
        except OrderRejected:
            self._close(order, "Rejected", "CancelByReduceOnly" if order.only_closes else "")
            self._tell(order)
        else:
            self._work(order)
        return True

    # liquidation

    def _liquidate(self) -> bool:
        """Ends one position that the mark price has brought to its liquidation price. False: there is none."""
        mark = self.mark_price
        for account in self._clearing.accounts.values():
            for position in account.positions_in(self.instrument):
                if position.lots and position.sign * (mark - position.liq_price) <= 0:
                    self._take_over(account, position)
                    return True
        return False

    def _take_over(self, account: Account, position: Position) -> None:
        """The insurance fund takes a position over at its bankruptcy price, and sells it in the market."""
        for order in account.orders_in(self.instrument.symbol):
            self._end(order, "CancelByPrepareLiq")
        tick = self.instrument.tick_of(position.bust_price)
        now_ns = self._clearing.now_ns
        order = AccountOrder(
            -position.sign,
            tick,
            0,
            account,
            order_id=self._clearing.new_id(),
            order_link_id="",
            instrument=self.instrument,
            order_type="Market",
            lots=position.lots,
            time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL,
            created_ns=now_ns,
            updated_ns=now_ns,
            reduce_only=True,
            create_type="CreateByLiq",
            position_index=position.index,
        )
        self.liquidations.append(Liquidation(position.side, tick, position.lots, now_ns))
        counterpart = Order(position.sign, tick, 0, self._clearing.insurance_fund)
        trade = Trade(counterpart, order, tick, order.lots)
        self._clearing.settle(self.instrument, trade, self.matcher.sequence, "BustTrade")
        self._filled(order)
        self._guard(order, position)

    def _unload_fund(self) -> bool:
        """The insurance fund sells what it took over, as far as the book takes it. False: nothing was sold."""
        position = self._clearing.insurance_fund.position(self.instrument)
        if not position.lots:
            return False
        last = self.matcher.last_tick
        tick = max(1, last - position.sign * int(last * _MARKET_REACH))
        order = Order(-position.sign, tick, position.lots, self._clearing.insurance_fund)
        return bool(self._match(order, TimeInForce.IMMEDIATE_OR_CANCEL))

    def _settle_down(self) -> None:
        """Lets triggers and liquidations follow from each other until nothing does."""
        self.background_traders.keep_deep()
        while self._trigger() or self._liquidate() or self._unload_fund():
            self.background_traders.keep_deep()


_CONDITIONAL = ("Untriggered", "Deactivated", "Triggered")


def _account_orders(trade: Trade) -> list[AccountOrder]:
    return [order for order in (trade.maker, trade.taker) if isinstance(order, AccountOrder)]


def _time_in_force(name: str | None, *, is_market: bool) -> TimeInForce:
    if name is None:
        return TimeInForce.IMMEDIATE_OR_CANCEL if is_market else TimeInForce.GOOD_TILL_CANCEL
    allowed = [member for member in TimeInForce if not is_market or member in _TAKERS]
    if checked_text("time_in_force", name) not in allowed:
        raise OrderRejected(f"params error: time_in_force invalid: {shown(name)}: expected one of {', '.join(allowed)}")
    return TimeInForce(name)


_TAKERS = (TimeInForce.IMMEDIATE_OR_CANCEL, TimeInForce.FILL_OR_KILL)
