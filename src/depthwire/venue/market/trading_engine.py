"""Trading in one symbol: accept orders, match them, trigger conditional orders, liquidate positions."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from depthwire.venue.market.accounts import Account
from depthwire.venue.market.background_traders import BackgroundTraders, TraderProfile
from depthwire.venue.market.clearing import Clearing, account_of
from depthwire.venue.market.instruments import Instrument
from depthwire.venue.market.liquidations import BackgroundLiquidations, Liquidation
from depthwire.venue.market.matching import BUY, SELL, Matcher, Order, TimeInForce, Trade
from depthwire.venue.market.order_entry import check_order, new_order
from depthwire.venue.market.orders import SIDES, AccountOrder, OrderRejected, OrderRequest
from depthwire.venue.market.positions import Position
from depthwire.venue.market.public_trades import PublicTrade

_MARKET_ORDER_RANGE = Decimal("0.03")  # a market order's limit, as a share of the last price
_CONDITIONAL_STATUSES = ("Untriggered", "Deactivated", "Triggered")


class TradingEngine:
    """One symbol's market: its book, the background traders, and the orders of accounts."""

    def __init__(
        self,
        instrument: Instrument,
        profile: TraderProfile,
        seed: str,
        clearing: Clearing,
        publish_private: Callable[[], None],
    ) -> None:
        self.instrument = instrument
        self.stride = profile.stride
        """Time steps between two calls of `step`."""
        self.matcher = Matcher()
        self.trades: list[PublicTrade] = []
        """Trades that are not yet published, oldest first."""
        self.liquidations: list[Liquidation] = []
        """Liquidations that are not yet published, oldest first."""
        self._clearing = clearing
        self._publish_private = publish_private
        self._stops: dict[AccountOrder, None] = {}
        owner = clearing.background_traders
        self.background_traders = BackgroundTraders(
            seed, instrument.opening_tick, profile, self.matcher, self._match, owner
        )
        self._background_liquidations = BackgroundLiquidations(
            seed, instrument, profile, self.matcher, self._match, owner
        )

    # the market

    def step(self) -> bool:
        """Let the background traders act for one time step. Returns whether anything happened."""
        acted = self.background_traders.step()
        if liquidation := self._background_liquidations.step(self._clearing.now_ns):
            self.liquidations.append(liquidation)
            acted = True
        if acted:
            self._process_consequences()
        return acted

    @property
    def mark_price(self) -> Decimal:
        """The midprice of the book, which decides liquidations."""
        return self.instrument.price_of(self._best(BUY) + self._best(SELL)) / 2

    def best(self, side: str) -> Decimal:
        """Return the best price of the bids (``Buy``) or asks (``Sell``)."""
        return self.instrument.price_of(self._best(SIDES[side]))

    @property
    def last_price(self) -> Decimal:
        """The price of the last trade."""
        return self.instrument.price_of(self.matcher.last_tick)

    @property
    def open_interest(self) -> int:
        """The total long positions of accounts, insurance fund and background traders, in lots. O(accounts)."""
        clearing = self._clearing
        holders = (clearing.background_traders, clearing.insurance_fund)
        positions = [holder.position(self.instrument) for holder in holders]
        for account in clearing.accounts.values():
            positions += account.positions_in(self.instrument)
        return sum(position.lots for position in positions if position.sign == BUY)

    def _best(self, sign: int) -> int:
        tick = self.matcher.best(sign)
        assert tick is not None, "the background traders keep both sides deep"
        return tick

    # requests of accounts

    def submit(self, account: Account, request: OrderRequest) -> AccountOrder:
        """Accept an order and process its consequences. Raises OrderRejected, and then nothing has changed."""
        order = new_order(request, account, self.instrument, self._clearing)
        check_order(order, self.matcher.last_tick, account.orders_in(order.symbol))
        if order.trigger_tick:
            order.create_type, order.stop_order_type = "CreateByStopOrder", "Stop"
            order.trigger_sign = BUY if order.trigger_tick > self.matcher.last_tick else SELL
            self._add_stop(order)
        else:
            self._admit(account, order)
            self._execute(order)
        self._process_consequences()
        self._publish_private()
        return order

    def cancel(self, account: Account, order: AccountOrder) -> None:
        """Cancel an open order."""
        self._cancel(order, "CancelByUser")
        self._process_consequences()
        self._publish_private()

    def _admit(self, account: Account, order: AccountOrder) -> None:
        """Set a market order's limit, cap a closing order at the position, and check the balance for any other order.

        Raises OrderRejected.
        """
        instrument = self.instrument
        if order.order_type == "Market":
            last = self.matcher.last_tick
            order.tick = max(1, last + order.sign * int(last * _MARKET_ORDER_RANGE))
        if order.only_closes:
            room = self._closing_room(account, order)
            if room <= 0:
                raise OrderRejected(
                    "reduce-only rule not satisfied: no position to close, or other closing orders already cover it"
                )
            order.lots = order.leaves = min(order.leaves, room)
            return
        matched, last_reached = self.matcher.reach(order)
        ticks = {last_reached}
        if matched:
            ticks.add(self._best(-order.sign))
        if order.order_type == "Limit":
            ticks.add(order.tick)
        value = max(instrument.contract.value(order.qty, instrument.price_of(tick)) for tick in ticks)
        reserved = account.order_margin(instrument)
        needed = account.order_margin(instrument, order.sign, order.lots, value) - reserved
        available = account.balance(instrument.coin).available
        if needed > 0 and needed > available:
            raise OrderRejected(
                f"insufficient available balance: {needed} {instrument.coin} needed, {available} available"
            )

    def _closing_room(self, account: Account, order: AccountOrder) -> int:
        """Return how many lots of the position no resting closing order covers yet."""
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

    # the life of an order

    def _execute(self, order: AccountOrder) -> None:
        """Match an admitted order, then let the rest of it rest in the book or expire."""
        account = account_of(order)
        order.status = "New"
        self._match(order, order.time_in_force)
        if self.matcher.is_resting(order):
            account.open_orders[order.order_id] = order
        elif order.cum_lots < order.lots:
            self._close(order, "Cancelled", "")
        self._mark_changed(order)

    def _match(self, order: Order, time_in_force: TimeInForce) -> list[Trade]:
        """Match an order, settle its trades and return them. Every trade of the symbol is made here."""
        trades = []
        matcher, now_ns = self.matcher, self._clearing.now_ns
        for trade in matcher.submit(order, time_in_force):
            trades.append(trade)
            self.trades.append(PublicTrade(order.sign, trade.tick, trade.lots, now_ns, matcher.sequence))
            changed = self._clearing.settle(self.instrument, trade, matcher.sequence)
            for side in (trade.maker, trade.taker):
                if isinstance(side, AccountOrder):
                    self._on_fill(side)
            for position, side in zip(changed, _account_orders(trade), strict=True):
                self._limit_closing_orders(account_of(side), position, trade.taker)
                self._sync_tp_sl_orders(side, position)
        return trades

    def _on_fill(self, order: AccountOrder) -> None:
        order.status = "PartiallyFilled"
        if order.cum_lots == order.lots:
            self._close(order, "Filled", "")
        self._mark_changed(order)

    def _cancel(self, order: AccountOrder, cancel_type: str) -> None:
        """Cancel an order, active or conditional."""
        self._stops.pop(order, None)
        self.matcher.cancel(order)
        self._close(order, "Deactivated" if order.status == "Untriggered" else "Cancelled", cancel_type)
        self._mark_changed(order)

    def _close(self, order: AccountOrder, status: str, cancel_type: str) -> None:
        account = account_of(order)
        order.status, order.cancel_type, order.leaves = status, cancel_type, 0
        account.open_orders.pop(order.order_id, None)
        account.untriggered.pop(order.order_id, None)

    def _mark_changed(self, order: AccountOrder) -> None:
        """Mark an order, its positions and its coin for publication on the private topics."""
        changes = account_of(order).changes
        order.updated_ns = self._clearing.now_ns
        orders = changes.stop_orders if order.status in _CONDITIONAL_STATUSES else changes.orders
        orders[order] = None
        changes.instruments[order.symbol] = order.instrument
        changes.coins[self.instrument.coin] = None

    # closing orders must not open positions

    def _limit_closing_orders(self, account: Account, position: Position, taker: Order) -> None:
        """Shrink or cancel closing orders, latest first, until their total does not exceed the position."""
        room = position.lots
        for order in self._closing_orders(account, position):
            kept = min(order.leaves, room) if order.sign == -position.sign else 0
            room -= kept
            if not kept:
                self._cancel(order, "CancelByReduceOnly")
            elif kept < order.leaves:
                order.lots -= order.leaves - kept
                self.matcher.amend(order, kept)
                self._mark_changed(order)
        if (
            isinstance(taker, AccountOrder)
            and taker.only_closes
            and account_of(taker) is account
            and taker.position_index == position.index
        ):
            taker.leaves = min(taker.leaves, position.lots if position.sign == -taker.sign else 0)

    # conditional orders

    def _add_stop(self, order: AccountOrder) -> None:
        order.status = "Untriggered"
        self._stops[order] = None
        account_of(order).untriggered[order.order_id] = order
        self._mark_changed(order)

    def _sync_tp_sl_orders(self, order: AccountOrder, position: Position) -> None:
        """Adjust take-profit and stop-loss orders to the position that they close; ``order`` was just filled."""
        tp_sl_orders = position.tp_sl_orders
        for name, closing in list(tp_sl_orders.items()):
            if closing.sign != -position.sign or not closing.is_open:
                del tp_sl_orders[name]
                if closing.is_open:
                    self._cancel(closing, "CancelByTpSlTsClear")
            elif closing.lots != position.lots:
                closing.lots = closing.leaves = position.lots
                self._mark_changed(closing)
        if order.sign != position.sign:
            return
        for name, tick, trigger_sign in (
            ("TakeProfit", order.take_profit_tick, order.sign),
            ("StopLoss", order.stop_loss_tick, -order.sign),
        ):
            existing = tp_sl_orders.get(name)
            if not tick or (existing and existing.trigger_tick == tick):
                continue
            if existing:
                self._cancel(existing, "CancelByTpSlTsClear")
            tp_sl_orders[name] = closing = self._closing_order(order.owner, position, f"CreateBy{name}")
            closing.close_on_trigger = True
            closing.trigger_tick, closing.trigger_sign, closing.stop_order_type = tick, trigger_sign, name
            self._add_stop(closing)

    def _closing_order(self, owner: object, position: Position, create_type: str) -> AccountOrder:
        """Return a new market order of the venue itself that closes a position."""
        now_ns = self._clearing.now_ns
        return AccountOrder(
            -position.sign,
            0,
            position.lots,
            owner,
            order_id=self._clearing.new_id(),
            order_link_id="",
            instrument=self.instrument,
            order_type="Market",
            lots=position.lots,
            time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL,
            created_ns=now_ns,
            updated_ns=now_ns,
            reduce_only=True,
            create_type=create_type,
            position_index=position.index,
        )

    def _trigger_one(self) -> bool:
        """Execute one conditional order whose trigger price was reached. Returns False if there is none."""
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
            position.tp_sl_orders = {name: each for name, each in position.tp_sl_orders.items() if each is not stop}
        # A copy announces the trigger; the order itself goes on as an active order.
        triggered = replace(stop)
        self._close(triggered, "Triggered", "")
        self._mark_changed(triggered)
        order = stop
        order.status = "Created"
        if order.close_on_trigger:
            position = account.position_for(self.instrument, order.sign, only_closes=True)
            for other in self._closing_orders(account, position):
                self._cancel(other, "CancelByReduceOnly")
        try:
            self._admit(account, order)
        except OrderRejected:
            self._close(order, "Rejected", "CancelByReduceOnly" if order.only_closes else "")
            self._mark_changed(order)
        else:
            self._execute(order)
        return True

    # liquidation

    def _liquidate_one(self) -> bool:
        """Liquidate one position whose liquidation price the mark price has reached. Returns False if there is none."""
        mark = self.mark_price
        for account in self._clearing.accounts.values():
            for position in account.positions_in(self.instrument):
                if position.lots and position.sign * (mark - position.liq_price) <= 0:
                    self._liquidate(account, position)
                    return True
        return False

    def _liquidate(self, account: Account, position: Position) -> None:
        """Transfer a position to the insurance fund at its bankruptcy price."""
        for order in account.orders_in(self.instrument.symbol):
            self._cancel(order, "CancelByPrepareLiq")
        tick = self.instrument.tick_of(position.bust_price)
        order = self._closing_order(account, position, "CreateByLiq")
        order.tick, order.leaves = tick, 0
        self.liquidations.append(Liquidation(position.side, tick, position.lots, self._clearing.now_ns))
        counterpart = Order(position.sign, tick, 0, self._clearing.insurance_fund)
        trade = Trade(counterpart, order, tick, order.lots)
        self._clearing.settle(self.instrument, trade, self.matcher.sequence, "BustTrade")
        self._on_fill(order)
        self._sync_tp_sl_orders(order, position)

    def _unload_insurance_fund(self) -> bool:
        """Close as much of the insurance fund's position as the book can fill. Returns False if nothing was filled."""
        position = self._clearing.insurance_fund.position(self.instrument)
        if not position.lots:
            return False
        last = self.matcher.last_tick
        tick = max(1, last - position.sign * int(last * _MARKET_ORDER_RANGE))
        order = Order(-position.sign, tick, position.lots, self._clearing.insurance_fund)
        return bool(self._match(order, TimeInForce.IMMEDIATE_OR_CANCEL))

    def _process_consequences(self) -> None:
        """Process triggers and liquidations, which may cause each other, until none is left."""
        self.background_traders.replenish()
        while self._trigger_one() or self._liquidate_one() or self._unload_insurance_fund():
            self.background_traders.replenish()


def _account_orders(trade: Trade) -> list[AccountOrder]:
    return [order for order in (trade.maker, trade.taker) if isinstance(order, AccountOrder)]
