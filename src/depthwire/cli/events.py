"""Events, instruments and errors as lines for people and as JSON objects for programs."""

import re
from collections.abc import Iterable
from typing import Any, Final

import msgspec
from msgspec.structs import fields

from depthwire.book.types import BookState
from depthwire.bybit.instrument import Instrument
from depthwire.cli.cells import Cell, cell_text, cells
from depthwire.errors import DepthwireError

_SCALE: Final = re.compile(r"_e\d$")


def event_object(topic: str, event: msgspec.Struct) -> dict[str, Any]:
    """All fields of an event under their names on the wire; None where the exchange did not send one."""
    return {"topic": topic, **wire_fields(event)}


def wire_fields(record: msgspec.Struct) -> dict[str, Any]:
    """A record's values by their names on the wire."""
    return {field.encode_name: getattr(record, field.name) for field in fields(record)}


def event_line(topic: str, event: msgspec.Struct) -> str:
    """An event in one line, without what the topic says already."""
    named = topic.rpartition(".")[2]
    return f"{topic} " + _listed((name, cell) for name, cell in cells(event).items() if cell != named)


def instrument_object(instrument: Instrument) -> dict[str, Any]:
    """All fields of an instrument, None where it is not LIVE; ``updated`` names those that the last frame changed."""
    info = instrument.snapshot() if instrument.state is BookState.LIVE else None
    return {
        "topic": instrument.topic,
        "state": instrument.state,
        "reason": instrument.stale_reason,
        "version": instrument.version,
        "frame_seq": instrument.frame_seq,
        "ts_exchange_us": instrument.ts_exchange_us,
        "ts_recv_ns": instrument.ts_recv_ns,
        "updated": sorted(instrument.updated),
        **{key: getattr(info, name, None) for name, key in instrument.names},
        "symbol": instrument.symbol,
    }


def instrument_line(instrument: Instrument) -> str:
    """What an instrument's last frame changed, in one line."""
    head = f"{instrument.topic} {instrument.state}"
    if instrument.state is not BookState.LIVE:
        return f"{head}: {instrument.stale_reason}"
    changed = changed_values(instrument)
    return f"{head} " + _listed((name, cell) for name, cell in exact_values(instrument).items() if name in changed)


def exact_values(instrument: Instrument) -> dict[str, Cell]:
    """What is known of an instrument, scaled fields as their exact values; also while it is not LIVE."""
    info = instrument.snapshot(allow_stale=True)
    values = {name: getattr(info, name) for name in dict.fromkeys(_plain_name(key) for _, key in instrument.names)}
    return {
        name: str(value) if isinstance(value, int) else value
        for name, value in values.items()
        if value is not None and value != ""
    }


def changed_values(instrument: Instrument) -> set[str]:
    """Which of them the last frame changed."""
    return {_plain_name(key) for key in instrument.updated}


def _plain_name(key: str) -> str:
    """``last_price_e4`` and ``last_price`` on the wire are one value to people."""
    return _SCALE.sub("", key)


def error_object(error: DepthwireError) -> dict[str, Any]:
    """What a stream has in place of events, with all that the error knows."""
    return {"topic": "", "error": type(error).__name__, "message": str(error), **vars(error)}


def error_line(error: DepthwireError) -> str:
    """The same in one line."""
    return f"{type(error).__name__}: {cell_text(str(error))}"


def _listed(named: Iterable[tuple[str, Cell]]) -> str:
    return ", ".join(f"{name} {cell_text(cell)}" for name, cell in named)
