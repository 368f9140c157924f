"""The frames of the private topics: an account's changes in every dialect."""

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import NamedTuple

from depthwire.venue.frames import private_v2, private_v5
from depthwire.venue.market.accounts import Account, Changes
from depthwire.venue.market.market import Category, Dialect


class PrivateTopic(NamedTuple):
    """A private topic of one account in one dialect. On v5 the category is None; the name may contain one."""

    key: str
    """The account's API key."""
    dialect: Dialect
    category: Category | None
    name: str


class PrivateFrame:
    """A frame of a private topic, encoded on first use."""

    def __init__(self, topic: PrivateTopic, encode: Callable[[], bytes]) -> None:
        self.topic = topic
        self._encode = encode

    @cached_property
    def raw(self) -> bytes:
        """The bytes, with the account's state at the first access."""
        return self._encode()


def private_frames(account: Account, at_ns: int) -> Iterator[PrivateFrame]:
    """Yield frames with an account's changes since the last call."""
    changes, account.changes = account.changes, Changes()
    changes.coins = {coin: None for coin in changes.coins if _has_new_balance(account, coin)}
    for category in (Category.INVERSE, Category.LINEAR):
        for name, encode in private_v2.changed_topics(account, changes, category):
            yield PrivateFrame(PrivateTopic(account.key, Dialect.V2, category, name), encode)
    for name, encode in private_v5.changed_topics(account, changes, at_ns):
        yield PrivateFrame(PrivateTopic(account.key, Dialect.V5, None, name), encode)


def _has_new_balance(account: Account, coin: str) -> bool:
    balance = account.balance(coin)
    if account.published_balances.get(coin) == balance:
        return False
    account.published_balances[coin] = balance
    return True
