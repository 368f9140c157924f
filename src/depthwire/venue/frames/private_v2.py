"""The v2 private topics: which of them have changes, and their frames."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Protocol

import msgspec

from depthwire.venue.frames import private_inverse, private_linear
from depthwire.venue.market.accounts import Account, Changes
from depthwire.venue.market.instruments import Instrument
from depthwire.venue.market.market import Category
from depthwire.venue.market.orders import AccountOrder, Execution, Fields

_LINEAR_COIN = "USDT"


class _Encoder(Protocol):
    """Encodes the private topics of a category."""

    HEADS: dict[str, Fields]

    def order(self, order: AccountOrder) -> Fields: ...
    def stop_order(self, account: Account, order: AccountOrder) -> Fields: ...
    def execution(self, fill: Execution) -> Fields: ...
    def positions(self, account: Account, instrument: Instrument) -> list[Fields]: ...
    def wallet(self, account: Account, coin: str) -> Fields: ...


_ENCODERS: dict[Category, _Encoder] = {Category.INVERSE: private_inverse, Category.LINEAR: private_linear}


def changed_topics(account: Account, changes: Changes, category: Category) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Yield each topic of a category that has changes, with a function that encodes its frame."""
    encoder = _ENCODERS[category]

    def frame(topic: str, data: Callable[[], list[Fields]]) -> tuple[str, Callable[[], bytes]]:
        return topic, lambda: msgspec.json.encode({"topic": topic, **encoder.HEADS.get(topic, {}), "data": data()})

    if orders := [order for order in changes.orders if order.instrument.category is category]:
        yield frame("order", lambda: [encoder.order(order) for order in orders])
    if executions := [fill for fill in changes.executions if fill.order.instrument.category is category]:
        yield frame("execution", lambda: [encoder.execution(fill) for fill in executions])
    if stops := [order for order in changes.stop_orders if order.instrument.category is category]:
        yield frame("stop_order", lambda: [encoder.stop_order(account, order) for order in stops])
    for instrument in changes.instruments.values():
        if instrument.category is category:
            yield frame("position", partial(encoder.positions, account, instrument))
    if coins := [coin for coin in changes.coins if (coin == _LINEAR_COIN) == (category is Category.LINEAR)]:
        yield frame("wallet", lambda: [encoder.wallet(account, coin) for coin in coins])
