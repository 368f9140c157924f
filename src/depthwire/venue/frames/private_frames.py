"""The frames of the private topics: what an account is told of what changed, in the words of every dialect."""

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import NamedTuple

from depthwire.venue.frames import private_v2, private_v5
from depthwire.venue.market.accounts import Account, Changes
from depthwire.venue.market.market import Category, Dialect


class PrivateTopic(NamedTuple):
    """What one account is told in one dialect. v5 has one for all categories, whose name may hold one."""

    key: str
    """The account's API key."""
    dialect: Dialect
    category: Category | None
    name: str


class PrivateFrame:
    """A frame of a private topic; its bytes are made when somebody wants them, at once or not at all."""

    def __init__(self, topic: PrivateTopic, encode: Callable[[], bytes]) -> None:
        self.topic = topic
        self._encode = encode

    @cached_property
    def raw(self) -> bytes:
        """The bytes, as things are when they are first asked for."""
        return self._encode()


def private_frames(account: Account, at_ns: int) -> Iterator[PrivateFrame]:
    """Tells an account's changes since the last call: orders, executions, conditional orders, positions, wallet."""
    changes, account.changes = account.changes, Changes()
    changes.coins = {coin: None for coin in changes.coins if _is_news(account, coin)}
    for category in (Category.INVERSE, Category.LINEAR):
        for name, encode in private_v2.told(account, changes, category):
            yield PrivateFrame(PrivateTopic(account.key, Dialect.V2, category, name), encode)
    for name, encode in private_v5.told(account, changes, at_ns):
        yield PrivateFrame(PrivateTopic(account.key, Dialect.V5, None, name), encode)


def _is_news(account: Account, coin: str) -> bool:
    balance = account.balance(coin)
    if account.told.get(coin) == balance:
        return False
    account.told[coin] = balance
    return True
