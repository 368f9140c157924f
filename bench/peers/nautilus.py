"""nautilus_trader: the structs and deltas of its Bybit adapter, applied to its OrderBook (in Rust)."""

import time
from collections.abc import Callable

from nautilus_trader.adapters.bybit.schemas.ws import decoder_ws_orderbook
from nautilus_trader.model.book import OrderBook
from nautilus_trader.model.enums import BookType
from nautilus_trader.model.identifiers import InstrumentId

from peers import only

PRICE_PRECISION, SIZE_PRECISION = 2, 6


def start(topic: str, depth: int) -> tuple[Callable[[list[bytes]], None], Callable[[], tuple[float, ...]]]:
    only("v5", topic)
    instrument = InstrumentId.from_str(f"{topic.rpartition('.')[2]}-LINEAR.BYBIT")
    book = OrderBook(instrument, BookType.L2_MBP)
    decode = decoder_ws_orderbook().decode

    def replay(frames: list[bytes]) -> None:
        for raw in frames:
            message = decode(raw)
            deltas = message.data.parse_to_deltas(
                instrument_id=instrument,
                price_precision=PRICE_PRECISION,
                size_precision=SIZE_PRECISION,
                ts_event=message.ts * 1_000_000,
                ts_init=time.time_ns(),
                snapshot=message.type == "snapshot",
            )
            book.apply_deltas(deltas)

    def top() -> tuple[float, ...]:
        bid, bid_size = book.best_bid_price(), book.best_bid_size()
        return bid, bid_size, book.best_ask_price(), book.best_ask_size()

    return replay, top
