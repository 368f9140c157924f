"""Authentication: who signs in, and what is sent for it. Secrets are never shown.

Source: the exchange's inverse WebSocket document, "Authentication": the signature is the hexadecimal HMAC-SHA256 of
``GET/realtime`` followed by ``expires`` (ms since the epoch), with the API secret as its key.
"""

import hashlib
import hmac
import os
import time
from collections.abc import Callable
from typing import Final
from urllib.parse import urlencode

from depthwire.callbacks import checked_callback
from depthwire.errors import AuthError

KEY_VARIABLE: Final = "DEPTHWIRE_API_KEY"
SECRET_VARIABLE: Final = "DEPTHWIRE_API_SECRET"  # noqa: S105 - the name of the variable
ANY_REASON: Final = "Params Error"  # v5's refusal of a sign-in


class Credentials:
    """An API key and its secret. The secret is a text, or a callable that fetches it each time it is needed."""

    def __init__(self, api_key: str, api_secret: str | Callable[[], str]) -> None:
        if not api_key or not api_secret:
            raise AuthError("an API key needs its secret, and a secret its key; give both, or neither")
        if callable(api_secret):
            checked_callback(api_secret)
        self.api_key = api_key
        self._secret = api_secret

    @classmethod
    def given(cls, api_key: str | None, api_secret: str | Callable[[], str] | None) -> "Credentials | None":
        """From arguments, None where there are none; raises AuthError where one of the two is missing."""
        return cls(api_key or "", api_secret or "") if api_key or api_secret else None

    @classmethod
    def from_environment(cls) -> "Credentials | None":
        """From DEPTHWIRE_API_KEY and DEPTHWIRE_API_SECRET, as :meth:`given`."""
        return cls.given(os.environ.get(KEY_VARIABLE), os.environ.get(SECRET_VARIABLE))

    def signed(self, window_s: float, now_s: Callable[[], float] = time.time) -> tuple[str, int, str]:
        """(api_key, expires in ms, signature), valid for ``window_s`` from now; AuthError where there is no secret."""
        expires_ms = int((now_s() + window_s) * 1000)
        return self.api_key, expires_ms, signature(self.secret(), expires_ms)

    def secret(self) -> str:
        """The secret, fetched now where a callable fetches it; raises AuthError where that fails."""
        failure = ""
        secret: object = ""
        try:
            secret = self._secret() if callable(self._secret) else self._secret
        except Exception as error:
            failure = type(error).__name__
        if failure:
            # Outside the handler: what was raised may quote the secret, and must not be the context of this error.
            raise AuthError(f"the callable given as api_secret raised {failure}")
        if not isinstance(secret, str):
            raise AuthError(f"the callable given as api_secret returned {type(secret).__name__}, not a str")
        if not secret or not secret.isprintable():
            raise AuthError("the API secret is empty, or has characters that cannot be printed")
        return secret

    def query(self, window_s: float) -> str:
        """The same as a URL's query."""
        api_key, expires_ms, signed = self.signed(window_s)
        return urlencode({"api_key": api_key, "expires": expires_ms, "signature": signed})

    def __repr__(self) -> str:
        return "<Credentials, not shown>"


def signature(secret: str, expires_ms: int) -> str:
    """The signature of a sign-in that expires at ``expires_ms``."""
    return hmac.new(secret.encode(), f"GET/realtime{expires_ms}".encode(), hashlib.sha256).hexdigest()


def refusal(reason: str, window_s: float, clock_offset_s: float | None) -> AuthError:
    """The error for a refused sign-in; speaks of the clock where that is the cause.

    v5 has one text for every reason: there the clock is the cause if it lags by more than the window.
    """
    lags = clock_offset_s is not None and clock_offset_s < -window_s
    if "expired" not in reason and not (lags and reason == ANY_REASON):
        return AuthError(f"the venue refused the sign-in: {reason}")
    offset = "" if clock_offset_s is None else f"; by the venue's Date header this clock is {clock_offset_s:+.0f} s off"
    return AuthError(
        f"the venue refused the sign-in: {reason}: this machine's clock is off, or the window of {window_s:g} s is too "
        f"small (auth_window_s){offset}"
    )
