from typing import Any, final

from msgspec import Struct

from depthwire.book.types import BookState
from depthwire.feed.frame_state import FrameState

@final
class Columns:
    def __init__(self, kind: type[Struct], empty_is_absent: bool, names: tuple[tuple[str, str], ...]) -> None: ...
    @property
    def kind(self) -> type[Struct]: ...

class LiveFields(FrameState):
    topic: str
    symbol: str
    state: BookState
    frame_seq: int
    ts_exchange_us: int
    ts_recv_ns: int
    version: int
    updated: frozenset[str]
    _info: Any
    _listeners: Any
    _starts_over: bool
    _is_shared: bool
    def __init__(
        self, topic: str, symbol: str, info: Struct, names: tuple[tuple[str, str], ...], empty_is_absent: bool
    ) -> None: ...
    def _shared(self) -> Any: ...
    def as_float(self, name: str) -> float | None: ...
    def as_floats(self, *names: str) -> tuple[float | None, ...]: ...
