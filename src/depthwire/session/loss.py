"""Why a connection failed or ended, in words."""

import ssl
from typing import Any, Final, NamedTuple

import picows

PROTOCOL_ERROR: Final = 1002
TOO_BIG: Final = 1009
NO_STATUS: Final = 1005  # stands for a close frame without a code (RFC 6455, section 7.4)


class Loss(NamedTuple):
    """How a connection ended: in words, and with the close frame's code and reason where there was one.

    ``is_ours`` says that it was the client's close frame.
    """

    text: str
    code: int | None = None
    reason: str = ""
    is_ours: bool = False


def loss_of(transport: picows.WSTransport) -> Loss:
    """What the close frames tell of a connection's end; the one that was sent first counts."""
    handshake = transport.close_handshake
    sent, received = (None, None) if handshake is None else (handshake.sent, handshake.recv)
    if handshake is not None and sent is not None and (not handshake.recv_then_sent or is_complaint(sent, received)):
        who, frame = "the client", sent
    elif received is not None:
        who, frame = "the venue", received
    else:
        return Loss("the connection broke without a close frame")
    code, reason = code_of(frame), frame.reason or ""
    told = f"code {code}" if code else f"no status code ({NO_STATUS})"
    return Loss(f"closed by {who} with {told}: {reason or 'no reason given'}", code or NO_STATUS, reason, frame is sent)


def is_complaint(sent: Any, received: Any) -> bool:
    """Whether the answer to a close frame says that the frame itself broke the protocol."""
    return code_of(sent) == PROTOCOL_ERROR and received is not None and code_of(received) != PROTOCOL_ERROR


def code_of(frame: Any) -> int:
    """The code of picows' WSCloseInfo as a number, 0 where it had none."""
    return int(frame.code)


def describe(error: Exception, in_tls: bool) -> str:
    """A failure to connect in one line that says what to do about it; without the URL, which may hold secrets."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the server's certificate was not accepted ({error.verify_message})"
    if isinstance(error, ssl.SSLError) or (in_tls and isinstance(error, ConnectionError)):
        return f"TLS failed ({str(error) or type(error).__name__}); does the port speak TLS?"
    return str(error) or type(error).__name__
