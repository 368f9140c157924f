"""What the caller of :func:`depthwire.connect` chose, on its way to each connection."""

import ssl
from dataclasses import dataclass, field

from depthwire.bybit.auth import Credentials
from depthwire.session.sign_in import AuthWay
from depthwire.settings import Settings


@dataclass(frozen=True, kw_only=True)
class ConnectOptions:
    """How a client connects, signs in and decodes; the fields are arguments of :func:`depthwire.connect`."""

    settings: Settings = field(default_factory=Settings)
    ssl_context: ssl.SSLContext | None = None
    proxy: str | bool | None = field(default=None, repr=False)  # its URL may hold a password
    credentials: Credentials | None = None
    auth_way: AuthWay = "op"
    scanner: bool = True
