"""Signing in: what is signed, where keys come from, and that they are never shown."""

import asyncio
import hashlib
import hmac
import traceback
from typing import Any
from urllib.parse import parse_qs

import pytest

from depthwire.bybit.auth import Cause, Credentials, as_query, cause_of, refusal, signature
from depthwire.errors import AuthError


def test_the_signature_is_the_documents() -> None:
    expected = hmac.new(b"secret", b"GET/realtime1542434791000", digestmod=hashlib.sha256).hexdigest()
    assert signature("secret", 1_542_434_791_000) == expected
    assert len(expected) == 64


def test_a_sign_in_expires_after_its_window() -> None:
    key, expires_ms, signed = Credentials("key", "secret").signed("secret", 5.0, now_s=lambda: 1_000.0)
    assert (key, expires_ms, signed) == ("key", 1_005_000, signature("secret", 1_005_000))


def test_the_query_holds_all_three() -> None:
    found = parse_qs(as_query(Credentials("a&b", "secret").signed("secret", 5.0)))
    assert found["api_key"] == ["a&b"]
    assert found["signature"] == [signature("secret", int(found["expires"][0]))]


def test_a_secret_may_be_fetched_each_time() -> None:
    secrets = iter(["one", "two"])
    credentials = Credentials("key", lambda: next(secrets))
    assert [credentials.secret() for _ in range(2)] == ["one", "two"]


def chained(error: BaseException | None) -> list[BaseException]:
    """An error with every cause and context of it."""
    return [] if error is None else [error, *chained(error.__cause__), *chained(error.__context__)]


@pytest.mark.parametrize(
    "raised",
    [
        ValueError("hush-secret"),
        UnicodeError("hush-secret"),
        StopIteration("hush-secret"),
        asyncio.CancelledError("hush-secret"),
        BaseException("hush-secret"),
    ],
)
def test_what_a_secret_callable_raises_is_named_and_not_quoted(raised: BaseException) -> None:
    def fetch() -> str:
        raise raised

    with pytest.raises(AuthError, match=f"raised {type(raised).__name__}") as found:
        Credentials("key", fetch).secret()
    assert chained(found.value) == [found.value]
    assert "hush" not in "".join(traceback.format_exception(found.value))


@pytest.mark.parametrize(
    ("raised", "args"),
    [
        (SystemExit("hush-secret"), (1,)),
        (SystemExit(3), (3,)),
        (SystemExit(), (None,)),
        (KeyboardInterrupt("hush-secret"), ()),
    ],
)
def test_a_secret_callable_that_ends_the_program_is_the_cause_without_its_text(
    raised: BaseException, args: tuple[Any, ...]
) -> None:
    def fetch() -> str:
        raise raised

    with pytest.raises(AuthError, match=f"raised {type(raised).__name__}") as found:
        Credentials("key", fetch).secret()
    assert (type(found.value.__cause__), found.value.__cause__.args) == (type(raised), args)  # type: ignore[union-attr]
    assert "hush" not in "".join(traceback.format_exception(found.value))


@pytest.mark.parametrize("secret", ["", "hush\udcffsecret", "hush\nsecret", b"hush-secret", None])
def test_a_secret_that_cannot_sign_is_an_auth_error_that_does_not_show_it(secret: Any) -> None:
    with pytest.raises(AuthError) as found:
        Credentials("key", lambda: secret).secret()
    assert chained(found.value) == [found.value]
    assert "hush" not in str(found.value)


def test_an_async_secret_callable_is_refused_at_once() -> None:
    async def fetch() -> str:
        return "secret"

    with pytest.raises(TypeError, match="a plain function, not the async"):
        Credentials("key", fetch)  # type: ignore[arg-type]


def test_keys_come_from_arguments_or_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Credentials.given(None, None) is None
    assert Credentials.from_environment() is None
    monkeypatch.setenv("DEPTHWIRE_API_KEY", "from-env")
    monkeypatch.setenv("DEPTHWIRE_API_SECRET", "env-secret")
    found = Credentials.from_environment()
    assert found is not None
    assert found.signed(found.secret(), 5.0, lambda: 1.0) == ("from-env", 6_000, signature("env-secret", 6_000))
    assert Credentials.given(None, None) is None


@pytest.mark.parametrize(("key", "secret"), [("key", None), (None, "secret"), ("key", ""), ("", "secret")])
def test_half_of_a_pair_is_refused(key: str | None, secret: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AuthError, match="give both, or neither"):
        Credentials.given(key, secret)
    monkeypatch.setenv("DEPTHWIRE_API_KEY", key or "")
    monkeypatch.setenv("DEPTHWIRE_API_SECRET", secret or "")
    with pytest.raises(AuthError, match="give both, or neither"):
        Credentials.from_environment()


def test_neither_key_nor_secret_is_shown() -> None:
    credentials = Credentials("hush-key", "hush-secret")
    assert "hush" not in f"{credentials!r} {credentials}"


def test_an_expired_sign_in_speaks_of_the_clock() -> None:
    error = str(refusal("error:request expired", Cause.CLOCK, 5.0, 3600.4))
    assert "clock" in error
    assert "+3600 s" in error
    assert "auth_window_s" in error
    assert "clock" in str(refusal("error:request expired", Cause.CLOCK, 5.0, None))
    assert "clock" not in str(refusal("error:invalid api_key", Cause.KEY, 5.0, -3600.0))


@pytest.mark.parametrize(("offset_s", "speaks"), [(None, False), (3600.0, False), (-4.0, False), (-3600.0, True)])
def test_a_refusal_without_a_reason_speaks_of_a_clock_that_lags(offset_s: float | None, speaks: bool) -> None:
    cause = cause_of("Params Error", 5.0, offset_s)
    assert ("clock" in str(refusal("Params Error", cause, 5.0, offset_s))) == speaks
