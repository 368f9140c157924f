"""The v2 private topics: what is told where, in the words of `private_inverse` and `private_linear`."""

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


class _Words(Protocol):
    """A category's private topics."""

    HEADS: dict[str, Fields]

    def order(self, order: AccountOrder) -> Fields: ...
    def stop_order(self, account: Account, order: AccountOrder) -> Fields: ...
    def execution(self, fill: Execution) -> Fields: ...
    def positions(self, account: Account, instrument: Instrument) -> list[Fields]: ...
    def wallet(self, account: Account, coin: str) -> Fields: ...


_WORDS: dict[Category, _Words] = {Category.INVERSE: private_inverse, Category.LINEAR: private_linear}


def told(account: Account, changes: Changes, category: Category) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """The topics of a category with news, and what makes their frames."""
    words = _WORDS[category]

    def frame(topic: str, data: Callable[[], list[Fields]]) -> tuple[str, Callable[[], bytes]]:
        return topic, lambda: msgspec.json.encode({"topic": topic, **words.HEADS.get(topic, {}), "data": data()})

    if orders := [order for order in changes.orders if order.instrument.category is category]:
        yield frame("order", lambda: [words.order(order) for order in orders])
    if executions := [fill for fill in changes.executions if fill.order.instrument.category is category]:
        yield frame("execution", lambda: [words.execution(fill) for fill in executions])
    if stops := [order for order in changes.stop_orders if order.instrument.category is category]:
        yield frame("stop_order", lambda: [words.stop_order(account, order) for order in stops])
    for instrument in changes.instruments.values():
        if instrument.category is category:
            yield frame("position", partial(words.positions, account, instrument))
    if coins := [coin for coin in changes.coins if (coin == _LINEAR_COIN) == (category is Category.LINEAR)]:
        yield frame("wallet", lambda: [words.wallet(account, coin) for coin in coins])
