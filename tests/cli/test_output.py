"""Numbers as text, and streams whose reader has gone."""

import io
import math
import os
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from depthwire.cli.output import OutputClosed, duration_text, price_text, size_text, table, write


@pytest.mark.parametrize(
    ("price_id", "decimals", "text"),
    [
        (606_225_000, 4, "60622.5"),
        (1_000_000, 4, "100"),
        (1, 8, "0.00000001"),
        (10, 0, "10"),
        (10**18, 0, "1" + 18 * "0"),
        (10**18, 18, "1"),
        (123_456_789_012_345_678, 9, "123456789.012345678"),
    ],
)
def test_prices_are_exact(price_id: int, decimals: int, text: str) -> None:
    assert price_text(price_id, decimals) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (12836512.0, "12836512"),
        (100.0, "100"),
        (994.89996, "994.89996"),
        (0.001, "0.001"),
        (1e-7, "0.0000001"),
        (1e22, "1" + 22 * "0"),
        (2.0**53, "9007199254740992"),
    ],
)
def test_sizes_have_neither_exponent_nor_trailing_zeros(size: float, text: str) -> None:
    assert size_text(size) == text


@given(st.floats(min_value=0, exclude_min=True, allow_infinity=False))
def test_a_size_comes_back_from_its_text(size: float) -> None:
    text = size_text(size)
    assert float(text) == size
    assert set(text) <= set("0123456789.")
    assert "." not in text or not text.endswith(("0", "."))


@given(st.integers(1, 10**18), st.integers(0, 18))
def test_a_price_comes_back_from_its_text(price_id: int, decimals: int) -> None:
    assert Decimal(price_text(price_id, decimals)) * 10**decimals == price_id


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0.00 us"),
        (312_400, "312 us"),
        (1_240_000, "1.24 ms"),
        (-15_300_000, "-15.3 ms"),
        (3_000_000_000, "3.00 s"),
        (2045 * 86_400 * 10**9, "2045 d"),
        (math.pi * 10**8, "314 ms"),
    ],
)
def test_durations_have_three_digits_and_a_unit(ns: float, text: str) -> None:
    assert duration_text(ns) == text


def test_a_table_aligns_names_left_and_numbers_right() -> None:
    assert table([("topic", "n"), ("trade.BTCUSD", "1"), ("x", "1000")]) == (
        "topic            n\ntrade.BTCUSD     1\nx             1000\n"
    )


def test_a_reader_that_left_is_told_once_and_costs_nothing_later(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream:
        monkeypatch.setattr("sys.stdout", stream)
        with pytest.raises(OutputClosed):
            write("a line\n")
        stream.write("more\n")
        stream.flush()


def test_a_stream_without_a_descriptor_is_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr("sys.stdout", stream)
    write("a line\n")
    assert stream.getvalue() == "a line\n"
