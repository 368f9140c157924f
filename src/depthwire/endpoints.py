"""Where the exchange listens, and which dialect an endpoint speaks."""

from typing import Final, NamedTuple
from urllib.parse import urlsplit

from depthwire.bybit.v2 import INVERSE, LINEAR, V2Dialect
from depthwire.errors import InvalidUrl

INVERSE_MAINNET: Final = "wss://stream.bybit.com/realtime"
INVERSE_TESTNET: Final = "wss://stream-testnet.bybit.com/realtime"
LINEAR_MAINNET: Final = "wss://stream.bybit.com/realtime_public"
LINEAR_TESTNET: Final = "wss://stream-testnet.bybit.com/realtime_public"

_INVERSE_PATH: Final = "/realtime"
_LINEAR_PATHS: Final = ("/realtime_public", "/realtime_private")


class Endpoint(NamedTuple):
    """Where a dialect's public and private topics are served: one URL on inverse, two on linear."""

    dialect: V2Dialect
    public_url: str
    private_url: str


def endpoint_of(url: str) -> Endpoint:
    """What a URL leads to, by its path; either of linear's two will do. Raises InvalidUrl where it is no endpoint."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("ws", "wss") and bool(parts.hostname) and parts.port != 0
    except (AttributeError, TypeError, ValueError):
        valid = False
    if not valid:
        raise InvalidUrl(f"{masked(url)!r} is no WebSocket URL; one looks like {INVERSE_MAINNET!r}")
    path = parts.path.rstrip("/")
    if path == _INVERSE_PATH:
        return Endpoint(INVERSE, url, url)
    if path in _LINEAR_PATHS:
        public, private = (parts._replace(path=other).geturl() for other in _LINEAR_PATHS)
        return Endpoint(LINEAR, public, private)
    known = ", ".join((_INVERSE_PATH, *_LINEAR_PATHS))
    raise InvalidUrl(f"{masked(url)!r} is no known endpoint; its path must be one of {known}")


def masked(url: str) -> str:
    """The URL without its query and user part, which may hold secrets, for messages and logs."""
    bare = str(url).partition("?")[0]
    scheme, slashes, rest = bare.partition("//")
    return f"{scheme}{slashes}{rest.rpartition('@')[2]}"
