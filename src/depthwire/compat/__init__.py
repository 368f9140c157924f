"""Drop-in replacements for two older Python clients of the exchange: change the import and the URL.

``from depthwire.compat import BybitWebsocket`` replaces the exchange's own connector of 2019 to 2022,
``from depthwire.compat import WebSocket`` replaces that of pybit 1.x. Both return the keys and values of the wire.
Unlike the originals, they keep books sorted and complete, reconnect, bound their memory, support ``liquidation``, pipes
and stars, and raise errors in the caller's next call instead of a background thread.
"""

from depthwire.compat.official import BybitWebsocket
from depthwire.compat.pybit import WebSocket

__all__ = ["BybitWebsocket", "WebSocket"]
