"""Who may see an account: API keys, signatures and their expiry, by the venue's own clock.

Source: the exchange's inverse WebSocket document, "Authentication"; the refusal of an expired request was seen on the
wire.
"""

import hashlib
import hmac
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from depthwire.venue.market.accounts import Account

_FORM = 'expected {"op":"auth","args":[api_key,expires,signature]}'
_DIGITS = 18  # of a time in ms, at most


class SignInRefused(Exception):
    """The text says why, in the words of the v2 dialect."""


class VenueClock:
    """By which the venue judges whether a request has expired: this machine's clock, shifted by ``offset_s``.

    The market's time is another one: it may run faster than its customers' clocks.
    """

    def __init__(self) -> None:
        self.offset_s = 0.0

    def now_s(self) -> float:
        """Seconds since the epoch."""
        return time.time() + self.offset_s


def account_for(
    args: list[Any] | None, accounts: Mapping[str, Account], clock: VenueClock, signed_in: Account | None
) -> Account:
    """The account that the arguments of an ``auth`` request open. Raises ``SignInRefused``, also where another one is
    signed in already.

    ``expires`` (ms since the epoch; a number or its text) must be later than now; the signature is
    hex(HMAC-SHA256(secret, "GET/realtime" + expires)).
    """
    match args:
        case [str(key), int() | str() as expires, str(signature)] if str(expires).isdecimal():
            pass
        case _:
            raise SignInRefused(f"invalid args: {_FORM}")
    account = accounts.get(key)
    if account is None:
        raise SignInRefused("invalid api_key")
    if int(str(expires)[:_DIGITS]) <= clock.now_s() * 1000:
        raise SignInRefused("request expired")
    expected = hmac.new(account.secret.encode(), f"GET/realtime{expires}".encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected.encode(), signature.lower().encode()):
        raise SignInRefused("invalid signature")
    if signed_in not in (None, account):
        raise SignInRefused("signed in with another api_key")
    return account


def args_in_query(path: bytes) -> list[Any] | None:
    """The arguments that stand in a URL's query; None where it has none of them."""
    query = parse_qs(path.partition(b"?")[2].decode("latin-1"))
    names = ("api_key", "expires", "signature")
    if not query.keys() & set(names):
        return None
    key, expires, signature = (query.get(name, [""])[0] for name in names)
    return [key, int(expires) if expires.isdecimal() and len(expires) <= _DIGITS else expires, signature]
