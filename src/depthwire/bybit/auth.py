"""Authentication: credentials, signatures and refused sign-ins. Secrets are never shown.

Source: the exchange's inverse WebSocket documentation, "Authentication". The signature is the hexadecimal HMAC-SHA256
of ``GET/realtime`` followed by ``expires`` (ms since the epoch), with the API secret as its key.
"""

import hashlib
import hmac
import os
import re
import time
from collections.abc import Callable
from enum import StrEnum
from typing import Final
from urllib.parse import urlencode

from depthwire.errors import AuthError
from depthwire.feed.callbacks import checked_callback

KEY_VARIABLE: Final = "DEPTHWIRE_API_KEY"
SECRET_VARIABLE: Final = "DEPTHWIRE_API_SECRET"  # noqa: S105 - the name of the variable
ANY_REASON: Final = "Params Error"  # v5's refusal of a sign-in
_CLOCK: Final = re.compile(r"expired|timestamp|recv_window", re.IGNORECASE)
_BUSY: Final = re.compile(
    r"busy|too many|too frequent|rate limit|try again|timed? ?out|internal|(server|system) error|unavailable",
    re.IGNORECASE,
)
_VENUE_TIME: Final = re.compile(r"server[_ ]?time(?:stamp)?\W{0,4}(\d{13})\b", re.IGNORECASE)


class Credentials:
    """An API key and its secret, which is a str or a callable that returns it each time it is needed."""

    def __init__(self, api_key: str, api_secret: str | Callable[[], str]) -> None:
        if not api_key or not api_secret:
            raise AuthError("an API key and its secret belong together; give both, or neither")
        if callable(api_secret):
            checked_callback(api_secret)
        self.api_key = api_key
        self._secret = api_secret

    @classmethod
    def given(cls, api_key: str | None, api_secret: str | Callable[[], str] | None) -> "Credentials | None":
        """Return credentials, or None if both arguments are missing. Raises AuthError if one is missing."""
        return cls(api_key or "", api_secret or "") if api_key or api_secret else None

    @classmethod
    def from_environment(cls) -> "Credentials | None":
        """Return the credentials in DEPTHWIRE_API_KEY and DEPTHWIRE_API_SECRET, as :meth:`given` does."""
        return cls.given(os.environ.get(KEY_VARIABLE), os.environ.get(SECRET_VARIABLE))

    def signed(self, secret: str, window_s: float, now_s: Callable[[], float] = time.time) -> tuple[str, int, str]:
        """Return (api_key, expires in ms since the epoch, signature), valid for ``window_s`` seconds from now."""
        expires_ms = int((now_s() + window_s) * 1000)
        return self.api_key, expires_ms, signature(secret, expires_ms)

    def secret(self) -> str:
        """Return the secret; a callable is called for it now. Raises AuthError if that fails.

        If the callable raised SystemExit or KeyboardInterrupt, the cause is an exception of that type without its text.
        """
        failure = ""
        cause: BaseException | None = None
        secret: object = ""
        try:
            secret = self._secret() if callable(self._secret) else self._secret
        except SystemExit as error:
            failure, cause = "SystemExit", SystemExit(error.code if isinstance(error.code, int | None) else 1)
        except KeyboardInterrupt:
            failure, cause = "KeyboardInterrupt", KeyboardInterrupt()
        except BaseException as error:
            failure = type(error).__name__
        if failure:
            # Raised outside the handler: the exception may quote the secret and must not become this error's context.
            raise AuthError(f"the callable given as api_secret raised {failure}") from cause
        if not isinstance(secret, str):
            raise AuthError(f"the callable given as api_secret returned {type(secret).__name__}, not a str")
        if not secret or not secret.isprintable():
            raise AuthError("the API secret is empty or contains characters that cannot be printed")
        return secret

    @property
    def may_change(self) -> bool:
        """Whether a callable returns the secret, so that it may change."""
        return callable(self._secret)

    def __repr__(self) -> str:
        return "<Credentials, not shown>"


def as_query(arguments: tuple[str, int, str]) -> str:
    """Return the result of :meth:`Credentials.signed` as a URL's query."""
    return urlencode(dict(zip(("api_key", "expires", "signature"), arguments, strict=True)))


def signature(secret: str, expires_ms: int) -> str:
    """Return the signature of a sign-in that expires at ``expires_ms`` (ms since the epoch)."""
    return hmac.new(secret.encode(), f"GET/realtime{expires_ms}".encode(), hashlib.sha256).hexdigest()


class Cause(StrEnum):
    """Why a sign-in was refused: CLOCK, BUSY (the venue cannot decide now), or KEY: key, signature or permission."""

    CLOCK = "CLOCK"
    BUSY = "BUSY"
    KEY = "KEY"


def cause_of(reason: str, window_s: float, clock_offset_s: float | None, *, names_cause: bool = True) -> Cause:
    """Return the cause that a refusal names; KEY if it names none.

    v5 has one text for all causes: the clock is the cause if it lags by more than the window. If ``reason`` names no
    cause at all (``names_cause=False``), the clock is also the cause if it leads by more than the window.
    """
    lags = clock_offset_s is not None and clock_offset_s < -window_s
    is_off = clock_offset_s is not None and abs(clock_offset_s) > window_s
    if _CLOCK.search(reason) or (lags and reason == ANY_REASON) or (is_off and not names_cause):
        return Cause.CLOCK
    return Cause.BUSY if _BUSY.search(reason) else Cause.KEY


def venue_time_s(reason: str) -> float | None:
    """Return the venue's time in a refusal, in seconds since the epoch, None if there is none."""
    match = _VENUE_TIME.search(reason)
    return int(match[1]) / 1000 if match else None


def refusal(reason: str, cause: Cause, window_s: float, clock_offset_s: float | None) -> AuthError:
    """Return the error for a refused sign-in, with advice if the clock is the cause."""
    if cause is not Cause.CLOCK:
        return AuthError(f"the venue refused the sign-in: {reason}")
    offset = "" if clock_offset_s is None else f"; by the venue's clock this one is {clock_offset_s:+.0f} s off"
    return AuthError(
        f"the venue refused the sign-in: {reason}: this machine's clock is off, or the window of {window_s:g} s is too "
        f"small (auth_window_s){offset}"
    )
