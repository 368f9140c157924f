"""The exchange's endpoints and their dialects.

The exchange has retired v2's endpoints: recordings, simulators and archived strategies use its dialects. Each ``V5_…``
constant serves the public topics of one category. The client finds the private endpoint of the same host itself. The
demo host serves private topics only; its public topics come from the main host.
"""

import re
from typing import Final, NamedTuple
from urllib.parse import SplitResult, urlsplit

from depthwire.bybit.dialect import Dialect
from depthwire.bybit.v2 import dialect as v2
from depthwire.bybit.v5 import dialect as v5
from depthwire.errors import InvalidUrl

_MAINNET: Final = "wss://stream.bybit.com"
_BYTICK: Final = "wss://stream.bytick.com"
_TESTNET: Final = "wss://stream-testnet.bybit.com"
_DEMO: Final = "wss://stream-demo.bybit.com"

_INVERSE_PATH: Final = "/realtime"
_LINEAR_PATHS: Final = ("/realtime_public", "/realtime_private")
_V5_PATHS: Final = {
    f"/v5/public/{dialect.category}": dialect for dialect in (v5.LINEAR, v5.INVERSE, v5.SPOT, v5.OPTION)
}
_V5_PRIVATE_PATH: Final = "/v5/private"
_V2_PATHS: Final = {"inverse": _INVERSE_PATH, "linear": _LINEAR_PATHS[0]}
_FORMS: Final = (
    (re.compile(r"[A-Z0-9]+-\d{1,2}[A-Z]{3}\d{2}-[\d.]+-[CP](-USD[TC])?"), ("option",)),
    (re.compile(r"[A-Z0-9]+USD([FGHJKMNQUVXZ]\d{2})?"), ("inverse",)),
    (re.compile(r"[A-Z0-9]+(PERP|-\d{1,2}[A-Z]{3}\d{2})"), ("linear",)),
    (re.compile(r"[A-Z0-9]+USDT"), ("linear", "spot")),
)

INVERSE_MAINNET: Final = _MAINNET + _INVERSE_PATH
INVERSE_BYTICK: Final = _BYTICK + _INVERSE_PATH
INVERSE_TESTNET: Final = _TESTNET + _INVERSE_PATH
LINEAR_MAINNET: Final = _MAINNET + _LINEAR_PATHS[0]
LINEAR_BYTICK: Final = _BYTICK + _LINEAR_PATHS[0]
LINEAR_TESTNET: Final = _TESTNET + _LINEAR_PATHS[0]

V5_LINEAR_MAINNET: Final = f"{_MAINNET}/v5/public/linear"
V5_LINEAR_BYTICK: Final = f"{_BYTICK}/v5/public/linear"
V5_LINEAR_TESTNET: Final = f"{_TESTNET}/v5/public/linear"
V5_LINEAR_DEMO: Final = f"{_DEMO}/v5/public/linear"
V5_INVERSE_MAINNET: Final = f"{_MAINNET}/v5/public/inverse"
V5_INVERSE_BYTICK: Final = f"{_BYTICK}/v5/public/inverse"
V5_INVERSE_TESTNET: Final = f"{_TESTNET}/v5/public/inverse"
V5_INVERSE_DEMO: Final = f"{_DEMO}/v5/public/inverse"
V5_SPOT_MAINNET: Final = f"{_MAINNET}/v5/public/spot"
V5_SPOT_BYTICK: Final = f"{_BYTICK}/v5/public/spot"
V5_SPOT_TESTNET: Final = f"{_TESTNET}/v5/public/spot"
V5_SPOT_DEMO: Final = f"{_DEMO}/v5/public/spot"
V5_OPTION_MAINNET: Final = f"{_MAINNET}/v5/public/option"
V5_OPTION_BYTICK: Final = f"{_BYTICK}/v5/public/option"
V5_OPTION_TESTNET: Final = f"{_TESTNET}/v5/public/option"
V5_OPTION_DEMO: Final = f"{_DEMO}/v5/public/option"
V5_PRIVATE_MAINNET: Final = _MAINNET + _V5_PRIVATE_PATH
V5_PRIVATE_BYTICK: Final = _BYTICK + _V5_PRIVATE_PATH
V5_PRIVATE_TESTNET: Final = _TESTNET + _V5_PRIVATE_PATH
V5_PRIVATE_DEMO: Final = _DEMO + _V5_PRIVATE_PATH


class Endpoint(NamedTuple):
    """The URLs of a dialect's public and private topics: one URL on inverse v2, two on all others.

    On the private endpoint of v5 both fields hold its URL, and there are no public topics.
    """

    dialect: Dialect
    public_url: str
    private_url: str


def endpoint_of(url: str) -> Endpoint:
    """Return the endpoint of a URL, chosen by its path; linear accepts both of its paths. Raises InvalidUrl."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("ws", "wss") and bool(parts.hostname) and parts.port != 0
    except (AttributeError, TypeError, ValueError):
        valid = False
    if not valid:
        raise InvalidUrl(f"{masked(url)!r} is not a WebSocket URL; expected one like {V5_LINEAR_MAINNET!r}")
    path = parts.path.rstrip("/")
    if path == _INVERSE_PATH:
        return Endpoint(v2.INVERSE, url, url)
    if path in _LINEAR_PATHS:
        public, private = (parts._replace(path=other).geturl() for other in _LINEAR_PATHS)
        return Endpoint(v2.LINEAR, public, private)
    if path == _V5_PRIVATE_PATH:
        return Endpoint(v5.PRIVATE_ONLY, url, url)
    if path in _V5_PATHS:
        return Endpoint(_V5_PATHS[path], _with_public_topics(parts), parts._replace(path=_V5_PRIVATE_PATH).geturl())
    known = ", ".join((_INVERSE_PATH, *_LINEAR_PATHS, *_V5_PATHS, _V5_PRIVATE_PATH))
    raise InvalidUrl(f"{masked(url)!r} is not a known endpoint; its path must be one of {known}")


def categories_of(symbol: str) -> tuple[str, ...]:
    """Return the categories that a symbol may belong to by its form; empty if it fits all of them."""
    return next((categories for form, categories in _FORMS if form.fullmatch(symbol)), ())


def elsewhere(symbol: str, dialect: Dialect) -> str:
    """Return a hint at the endpoint that serves a symbol, if its form does not fit this dialect; else ""."""
    category = getattr(dialect, "category", dialect.name)
    served = categories_of(symbol)
    if not served or category in served:
        return ""
    is_v2 = dialect in (v2.INVERSE, v2.LINEAR)
    paths = [_V2_PATHS[each] if is_v2 and each in _V2_PATHS else f"/v5/public/{each}" for each in served]
    return f"{symbol} is a symbol of {' or '.join(served)}, not of {category}: connect to {' or '.join(paths)}"


def _with_public_topics(parts: SplitResult) -> str:
    """Return the URL, on the demo host with the main host: that one serves the public topics."""
    demo, mainnet = urlsplit(_DEMO), urlsplit(_MAINNET)
    return (parts._replace(netloc=mainnet.netloc) if parts.hostname == demo.hostname else parts).geturl()


def masked(url: str) -> str:
    """Return the URL without its query and user info, which may hold secrets; for messages and logs."""
    bare = str(url).partition("?")[0]
    scheme, slashes, rest = bare.partition("//")
    return f"{scheme}{slashes}{rest.rpartition('@')[2]}"
