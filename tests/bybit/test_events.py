import runpy
import typing

import pytest
from msgspec import Struct
from msgspec.structs import fields

from depthwire.bybit import events
from depthwire.bybit.v2 import messages, private
from depthwire.bybit.v5 import private as v5_private
from depthwire.bybit.v5 import public as v5_public

BOTH: list[tuple[type[Struct], type[Struct], type[Struct]]] = [
    (events.Trade, messages.Trade, v5_public.Trade),
    (events.Order, private.Order, v5_private.Order),
    (events.Execution, private.Execution, v5_private.Execution),
    (events.Position, private.Position, v5_private.Position),
    (events.Balance, private.Wallet, v5_private.CoinBalance),
    (events.Wallet, private.Wallet, v5_private.Wallet),
]


@pytest.mark.parametrize(("base", "v2", "v5"), BOTH)
def test_a_base_shows_type_checkers_exactly_the_fields_of_both_dialects(
    base: type[Struct], v2: type[Struct], v5: type[Struct], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert issubclass(v2, base)
    assert issubclass(v5, base)
    monkeypatch.setattr(typing, "TYPE_CHECKING", True)
    shown = runpy.run_path(str(events.__file__))[base.__name__]
    on_v2, on_v5 = ({field.name: field.type for field in fields(kind)} for kind in (v2, v5))
    assert {field.name: field.type for field in fields(shown)} == {
        name: on_v2[name] | on_v5[name] for name in on_v2.keys() & on_v5.keys()
    }


@pytest.mark.parametrize("base", [base for base, _, _ in BOTH])
def test_a_base_takes_no_memory(base: type[Struct]) -> None:
    assert fields(base) == ()
    assert base.__basicsize__ == Struct.__basicsize__
