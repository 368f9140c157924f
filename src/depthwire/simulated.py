"""The embedded venue by URL, for programs without an exchange."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from depthwire.bybit.dialect import Dialect
from depthwire.bybit.v2 import dialect as v2
from depthwire.bybit.v5 import dialect as v5
from depthwire.errors import InvalidUrl

SCHEME: Final = "sim:"
DIALECTS: Final[dict[str, Dialect]] = {
    "sim://": v2.INVERSE,
    "sim://inverse": v2.INVERSE,
    "sim://linear": v2.LINEAR,
    "sim://v5/linear": v5.LINEAR,
    "sim://v5/inverse": v5.INVERSE,
    "sim://v5/spot": v5.SPOT,
    "sim://v5/option": v5.OPTION,
}


def simulated_dialect(url: str) -> Dialect:
    """Return the dialect of an embedded venue's URL; raises InvalidUrl if it is unknown."""
    if url not in DIALECTS:
        raise InvalidUrl(f"{url!r} is not an embedded venue; expected one of {', '.join(DIALECTS)}")
    return DIALECTS[url]


@asynccontextmanager
async def simulated(url: str) -> AsyncIterator[str]:
    """Run an embedded venue for the length of a block and yield its address; raises InvalidUrl."""
    dialect = simulated_dialect(url)
    from depthwire.venue import SyntheticMarket, Venue

    async with Venue(SyntheticMarket()) as venue:
        if isinstance(dialect, v5.V5Dialect):
            yield venue.v5_url(dialect.category)
        else:
            yield venue.inverse_url if dialect is v2.INVERSE else venue.linear_url
