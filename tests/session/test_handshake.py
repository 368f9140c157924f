"""What a server may answer to the WebSocket handshake, and what is made of any other answer."""

import asyncio
import time
from email.utils import formatdate
from typing import Any

import pytest

import depthwire
from depthwire import errors
from depthwire.session.handshake import LONGEST_WAIT_S, printable, seconds_of, secrets_of, spread_s
from depthwire.session.phase import Phase
from depthwire.settings import Settings
from tests.support.plain_client import run, until
from tests.support.raw_server import Conversation, accepted, raw_server
from tests.support.sim_client import collected

QUICK = Settings(timeout_s=5.0, backoff_first_s=0.01, backoff_cap_s=0.05)


async def refused(answer: bytes, query: str = "", **options: Any) -> errors.ConnectError:
    """The error of a connection whose handshake a server answers so."""
    async with raw_server(lambda conversation: conversation.writer.write(answer)) as url:
        with pytest.raises(errors.ConnectError) as found:
            async with depthwire.connect(url + query, settings=QUICK, **options):
                pass
    return found.value


@pytest.mark.parametrize(
    ("header", "shown"),
    [
        ("Sec-WebSocket-Extensions: permessage-deflate", "extension 'permessage-deflate'"),
        ("sec-websocket-protocol: chat", "subprotocol 'chat'"),
        (
            "Sec-WebSocket-Extensions:\r\nsec-websocket-extensions: permessage-deflate\r\nSec-WebSocket-Extensions: x",
            "extension 'permessage-deflate, x'",
        ),
        ("Sec-WebSocket-Protocol:\r\nSec-WebSocket-Protocol: chat", "subprotocol 'chat'"),
    ],
)
def test_what_was_not_offered_must_not_be_chosen(header: str, shown: str) -> None:
    async def main() -> None:
        async with raw_server(lambda each: each.writer.write(accepted(each.request, header))) as url:
            with pytest.raises(errors.ConnectError, match=f"it chose the {shown}, which was not offered"):
                async with depthwire.connect(url, settings=QUICK):
                    pass

    run(main)


def test_an_empty_choice_is_none() -> None:
    async def main() -> None:
        async def serve(each: Conversation) -> None:
            each.writer.write(accepted(each.request, "Sec-WebSocket-Extensions: "))
            await each.frame()

        async with raw_server(serve) as url, depthwire.connect(url, settings=QUICK) as client:
            assert client.status().connected

    run(main)


def test_a_refusal_shows_status_reason_wait_and_the_head_of_its_body() -> None:
    async def main() -> None:
        body = "Too many visits from this address.\r\n" + "x" * 5000
        error = await refused(
            f"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 30\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        assert (error.status, error.retry_after_s) == (429, 30.0)
        shown = "with status 429 Too Many Requests, retry after 30 s: Too many visits from this address. xxx"
        assert shown in str(error)
        assert len(str(error)) < 500
        error = await refused(b"HTTP/1.1 403 Forbidden\r\n\r\n\x00\x1b[31m\xff<html>")
        assert (error.status, error.retry_after_s) == (403, None)
        assert "status 403 Forbidden: [31m" in str(error)
        assert str(error).isprintable()
        error = await refused(b"HTTP/1.0 599 \r\nRETRY-AFTER: 7\r\n\r\n")
        assert (error.status, error.retry_after_s) == (599, 7.0)

    run(main)


@pytest.mark.parametrize(
    "answer", [b"SSH-2.0-OpenSSH_9.2\r\n\r\n", b"HTTP/1.1 101 Fine\r\n\r\n", b"\x15\x03\x03\r\n\r\n"]
)
def test_what_is_no_refusal_is_a_connect_error_all_the_same(answer: bytes) -> None:
    async def main() -> None:
        error = await refused(answer)
        assert "refused the WebSocket handshake" in str(error)
        assert error.retry_after_s is None

    run(main)


def test_a_body_that_quotes_the_request_shows_no_secret() -> None:
    async def main() -> None:
        quoted = "you sent /realtime?api_key=hush%2Fkey&token=hush-token; key hush/key"
        error = await refused(
            f"HTTP/1.1 403 hush-token\r\n\r\n{quoted}".encode(), "?api_key=hush%2Fkey&token=hush-token"
        )
        assert "hush" not in str(error)
        assert "you sent /realtime" in str(error)

    run(main)


def test_a_signed_url_that_is_quoted_shows_neither_key_nor_signature() -> None:
    async def main() -> None:
        def quote(each: Conversation) -> None:
            each.writer.write(b"HTTP/1.1 400 Bad\r\n\r\n" + each.request)

        async with raw_server(quote) as url:
            with pytest.raises(errors.ConnectError, match="400 Bad: GET /realtime") as found:
                async with depthwire.connect(
                    url, api_key="hush-key", api_secret="hush-secret", auth_way="url", settings=QUICK
                ):
                    pass
        assert "hush" not in str(found.value)
        assert "signature=…" in str(found.value)

    run(main)


def test_a_reconnect_waits_as_long_as_it_is_asked_to() -> None:
    answers: list[bytes] = []

    async def main() -> None:
        async def serve(each: Conversation) -> None:
            if answers:
                each.writer.write(answers.pop(0))
                return
            each.writer.write(accepted(each.request))
            answers.extend(
                [b"HTTP/1.1 503 Busy\r\n\r\n", b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 600\r\n\r\n"]
            )

        async with raw_server(serve) as url, depthwire.connect(url, settings=QUICK) as client:
            found = collected(client)
            await until(lambda: any(getattr(error, "status", 0) == 429 for error in found))
            await asyncio.sleep(0)
            (status,) = client.status().connections
            assert status.phase is Phase.WAITING
            assert status.until_ns is not None
            assert 590 < (status.until_ns - time.time_ns()) / 1e9 <= 660

    run(main)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30", 30.0),
        ("0", 0.0),
        ("1.5", 1.5),
        ("1.5.2", None),
        ("9" * 400, LONGEST_WAIT_S),
        (formatdate(100_060, usegmt=True), 60.0),
        (formatdate(90_000, usegmt=True), 0.0),
        (formatdate(9_000_000, usegmt=True), LONGEST_WAIT_S),
        ("", None),
        ("-5", None),
        ("soon", None),
        ("٣", None),
        ("Fri, 99 Foo 2026 00:00:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_bounded(text: str, expected: float | None) -> None:
    assert seconds_of(text, formatdate(100_000, usegmt=True)) == expected


def test_those_who_were_refused_together_do_not_come_back_together() -> None:
    waits = {spread_s(600.0) for _ in range(20)}
    assert len(waits) > 1
    assert min(waits) >= 600
    assert max(waits) <= 660


def test_a_date_is_compared_with_the_servers_clock_or_else_with_this_one() -> None:
    until_s = time.time() + 60
    found_s = seconds_of(formatdate(until_s, usegmt=True))
    assert found_s is not None
    assert 50 < found_s <= 60


def test_secrets_are_found_in_each_form_the_longest_first() -> None:
    found = secrets_of("wss://me:hu%25sh@host/realtime?a=long-value%2F1&b=1&c", None, "http://user:pass@proxy:1")
    assert set(found) == {"hu%25sh", "hu%sh", "long-value%2F1", "long-value/1", "user", "pass"}
    assert found == sorted(found, key=len, reverse=True)


def test_a_foreign_text_becomes_one_short_line() -> None:
    assert printable(" a\n\tb\x00c\u202e d ") == "a b c d"
    assert printable("x" * 1000) == "x" * 200 + "…"
