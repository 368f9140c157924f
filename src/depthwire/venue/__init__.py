"""The embedded exchange: a real WebSocket server on the loopback interface that speaks the v2 and v5 dialects.

::

    market/   matching ◄─ trading_engine ◄─ background_traders, accounts    one symbol: orders, triggers, liquidations
                               │   └── clearing                             balances and positions
                        symbol_publisher ── exchange                        time; what is published when
                               │
    frames/   public_v2, public_v5, private_v2, private_v5                  how each dialect encodes it
                               │
    server/   tape ──► server ─► connection ─► fault_injector ─► sockets
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
