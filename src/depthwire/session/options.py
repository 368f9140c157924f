"""The options of :func:`depthwire.connect`, as each connection uses them."""

import ssl
from dataclasses import dataclass, field

from depthwire.bybit.auth import Credentials
from depthwire.session.sign_in import AuthWay
from depthwire.settings import Settings


@dataclass(frozen=True, kw_only=True)
class ConnectOptions:
    """The options for connecting, signing in and decoding; the fields are arguments of :func:`depthwire.connect`."""

    settings: Settings = field(default_factory=Settings)
    ssl_context: ssl.SSLContext | None = None
    proxy: str | bool | None = field(default=None, repr=False)  # its URL may hold a password
    credentials: Credentials | None = None
    auth_way: AuthWay = "op"
    scanner: bool = True
