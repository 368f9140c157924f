"""When an endpoint's connections may sign in, so that a refused key is not tried again and again."""

import hashlib
import logging
import math
import os
import time
from collections.abc import Callable
from typing import Final, Literal

from depthwire.bybit.auth import Cause, Credentials, cause_of, refusal, venue_time_s
from depthwire.errors import AuthError

AuthWay = Literal["op", "url"]
Arguments = tuple[str, int, str]
RETRY_S: Final = 60.0
MOST_TRIES: Final = 5
log = logging.getLogger("depthwire")


class SignIn:
    """The sign-ins of one endpoint, over all of its connections; wanted while there are ``credentials``.

    ``refusal`` is the latest one, None once a sign-in was accepted. A refused key is tried once a minute, and five
    times in all, unless its secret is fetched by a callable that gives another one. A sign-in that gets no answer is
    tried once a minute. A refused clock is corrected by the venue's, and tried once more at once.
    """

    def __init__(self, window_s: float, way: AuthWay, *, clock_s: Callable[[], float] = time.monotonic) -> None:
        self.credentials: Credentials | None = None
        self.way: AuthWay = way
        self.refusal: AuthError | None = None
        self._window_s = window_s
        self._clock_s = clock_s
        self._clock_offset_s = 0.0  # by which this machine's clock is ahead of the venue's, as far as a refusal showed
        self._is_corrected = False
        self._salt = os.urandom(16)
        self._asked = self._refused = b""  # digests of a key and its secret
        self._tries = 0
        self._due_s = -math.inf

    def arguments(self) -> Arguments | None:
        """What signs in now; None where a refused key is not to be tried yet, or no more.

        Raises AuthError where there are no credentials, or their secret cannot be fetched.
        """
        if self.credentials is None:
            raise AuthError("there is no API key to sign in with")
        secret = self.credentials.secret()
        self._asked = hashlib.blake2b(f"{self.credentials.api_key}\0{secret}".encode(), key=self._salt).digest()
        if self._asked != self._refused:
            self._tries, self._is_corrected = 0, False
        elif self._tries >= MOST_TRIES or self._clock_s() < self._due_s:
            return None
        return self.credentials.signed(secret, self._window_s, lambda: time.time() - self._clock_offset_s)

    def wait_s(self) -> float | None:
        """How long until the next try, in seconds; None where there is none. O(1)."""
        if self.refusal is None:
            return 0.0
        if self._tries >= MOST_TRIES:
            return RETRY_S if self.credentials is not None and self.credentials.may_change else None
        return max(self._due_s - self._clock_s(), 0.0)

    def accepted(self) -> None:
        """The venue took the latest try."""
        self.refusal = None
        self._refused = b""
        self._tries, self._is_corrected = 0, False

    def refused(self, reason: str, clock_offset_s: float | None) -> AuthError:
        """The venue refused the latest try; returns the error that says so.

        ``clock_offset_s`` is by how much this machine's clock is ahead of the venue's, None where that is not known.
        """
        venue_s = venue_time_s(reason)
        if venue_s is not None:
            clock_offset_s = time.time() - venue_s
        cause = cause_of(reason, self._window_s, clock_offset_s)
        text = str(refusal(reason, self._window_s, clock_offset_s))
        if cause is Cause.CLOCK and clock_offset_s is not None and not self._is_corrected:
            log.warning("%s; signing in once more, by the venue's clock", text)
            self._clock_offset_s, self._is_corrected = clock_offset_s, True
            return self._keep(text, 0.0)
        self._tries += cause is not Cause.BUSY
        if self._tries >= MOST_TRIES:
            text += f"; refused {self._tries} times, and not tried again with this secret"
        return self._keep(text, RETRY_S)

    def unanswered(self, what_happened: str) -> AuthError:
        """The latest try got no answer to itself; returns the error that says so."""
        return self._keep(f"no answer to the sign-in: {what_happened}", RETRY_S)

    def _keep(self, text: str, wait_s: float) -> AuthError:
        self._refused = self._asked
        self._due_s = self._clock_s() + wait_s
        self.refusal = AuthError(text)
        return self.refusal
