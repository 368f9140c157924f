"""The frames of the private topics: what an account is told of what changed, in the words of both dialects."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import msgspec

from depthwire.venue import private_inverse, private_linear
from depthwire.venue.accounts import Account, Changes
from depthwire.venue.instruments import Instrument
from depthwire.venue.market import Dialect
from depthwire.venue.orders import AccountOrder, Execution, Fields

_LINEAR_COIN = "USDT"


class PrivateFrame(NamedTuple):
    """What one account is to be told on one topic of one dialect."""

    key: str
    """The account's API key."""
    dialect: Dialect
    topic: str
    raw: bytes


class _Words(Protocol):
    """A dialect's private topics."""

    HEADS: dict[str, Fields]

    def order(self, order: AccountOrder) -> Fields: ...
    def stop_order(self, account: Account, order: AccountOrder) -> Fields: ...
    def execution(self, fill: Execution) -> Fields: ...
    def positions(self, account: Account, instrument: Instrument) -> list[Fields]: ...
    def wallet(self, account: Account, coin: str) -> Fields: ...


_WORDS: dict[Dialect, _Words] = {Dialect.INVERSE: private_inverse, Dialect.LINEAR: private_linear}


def private_frames(account: Account) -> Iterator[PrivateFrame]:
    """Tells an account's changes since the last call: orders, executions, conditional orders, positions, wallet."""
    changes, account.changes = account.changes, Changes()
    for dialect, words in _WORDS.items():
        for topic, data in _told(account, changes, dialect, words):
            if data:
                frame = {"topic": topic, **words.HEADS.get(topic, {}), "data": data}
                yield PrivateFrame(account.key, dialect, topic, msgspec.json.encode(frame))


def _told(account: Account, changes: Changes, dialect: Dialect, words: _Words) -> Iterator[tuple[str, list[Fields]]]:
    yield "order", [words.order(order) for order in changes.orders if order.instrument.dialect is dialect]
    executions = [fill for fill in changes.executions if fill.order.instrument.dialect is dialect]
    yield "execution", [words.execution(fill) for fill in executions]
    stops = [order for order in changes.stop_orders if order.instrument.dialect is dialect]
    yield "stop_order", [words.stop_order(account, order) for order in stops]
    for instrument in changes.instruments.values():
        if instrument.dialect is dialect:
            yield "position", words.positions(account, instrument)
    yield (
        "wallet",
        [
            words.wallet(account, coin)
            for coin in changes.coins
            if (coin == _LINEAR_COIN) == (dialect is Dialect.LINEAR) and _is_news(account, coin)
        ],
    )


def _is_news(account: Account, coin: str) -> bool:
    balance = account.balance(coin)
    if account.told.get(coin) == balance:
        return False
    account.told[coin] = balance
    return True
