"""The contracts' arithmetic: the worked examples of the module's sources, and exactness."""

from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from depthwire.venue.market.contracts import (
    HIGHEST_PRICE,
    INVERSE,
    LINEAR,
    MAKER_FEE,
    TAKER_FEE,
    UNIT,
    Contract,
    to_step,
)

CONTRACTS = [INVERSE, LINEAR]


def close_to(value: D, text: str) -> bool:
    return abs(value - D(text)) <= D(1).scaleb(D(text).as_tuple().exponent) / 2  # type: ignore[arg-type]


def test_inverse_values_and_profits() -> None:
    """A long of 10,000 USD from 8,000 to 8,500: 10,000 x (1/8,000 - 1/8,500)."""
    entry, leave = INVERSE.value(D(10_000), D(8000)), INVERSE.value(D(10_000), D(8500))
    assert (entry, leave) == (D("1.25"), D("1.17647059"))
    assert INVERSE.pnl(1, entry, leave) == D("0.07352941") == -INVERSE.pnl(-1, entry, leave)


def test_the_inverse_entry_price_is_the_harmonic_mean() -> None:
    """5,000 contracts at 8,000 and 10,000 at 8,500."""
    value = INVERSE.value(D(5000), D(8000)) + INVERSE.value(D(10_000), D(8500))
    assert close_to(INVERSE.entry_price(D(15_000), value), "8326.53")


def test_linear_values_and_profits() -> None:
    """0.5 coins from 5,000 to 6,000, and the mean entry price of 0.5 at 5,000 and 0.3 at 6,000."""
    entry, leave = LINEAR.value(D("0.5"), D(5000)), LINEAR.value(D("0.5"), D(6000))
    assert LINEAR.pnl(1, entry, leave) == 500 == -LINEAR.pnl(-1, entry, leave)
    assert LINEAR.entry_price(D("0.8"), entry + LINEAR.value(D("0.3"), D(6000))) == 5375


def test_the_recorded_fee() -> None:
    """A recorded linear fill: 0.11 at 293.9 as a taker paid 0.02424675."""
    value = LINEAR.value(D("0.11"), D("293.9"))
    assert (value, LINEAR.fee(value, TAKER_FEE)) == (D("32.329"), D("0.02424675"))
    assert LINEAR.fee(value, MAKER_FEE) == D("-0.00808225")


def test_inverse_bankruptcy_and_liquidation() -> None:
    """Long: entry x leverage / (leverage + 1), and / (leverage + 1 - 0.5 % x leverage)."""
    entry, leverage = D(8000), D(50)
    assert INVERSE.bankruptcy_price(1, entry, leverage) == entry * 50 / 51
    assert INVERSE.bankruptcy_price(-1, entry, leverage) == entry * 50 / 49
    assert close_to(INVERSE.liquidation_price(1, entry, leverage), "7881.77")
    assert close_to(INVERSE.liquidation_price(-1, entry, leverage), "8121.83")
    assert INVERSE.bankruptcy_price(-1, entry, D(1)) == HIGHEST_PRICE


def test_linear_bankruptcy_and_liquidation() -> None:
    """Entry x (1 - 1/leverage), and + 0.5 %; for a short with the opposite sign."""
    entry, leverage = D(8000), D(50)
    assert LINEAR.bankruptcy_price(1, entry, leverage) == 7840
    assert LINEAR.bankruptcy_price(-1, entry, leverage) == 8160
    assert LINEAR.liquidation_price(1, entry, leverage) == 7880
    assert LINEAR.liquidation_price(-1, entry, leverage) == 8120


@given(
    st.sampled_from(CONTRACTS),
    st.sampled_from([1, -1]),
    st.integers(1, 10**6),
    st.integers(
        1, 999_998
    ),  # an inverse short's bankruptcy price at leverage 2, twice the entry, stays below HIGHEST_PRICE
    st.integers(2, 100),
)
def test_at_the_bankruptcy_price_the_initial_margin_is_gone(
    contract: Contract, sign: int, lots: int, ticks: int, leverage: int
) -> None:
    entry_price = D(ticks) / 2
    value = contract.value(D(lots), entry_price)
    bust = contract.bankruptcy_price(sign, entry_price, D(leverage))
    lost = -contract.pnl(sign, value, contract.value(D(lots), bust))
    assert abs(lost - contract.initial_margin(value, D(leverage))) <= 3 * UNIT
    assert sign * (entry_price - contract.liquidation_price(sign, entry_price, D(leverage))) > 0
    assert sign * (contract.liquidation_price(sign, entry_price, D(leverage)) - bust) > 0


@pytest.mark.parametrize(("sign", "price"), [(1, "100.5"), (-1, "100.0")])
def test_ends_are_rounded_towards_the_entry_price(sign: int, price: str) -> None:
    assert to_step(D("100.2"), D("0.5"), sign) == D(price)
    assert to_step(D("100.5"), D("0.5"), sign) == D("100.5")
    assert to_step(D("0.1"), D("0.5"), sign) == D("0.5")
