"""depthwire: an order-book engine on Bybit's WebSocket API, from frame to book in compiled code.

The data path, one call stack from the socket to your callback::

    bytes ──► frame ──► level changes ─────────────► book ──► strategy
    picows    feed      scanner, or the typed        book     callback,
              routes    decoder (msgspec)            ladder   async for

    session      keeps a connection: connect, sign in, subscribe, heartbeat, reconnect, refetch
    arbitration  one line to a venue, or two as one: the first copy of each frame counts
    client       the async interface; blocking: the same for threads
    tape         recorded frames; venue: an embedded exchange to test against

Start with :func:`connect`.
"""

from depthwire import blocking, endpoints
from depthwire.arbitration.lines import LineStatus
from depthwire.book.book import Book
from depthwire.book.ladder import Ladder
from depthwire.book.types import BBO, BookSnapshot, BookState, DepthWithin, Level, Levels
from depthwire.bybit.accounts import AccountStream
from depthwire.bybit.instrument import Instrument
from depthwire.bybit.v2.messages import Trade
from depthwire.bybit.v2.private import Execution, Order, Position, StopOrder, Wallet
from depthwire.bybit.v2.public import InstrumentInfo, Insurance, Kline, Liquidation
from depthwire.client import Client
from depthwire.connect import connect
from depthwire.errors import *  # noqa: F403
from depthwire.errors import __all__ as _errors
from depthwire.feed.live_book import LiveBook
from depthwire.feed.streams import EventStream, TopicEvent
from depthwire.runtime.event_loop import run
from depthwire.runtime.gc_freeze import freeze_gc
from depthwire.session.health import Health
from depthwire.session.phase import ConnectionStatus, Phase
from depthwire.session.status import Status
from depthwire.settings import Settings

__version__ = "0.1.0"

__all__ = [
    "BBO",
    "AccountStream",
    "Book",
    "BookSnapshot",
    "BookState",
    "Client",
    "ConnectionStatus",
    "DepthWithin",
    "EventStream",
    "Execution",
    "Health",
    "Instrument",
    "InstrumentInfo",
    "Insurance",
    "Kline",
    "Ladder",
    "Level",
    "Levels",
    "LineStatus",
    "Liquidation",
    "LiveBook",
    "Order",
    "Phase",
    "Position",
    "Settings",
    "Status",
    "StopOrder",
    "TopicEvent",
    "Trade",
    "Wallet",
    "blocking",
    "connect",
    "endpoints",
    "freeze_gc",
    "run",
    *_errors,
]
