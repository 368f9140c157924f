"""The embedded exchange: a real WebSocket server on the loopback that speaks the exchange's v2 and v5 dialects.

::

    matching ◄─ engine ◄─ crowd, accounts      one symbol: who trades, who is triggered, who is liquidated
                 │  └── clearing             who owes whom
              publisher ── exchange            what is told of it, when
                            │
    tape ────────────────► server ─► connection ─► fault_injector ─► sockets
                            └───────── faults ─────────┘
"""

from depthwire.venue.frames.topic_states import V2WireBook, V5WireBook
from depthwire.venue.market.accounts import Account, Balance
from depthwire.venue.market.demo_trader import DemoTrader
from depthwire.venue.market.exchange import Exchange
from depthwire.venue.market.market import Category, Dialect, Market, MarketFrame, PublicTopic
from depthwire.venue.market.orders import AccountOrder, OrderRejected
from depthwire.venue.market.positions import Position
from depthwire.venue.market.synthetic_market import SyntheticMarket
from depthwire.venue.market.tape_market import TapeMarket
from depthwire.venue.server.faults import Fault, Faults
from depthwire.venue.server.server import Venue

__all__ = [
    "Account",
    "AccountOrder",
    "Balance",
    "Category",
    "DemoTrader",
    "Dialect",
    "Exchange",
    "Fault",
    "Faults",
    "Market",
    "MarketFrame",
    "OrderRejected",
    "Position",
    "PublicTopic",
    "SyntheticMarket",
    "TapeMarket",
    "V2WireBook",
    "V5WireBook",
    "Venue",
]
