"""Signs one connection in, in its URL or with a request, and shows what became of that."""

import asyncio
import time
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import msgspec

from depthwire.bybit.auth import Credentials, as_query
from depthwire.bybit.dialect import Answer, Dialect
from depthwire.errors import AuthError, ConnectionLost
from depthwire.feed.callbacks import report_raised
from depthwire.session.handshake import Refusal
from depthwire.session.options import ConnectOptions
from depthwire.session.phase import Phase
from depthwire.session.sign_in import Arguments, SignInPolicy

if TYPE_CHECKING:
    from depthwire.session.connection import Connection

# The key may be the reason: a malformed request, or an address that the key is not for. Or the server bars everyone.
PERHAPS_THE_KEY: Final = HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN


class Authentication:
    """The sign-in of one connection. ``policy`` knows when it may be tried; successive connections share it.

    The connection serves public topics whether or not it is ``signed_in``. ``is_clock_corrected`` is True if the latest
    handshake was refused because of the clock; the next one uses the server's clock.
    """

    def __init__(self, connection: "Connection", dialect: Dialect, options: ConnectOptions) -> None:
        settings = options.settings
        self.policy = SignInPolicy(settings.auth_window_s, options.auth_way, settings.backoff())
        self.signed_in = self.is_clock_corrected = False
        self._connection = connection
        self._dialect = dialect
        self._timeout_s = settings.timeout_s
        self._is_unanswered = False  # a sign-in was sent, and is neither answered nor given up

    @property
    def credentials(self) -> Credentials | None:
        """The API key and secret that sign in; None if there is no sign-in."""
        return self.policy.credentials

    @credentials.setter
    def credentials(self, credentials: Credentials | None) -> None:
        self.policy.credentials = credentials

    def use(self, credentials: Credentials) -> None:
        """Sign in with a request from now on."""
        self.policy.credentials, self.policy.way = credentials, "op"

    @property
    def is_due(self) -> bool:
        """Whether the connection should sign in, and has not."""
        return self.policy.credentials is not None and not self.signed_in

    def _arguments(self) -> Arguments | None:
        """Return what signs in now, as the policy does; if fetching the secret should end the program, end the loop."""
        try:
            return self.policy.arguments()
        except AuthError as error:
            if error.__cause__ is not None:
                report_raised(error.__cause__, "the callable given as api_secret", self._connection.owner.report)
            raise

    # ---- in the URL

    def target(self, url: str) -> str:
        """Return the URL to connect to, signed if the sign-in belongs there and may be tried now."""
        self.signed_in = self._is_unanswered = self.is_clock_corrected = False
        arguments = None
        if self.policy.credentials is not None and self.policy.way == "url":
            with suppress(AuthError):  # reported when it is tried again, after connecting
                arguments = self._arguments()
        if arguments is None:
            return url
        self.signed_in = self._is_unanswered = True
        return f"{url}{'&' if '?' in url else '?'}{as_query(arguments)}"

    def handshake_refused(self, refusal: Refusal, *, is_first: bool) -> None:
        """Note a refused handshake: if it was signed, the next one is not, and brings the public topics back."""
        if not self._is_unanswered:
            return
        self._is_unanswered = False
        if refusal.status == HTTPStatus.UNAUTHORIZED:
            offset_s = None if refusal.date_s is None else time.time() - refusal.date_s
            error = self.policy.refused(refusal.text, offset_s, names_cause=False)
            self.is_clock_corrected = self.policy.wait_s() == 0.0
        elif refusal.status in PERHAPS_THE_KEY:
            error = self.policy.blocked(refusal.text)
        else:
            return
        if not self.is_clock_corrected and not is_first:
            self._failed(error)

    def server_has_spoken(self) -> None:
        """Note an answer to any request: a server that answers has accepted a signed URL, or refuses it now."""
        self._is_unanswered &= self.policy.way == "op"

    def answered(self, answer: Answer) -> bool:
        """Process an answer without a request; return whether it answers the sign-in of a signed URL."""
        if not self.signed_in or self.policy.way != "url":
            return False
        if answer.success:
            self._succeeded()
        else:
            self._failed(self.policy.refused(answer.reason, self._connection.clock_offset_s()))
            self._connection.spawn(self.sign_in_until_accepted())
        return True

    # ---- with a request

    async def sign_in(self) -> bool:
        """Sign in, once more if the clock was corrected; returns False if that may not be tried yet.

        Raises AuthError or ConnectionLost.
        """
        while (arguments := self._arguments()) is not None:
            error = await self._try(arguments)
            if error is None:
                return True
            if self.policy.wait_s() != 0.0:
                raise error
        return False

    async def sign_in_or_raise(self) -> None:
        """Sign in; raises ConnectionLost, or AuthError (also if a refused key may not be tried yet)."""
        if not await self.sign_in():
            raise AuthError(str(self.policy.refusal))

    async def _try(self, arguments: Arguments) -> AuthError | None:
        """Send one sign-in and wait for its answer; returns why it failed, or None. Raises ConnectionLost."""
        connection = self._connection
        self._is_unanswered = True
        try:
            answer = await connection.request(*self._dialect.auth_request(*arguments), timeout_s=self._timeout_s)
        except TimeoutError:
            error = self.policy.unanswered(f"none came within {self._timeout_s:g} s")
            if connection.is_private:
                connection.drop(str(error))  # it serves nothing else: a new connection may be answered
            return error
        finally:
            self._is_unanswered = False
        if not answer.success:
            return self.policy.refused(answer.reason, connection.clock_offset_s())
        self._succeeded()
        return None

    async def sign_in_until_accepted(self) -> None:
        """Try to sign in whenever the policy allows it, until it is accepted or the connection is lost."""
        connection, lost = self._connection, self._connection.lost
        while lost is not None and not lost.done():
            connection.note(Phase.SIGNING_IN)
            try:
                if await self.sign_in():
                    if not lost.done():
                        connection.note(Phase.LIVE)
                        connection.owner.signed_in()
                    return
            except ConnectionLost:
                return
            except AuthError as error:
                self._failed(error)
            else:
                self._show(AuthError(str(self.policy.refusal)))
            wait_s = self.policy.wait_s()
            if wait_s is None:
                return
            await asyncio.wait((lost,), timeout=wait_s)

    def connection_lost(self, reason: str, *, is_reported: bool) -> None:
        """Note that the connection was lost; if a sign-in was unanswered, its failure is reported if wanted."""
        was_unanswered, self._is_unanswered = self._is_unanswered, False
        self.signed_in = False
        if was_unanswered and is_reported:
            self._failed(self.policy.unanswered(f"the connection was lost before one came: {reason}"))

    # ---- the outcome

    def _succeeded(self) -> None:
        self.signed_in = True
        self.policy.accepted()
        self._connection.note(self._connection.status.phase, sign_in_refusal="", sign_in_ns=None)

    def _failed(self, error: AuthError) -> None:
        """Report a sign-in that failed."""
        self.signed_in = False
        self._connection.owner.report(error)
        self._show(error)

    def _show(self, error: AuthError) -> None:
        """Show why topics that need a sign-in are not served; their readers get the error once for each reason."""
        connection = self._connection
        wait_s = self.policy.wait_s()
        is_new = str(error) != connection.status.sign_in_refusal
        next_ns = None if wait_s is None else time.time_ns() + round(wait_s * 1e9)
        connection.status = msgspec.structs.replace(connection.status, sign_in_refusal=str(error), sign_in_ns=next_ns)
        if connection.connected:
            connection.note(Phase.LIVE)
        if is_new:
            connection.owner.sign_in_refused(error)
