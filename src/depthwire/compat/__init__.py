"""Drop-ins for scripts that were written for two older Python clients of the exchange: change the import and the URL.

``from depthwire.compat import BybitWebsocket`` stands for the exchange's own connector of 2019 to 2022,
``from depthwire.compat import WebSocket`` for that of pybit 1.x. Both give the wire's own keys and values. Unlike the
originals they keep books sorted and whole, reconnect, bound their memory, deliver ``liquidation``, pipes and stars,
and raise errors in the caller's next call instead of a background thread.
"""

from depthwire.compat.official import BybitWebsocket
from depthwire.compat.pybit import WebSocket

__all__ = ["BybitWebsocket", "WebSocket"]
