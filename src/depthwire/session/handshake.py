"""Reads refused WebSocket handshakes, and refuses extensions and subprotocols that were not offered."""

import random
import re
import time
from collections.abc import Iterable
from datetime import UTC
from http import HTTPStatus
from traceback import walk_tb
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

import picows

UNREQUESTED: Final = {"Sec-WebSocket-Extensions": "extension", "Sec-WebSocket-Protocol": "subprotocol"}
LONGEST_BODY: Final = 200
LONGEST_WAIT_S: Final = 900.0  # the most that a wrong Retry-After can cost
SHORTEST_SECRET: Final = 4


class Refusal(NamedTuple):
    """A refused handshake: in words, with the HTTP status, the seconds of ``Retry-After`` and the server's clock.

    ``date_s`` is the time in its ``Date`` header, in seconds since the epoch. Each is None if absent.
    """

    text: str
    status: int | None = None
    retry_after_s: float | None = None
    date_s: float | None = None


def refuse_unrequested(response: picows.WSUpgradeResponse) -> None:
    """Raise WSHandshakeError if the server chose an extension or a subprotocol; none is ever offered."""
    for header, name in UNREQUESTED.items():
        if value := ", ".join(filter(None, response.headers.getall(header, ()))):
            raise picows.WSHandshakeError(f"it chose the {name} {printable(value)!r}, which was not offered")


def refusal_of(error: picows.WSHandshakeError, secrets: Iterable[str] = ()) -> Refusal:
    """Read a refused handshake, without the ``secrets``, which a server may quote."""
    what = "the server refused the WebSocket handshake"
    refusal = read_refusal(what, error.raw_header or b"", error.raw_body or b"", secrets)
    if refusal is None or refusal.status == HTTPStatus.SWITCHING_PROTOCOLS:
        return Refusal(f"{what}: {printable(str(error), secrets)}", refusal and refusal.status)
    return refusal


def proxy_refusal_of(error: Exception, secrets: Iterable[str] = ()) -> Refusal | None:
    """Read an HTTP proxy's refusal of a tunnel, without the ``secrets``; None if ``error`` is not one.

    picows' error has only the status; the response is a local of the frame that raised it.
    """
    for frame, _ in walk_tb(error.__traceback__):
        response = getattr(frame.f_locals.get("self"), "_response", None)
        if isinstance(response, bytearray):
            head, _, body = bytes(response).partition(b"\r\n\r\n")
            return read_refusal("the proxy refused the tunnel", head, body, secrets)
    return None


def read_refusal(what: str, head: bytes, body: bytes, secrets: Iterable[str]) -> Refusal | None:
    """Read an HTTP response that refuses something; None if it is not HTTP. ``what`` begins the text."""
    lines = head.decode("latin-1").split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    match = re.fullmatch(r"HTTP/\d\.\d (\d{3})(?: (.*))?", lines[0])
    if match is None:
        return None
    reason = printable(match[2] or "", secrets)
    text = f"{what} with status {match[1]} {reason}".rstrip()
    date = headers.get("date", "")
    retry_after_s = seconds_of(headers.get("retry-after", ""), date)
    if retry_after_s is not None:
        text += f", retry after {retry_after_s:.3g} s"
    if shown := printable(body[: 16 * LONGEST_BODY].decode("utf-8", "replace"), secrets):
        text += f": {shown}"
    return Refusal(text, int(match[1]), retry_after_s, timestamp(date))


def spread_s(retry_after_s: float) -> float:
    """Return a wait up to a tenth longer, so that clients refused together do not return together."""
    return retry_after_s * random.uniform(1.0, 1.1)  # noqa: S311  # not a secret


def seconds_of(retry_after: str, date: str = "") -> float | None:
    """Return the seconds that ``Retry-After`` asks for, at most ``LONGEST_WAIT_S``; None if absent or unreadable.

    A date in it is compared with the server's own clock if ``date``, its ``Date`` header, is known.
    """
    if re.fullmatch(r"\d+(\.\d*)?", retry_after, re.ASCII):  # the standard has no fractions, but some servers send them
        return min(float(retry_after[:9]), LONGEST_WAIT_S)
    until_s = timestamp(retry_after)
    if until_s is None:
        return None
    now_s = timestamp(date)
    return min(max(until_s - (time.time() if now_s is None else now_s), 0.0), LONGEST_WAIT_S)


def timestamp(date: str) -> float | None:
    """Return an HTTP date in seconds since the epoch; None if it is not one."""
    from email.utils import parsedate_to_datetime  # slow to import, and needed only for refusals

    try:
        found = parsedate_to_datetime(date)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None


def secrets_of(*urls: str | None) -> list[str]:
    """Return what may be secret in URLs: query values and user info, both as written and decoded."""
    found: list[str] = []
    for url in urls:
        parts = urlsplit(url or "")
        found += [each for pair in parts.query.split("&") for each in pair.partition("=")[2:]]
        found += [value for _, value in parse_qsl(parts.query)]
        found += [each for part in (parts.username, parts.password) if part for each in (part, unquote(part))]
    return sorted({each for each in found if len(each) >= SHORTEST_SECRET}, key=len, reverse=True)


def printable(text: str, secrets: Iterable[str] = ()) -> str:
    """Return foreign text as one short line, without the secrets."""
    for secret in secrets:
        text = text.replace(secret, "…")
    text = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return text if len(text) <= LONGEST_BODY else f"{text[:LONGEST_BODY]}…"
