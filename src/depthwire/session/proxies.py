"""The proxy of a connection: the one given, or the environment's."""

from typing import Final
from urllib.parse import urlsplit

from depthwire.endpoints import masked
from depthwire.errors import InvalidUrl
from depthwire.session.rate_limit import is_loopback

PORTS: Final = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
"""Supported schemes of proxies; the ports apply to the environment's proxies without one."""
SOURCES: Final = {"ws": ("ws", "http", "all"), "wss": ("wss", "https", "all")}
"""Prefixes of variables with a URL's proxy: for wss, ``WSS_PROXY``, then ``HTTPS_PROXY``, then ``ALL_PROXY``."""


def checked_proxy(url: str) -> str:
    """Return a proxy's URL in the form that picows takes; raises InvalidUrl if it is not valid.

    A SOCKS proxy always gets the host's name and resolves it, so ``socks5`` behaves like ``socks5h``.
    """
    try:
        parts = urlsplit(url)
        valid = parts.scheme in PORTS and bool(parts.hostname) and bool(parts.port) and parts.path in ("", "/")
        valid = valid and not parts.query and not parts.fragment
    except (AttributeError, TypeError, ValueError):
        valid = False
    if not valid:
        schemes = ", ".join(f"'{scheme}://host:port'" for scheme in PORTS)
        raise InvalidUrl(f"invalid proxy: {masked(url)!r}; expected one of {schemes}, with user:password@ if needed")
    return parts._replace(scheme="socks5").geturl() if parts.scheme == "socks5h" else url


def proxy_for(url: str, proxy: str | bool | None) -> str | None:
    """Return a WebSocket URL's proxy, or None; ``proxy=True`` selects the environment's. Raises InvalidUrl."""
    if proxy is True:
        return environment_proxy(url)
    return None if proxy is None or proxy is False else checked_proxy(proxy)


def environment_proxy(url: str) -> str | None:
    """Return the environment's proxy for a URL; None for this machine and for hosts in ``NO_PROXY``.

    As in :mod:`urllib`, lower-case names win, macOS and Windows have system settings, and ``NO_PROXY`` lists hosts or
    domains, optionally with a port, or ``*``. Raises InvalidUrl if the value is not a valid proxy.
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
    """Add the scheme and the port that a proxy in the environment may lack."""
    if "://" not in proxy:
        proxy = f"http://{proxy}"
    if proxy.startswith("socks://"):
        proxy = proxy.replace("socks", "socks5", 1)
    parts = urlsplit(proxy)
    try:
        port = parts.port
    except ValueError:
        return proxy  # refused later
    if port is None and parts.scheme in PORTS:
        parts = parts._replace(netloc=f"{parts.netloc.rstrip(':')}:{PORTS[parts.scheme]}")
    return parts.geturl()
