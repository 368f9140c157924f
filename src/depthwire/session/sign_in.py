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
from depthwire.settings import Backoff

AuthWay = Literal["op", "url"]
Arguments = tuple[str, int, str]
RETRY_S: Final = 60.0
MOST_TRIES: Final = 5
log = logging.getLogger("depthwire")


class SignInPolicy:
    """The sign-ins of one endpoint, across its connections; wanted while there are ``credentials``.

    It alone knows when the next try is due. A refused key is tried once a minute and five times in all, unless a
    callable fetches its secret and returns another one. If the venue refuses the clock, its own clock is used for one
    more try at once. A try that gets no answer is repeated after ``backoff``. ``refusal`` is the latest failure, None
    after a sign-in was accepted.
    """

    def __init__(
        self, window_s: float, way: AuthWay, backoff: Backoff, *, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self.credentials: Credentials | None = None
        self.way: AuthWay = way
        self.refusal: AuthError | None = None
        self._window_s = window_s
        self._backoff = backoff
        self._clock_s = clock_s
        self._clock_offset_s = 0.0  # this machine's clock minus the venue's, from the last refusal
        self._is_corrected = False
        self._salt = os.urandom(16)
        self._asked = self._failed = b""  # digests of a key and its secret
        self._refusals = 0
        self._due_s = -math.inf

    def arguments(self) -> Arguments | None:
        """Return what signs in now; None if the next try is not due yet, or never.

        Raises AuthError if there are no credentials, or if their secret cannot be fetched.
        """
        if self.credentials is None:
            raise AuthError("there is no API key to sign in with")
        try:
            secret = self.credentials.secret()
        except AuthError as error:
            self._keep(error, self._backoff.next_s())
            raise
        self._asked = hashlib.blake2b(f"{self.credentials.api_key}\0{secret}".encode(), key=self._salt).digest()
        if self._asked != self._failed:
            self._refusals, self._is_corrected = 0, False
        elif self._clock_s() < self._due_s:
            return None
        elif self._refusals >= MOST_TRIES:
            self._due_s = self._clock_s() + RETRY_S  # to ask for the secret again
            return None
        return self.credentials.signed(secret, self._window_s, lambda: time.time() - self._clock_offset_s)

    def wait_s(self) -> float | None:
        """Return how long until the next try, in seconds; None if there is none. O(1)."""
        if self._refusals >= MOST_TRIES and not (self.credentials is not None and self.credentials.may_change):
            return None
        return max(self._due_s - self._clock_s(), 0.0)

    def accepted(self) -> None:
        """Note that the venue accepted the latest try."""
        self.refusal = None
        self._failed = b""
        self._refusals, self._is_corrected = 0, False
        self._due_s = -math.inf

    def refused(self, reason: str, clock_offset_s: float | None, *, names_cause: bool = True) -> AuthError:
        """Note that the venue refused the latest try, and return the error to report.

        ``clock_offset_s`` is this machine's clock less the venue's, None if unknown. If ``reason`` does not name the
        cause, a clock that is off by more than the window counts as the cause.
        """
        venue_s = venue_time_s(reason)
        if venue_s is not None:
            clock_offset_s = time.time() - venue_s
        cause = cause_of(reason, self._window_s, clock_offset_s, names_cause=names_cause)
        error = refusal(reason, cause, self._window_s, clock_offset_s)
        if cause is Cause.CLOCK and clock_offset_s is not None and not self._is_corrected:
            log.warning("%s; signing in once more with the venue's clock", error)
            self._clock_offset_s, self._is_corrected = clock_offset_s, True
            return self._failed_with(error, 0.0)
        self._refusals += cause is not Cause.BUSY
        if self._refusals >= MOST_TRIES:
            error = AuthError(f"{error}; refused {self._refusals} times, and not tried again with this secret")
        return self._failed_with(error, RETRY_S)

    def blocked(self, reason: str) -> AuthError:
        """Note an attempt that an HTTP status refused, perhaps because of its key; return the error to report."""
        return self._failed_with(AuthError(f"no answer to the sign-in: {reason}"), RETRY_S)

    def unanswered(self, reason: str) -> AuthError:
        """Note that the latest try got no answer, and return the error to report."""
        return self._failed_with(AuthError(f"no answer to the sign-in: {reason}"), self._backoff.next_s())

    def _failed_with(self, error: AuthError, wait_s: float) -> AuthError:
        self._failed = self._asked
        return self._keep(error, wait_s)

    def _keep(self, error: AuthError, wait_s: float) -> AuthError:
        self._due_s = self._clock_s() + wait_s
        self.refusal = error
        return error
