"""Why a connection failed or ended, as text."""

import ssl
from typing import Any, Final, NamedTuple

import picows

PROTOCOL_ERROR: Final = 1002
TOO_BIG: Final = 1009
NO_STATUS: Final = 1005  # stands for a close frame without a code (RFC 6455, section 7.4)


class Loss(NamedTuple):
    """Why a connection ended: as text, and with the code and reason of the close frame if there was one.

    ``is_ours`` says that the client sent it.
    """

    text: str
    code: int | None = None
    reason: str = ""
    is_ours: bool = False


def loss_of(transport: picows.WSTransport) -> Loss:
    """Return why a connection ended, by its close frames; the first one counts."""
    handshake = transport.close_handshake
    sent, received = (None, None) if handshake is None else (handshake.sent, handshake.recv)
    if handshake is not None and sent is not None and (not handshake.recv_then_sent or is_complaint(sent, received)):
        who, frame = "the client", sent
    elif received is not None:
        who, frame = "the venue", received
    else:
        return Loss("the connection broke without a close frame")
    code, reason = code_of(frame), frame.reason or ""
    code_text = f"code {code}" if code else f"no status code ({NO_STATUS})"
    text = f"closed by {who} with {code_text}: {reason or 'no reason given'}"
    return Loss(text, code or NO_STATUS, reason, frame is sent)


def is_complaint(sent: Any, received: Any) -> bool:
    """Return whether the answer to a close frame says that the frame violated the protocol."""
    return code_of(sent) == PROTOCOL_ERROR and received is not None and code_of(received) != PROTOCOL_ERROR


def code_of(frame: Any) -> int:
    """Return the code of picows' WSCloseInfo, 0 if it has none."""
    return int(frame.code)


def describe(error: Exception, in_tls: bool) -> str:
    """Describe a failure to connect in one line, with advice; without the URL, which may hold secrets."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the server's certificate was not accepted ({error.verify_message})"
    if isinstance(error, ssl.SSLError) or (in_tls and isinstance(error, ConnectionError)):
        return f"TLS failed ({str(error) or type(error).__name__}); does the port speak TLS?"
    return str(error) or type(error).__name__
