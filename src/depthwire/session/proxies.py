"""Which proxy a connection goes through: the one that is named, or the environment's."""

from typing import Final
from urllib.parse import urlsplit

from depthwire.endpoints import masked
from depthwire.errors import InvalidUrl
from depthwire.session.rate_limit import is_loopback

PORTS: Final = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
"""What a proxy may speak; the ports are those of the environment's proxies that name none."""
SOURCES: Final = {"ws": ("ws", "http", "all"), "wss": ("wss", "https", "all")}
"""Whose proxy a URL takes: the first of ``WSS_PROXY``, ``HTTPS_PROXY`` and ``ALL_PROXY`` that is set."""


def checked_proxy(url: str) -> str:
    """Return a proxy's URL as the client speaks to it; raises InvalidUrl where it is none.

    A SOCKS proxy is always asked for the host by its name, which it looks up itself: ``socks5h`` is ``socks5``.
    """
    try:
        parts = urlsplit(url)
        valid = parts.scheme in PORTS and bool(parts.hostname) and bool(parts.port) and parts.path in ("", "/")
        valid = valid and not parts.query and not parts.fragment
    except (AttributeError, TypeError, ValueError):
        valid = False
    if not valid:
        schemes = ", ".join(f"'{scheme}://host:port'" for scheme in PORTS)
        raise InvalidUrl(f"not a proxy: {masked(url)!r}; expected one of {schemes}, with user:password@ if need be")
    return parts._replace(scheme="socks5").geturl() if parts.scheme == "socks5h" else url


def proxy_for(url: str, proxy: str | bool | None) -> str | None:
    """The proxy of a WebSocket URL, None for none; ``True`` means the environment's. Raises InvalidUrl."""
    if proxy is True:
        return environment_proxy(url)
    return None if proxy is None or proxy is False else checked_proxy(proxy)


def environment_proxy(url: str) -> str | None:
    """What the environment (elsewhere the system, too) names for a URL; None for this machine and for ``NO_PROXY``.

    As in :mod:`urllib`: names in lower case win, and ``NO_PROXY`` lists hosts or domains, with a port if need be, or
    ``*``. Raises InvalidUrl where it names no proxy.
    """
    from urllib.request import getproxies, proxy_bypass  # slow to import, and seldom needed

    parts = urlsplit(url)
    host = parts.hostname or ""
    known = getproxies()
    found = next((known[source] for source in SOURCES[parts.scheme] if known.get(source)), None)
    if not found or is_loopback(host) or proxy_bypass(f"{host}:{parts.port or (443 if parts.scheme == 'wss' else 80)}"):
        return None
    return checked_proxy(completed(found))


def completed(proxy: str) -> str:
    """A proxy as people write it in an environment, with the scheme and the port that it may lack."""
    if "://" not in proxy:
        proxy = f"http://{proxy}"
    if proxy.startswith("socks://"):
        proxy = proxy.replace("socks", "socks5", 1)
    parts = urlsplit(proxy)
    try:
        port = parts.port
    except ValueError:
        return proxy  # refused as it is
    if port is None and parts.scheme in PORTS:
        parts = parts._replace(netloc=f"{parts.netloc.rstrip(':')}:{PORTS[parts.scheme]}")
    return parts.geturl()
