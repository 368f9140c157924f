"""Why a connection failed or ended, in words."""

import ssl
from typing import NamedTuple

import picows


class Loss(NamedTuple):
    """How a connection ended: in words, and with the close frame's code and reason where there was one."""

    text: str
    code: int | None = None
    reason: str = ""


def loss_of(transport: picows.WSTransport) -> Loss:
    """What the close frames tell of a connection's end; the one that was sent first counts."""
    handshake = transport.close_handshake
    if handshake is not None and handshake.sent is not None and not handshake.recv_then_sent:
        who, frame = "the client", handshake.sent
    elif handshake is not None and handshake.recv is not None:
        who, frame = "the venue", handshake.recv
    else:
        return Loss("the connection broke without a close frame")
    code, reason = int(frame.code), frame.reason or ""  # type: ignore[call-overload]  # its stub hides the integer
    return Loss(f"closed by {who} with code {code}: {reason or 'no reason given'}", code, reason)


def describe(error: Exception, in_tls: bool) -> str:
    """A failure to connect in one line that says what to do about it; without the URL, which may hold secrets."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the server's certificate was not accepted ({error.verify_message})"
    if isinstance(error, ssl.SSLError) or (in_tls and isinstance(error, ConnectionError)):
        return f"TLS failed ({str(error) or type(error).__name__}); does the port speak TLS?"
    if isinstance(error, picows.WSHandshakeError):
        status = f" with status {error.response.status}" if error.response is not None else ""
        return f"the server refused the WebSocket handshake{status}: {error}"
    return str(error) or type(error).__name__
