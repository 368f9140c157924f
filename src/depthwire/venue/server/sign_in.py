"""Sign-in with API keys: verifies signatures and their expiry by the venue's clock.

Source: "Authentication" in the exchange's inverse WebSocket documentation.
The refusal of an expired request was observed.
"""

import hashlib
import hmac
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from depthwire.venue.market.accounts import Account

_FORM = 'expected {"op":"auth","args":[api_key,expires,signature]}'
_MAX_DIGITS = 18  # of a time in ms


class SignInRefused(Exception):
    """The venue refuses a sign-in; the text is the reason as v2 sends it."""


class VenueClock:
    """The clock that decides whether a sign-in has expired: the system clock plus ``offset_s``.

    It is independent of the market time, which may run faster than real time.
    """

    def __init__(self) -> None:
        self.offset_s = 0.0

    def now_s(self) -> float:
        """Return the time in seconds since the epoch."""
        return time.time() + self.offset_s


def account_for(
    args: list[Any] | None, accounts: Mapping[str, Account], clock: VenueClock, signed_in: Account | None
) -> Account:
    """Return the account that the arguments of an ``auth`` request sign in.

    ``expires`` (ms since the epoch, as a number or text) must be in the future. The signature is
    hex(HMAC-SHA256(secret, "GET/realtime" + expires)). Raises ``SignInRefused`` if an argument is invalid, or another
    account has signed in.
    """
    match args:
        case [str(key), int() | str() as expires, str(signature)] if str(expires).isdecimal():
            pass
        case _:
            raise SignInRefused(f"invalid args: {_FORM}")
    account = accounts.get(key)
    if account is None:
        raise SignInRefused("invalid api_key")
    if int(str(expires)[:_MAX_DIGITS]) <= clock.now_s() * 1000:
        raise SignInRefused("request expired")
    expected = hmac.new(account.secret.encode(), f"GET/realtime{expires}".encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected.encode(), signature.lower().encode()):
        raise SignInRefused("invalid signature")
    if signed_in not in (None, account):
        raise SignInRefused("signed in with another api_key")
    return account


def args_in_query(path: bytes) -> list[Any] | None:
    """Return the sign-in arguments in a URL's query; None if it has none."""
    query = parse_qs(path.partition(b"?")[2].decode("latin-1"))
    names = ("api_key", "expires", "signature")
    if not query.keys() & set(names):
        return None
    key, expires, signature = (query.get(name, [""])[0] for name in names)
    return [key, int(expires) if expires.isdecimal() and len(expires) <= _MAX_DIGITS else expires, signature]
