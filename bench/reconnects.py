"""50 connections dropped at once, against the embedded venue: ``python bench/reconnects.py`` writes docs/reconnects.

They are dropped twice. The first time the venue accepts connections at once; the second time it refuses every handshake
for ten minutes. The venue records when each attempt arrives. Connections to this machine are normally exempt from the
limit on attempts; in this run they are not. Exits with status 1 if the limit was exceeded.
"""

import argparse
import asyncio
import time
from bisect import bisect_left
from contextlib import AsyncExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import depthwire
import machine
from charts import OTHERS, OURS, plt
from depthwire.book.types import BookState
from depthwire.session import rate_limit as pacing
from depthwire.settings import Settings
from depthwire.venue import SyntheticMarket, Venue

CLIENTS = 50
MINUTES_5 = 300.0
BIN_S = 0.05
FIRST_S = 1.0  # shown by the first panel
PAGE = """# 50 connections dropped at once

Written by `make reconnects`. It runs 50 clients with one book each in one process against the embedded venue, with
default settings, drops all 50 connections at once, and records each attempt as it arrives at the venue. The exchange
allows 500 connections in 5 minutes from one address. Connections to the same machine are usually exempt; here they are
not.

![attempts over time](reconnects.svg)

| | |
| --- | --: |
| all dropped, the venue accepts: attempts | {calm_attempts} |
| most of them within {bin_ms:.0f} ms | {calm_most} |
| from the first to the last of them | {calm_spread_s:.2f} s |
| every book LIVE again after | {calm_live_s:.2f} s |
| all dropped, the venue refuses for {away_s:.0f} s: attempts | {away_attempts} |
| most of them within {bin_ms:.0f} ms | {away_most} |
| most attempts in any 5 minutes, of 500 | {peak} |
| fewest and most attempts of one client | {least_each} and {most_each} |
| longest time without an attempt | {longest_pause_s:.1f} s |
| every book LIVE again after the venue accepts | {back_s:.1f} s |

{machine}
"""


class Attempts(NamedTuple):
    """The times of attempts in seconds, and the number of attempts of each client."""

    calm: list[float]
    calm_live_s: float
    away: list[float]
    back_s: float
    every: list[float]
    each: list[int]


class CountingVenue(Venue):
    """A venue that records when each handshake arrives, and refuses all of them while it is ``away``."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.at_s: list[float] = []

    def _accept(self, request: Any) -> Any:
        self.at_s.append(time.monotonic())
        return super()._accept(request)


async def until_live(books: list[Any]) -> float:
    """Return the time when all books are LIVE."""
    while not all(book.state is BookState.LIVE for book in books):  # noqa: ASYNC110  # any of them may be the last
        await asyncio.sleep(0.005)
    return time.monotonic()


async def measure(away_s: float, settings: Settings) -> Attempts:
    """Measure both drops."""
    async with CountingVenue(SyntheticMarket(seed=1)) as venue, AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(depthwire.connect(venue.inverse_url, settings=settings))
            for _ in range(CLIENTS)
        ]
        for client in clients:
            client.on_error(lambda error: None)
        books = [await client.book("BTCUSD", depth=200) for client in clients]

        def attempts(since_s: float) -> list[float]:
            return [at_s - since_s for at_s in venue.at_s if at_s >= since_s]

        async def dropped() -> float:
            since_s = time.monotonic()
            venue.drop_connections()
            while any(client.status().connected for client in clients):  # noqa: ASYNC110  # as above
                await asyncio.sleep(0.001)
            return since_s

        since_s = await dropped()
        calm_live_s = await until_live(books) - since_s
        calm = attempts(since_s)

        venue.faults.set("refuse=1")
        before = [client.status().connections[0].attempts for client in clients]
        since_s = await dropped()
        await asyncio.sleep(away_s)
        venue.faults.set("")
        away = attempts(since_s)
        each = [client.status().connections[0].attempts - begun for client, begun in zip(clients, before, strict=True)]
        back_s = await until_live(books) - since_s - away_s
        return Attempts(calm, calm_live_s, away, back_s, attempts(venue.at_s[0]), each)


def trailing(at_s: list[float], window_s: float) -> list[int]:
    """Return, for each attempt, the number of attempts in the window that ends with it."""
    return [number - bisect_left(at_s, when - window_s) + 1 for number, when in enumerate(at_s)]


def most(at_s: list[float], width_s: float) -> int:
    return max(trailing(at_s, width_s))


def chart(found: Attempts, away_s: float, window_s: float) -> Any:
    figure, (first, second) = plt.subplots(1, 2, figsize=(10, 3.5), width_ratios=(2, 3))
    bins = [number * BIN_S for number in range(round(FIRST_S / BIN_S) + 1)]
    first.hist(found.calm, bins=bins, color=OURS, label="the venue accepts")
    first.hist(found.away, bins=bins, histtype="step", color=OTHERS, label="the venue refuses")
    first.set(xlabel="s after all 50 were dropped", ylabel=f"attempts in {BIN_S * 1e3:.0f} ms", xlim=(0, FIRST_S))
    first.legend(fontsize=7)
    minutes = [(at_s - found.every[0]) / 60 for at_s in found.every]
    second.plot(minutes, trailing(found.every, window_s), color=OURS, drawstyle="steps-post")
    second.axhline(pacing.CONNECTIONS, color="#b3261e", linestyle="--", linewidth=1, label="the exchange's limit")
    second.set(
        xlabel="minutes since the first connection",
        ylabel=f"attempts in the last {window_s:g} s",
        ylim=(0, pacing.CONNECTIONS * 1.15),
        title=f"the venue refuses for {away_s:g} s",
    )
    second.legend(fontsize=7, loc="lower right")
    figure.tight_layout()
    return figure


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs"), help="folder of the page and the chart")
    parser.add_argument("--away", type=float, default=600.0, metavar="S", help="how long the venue refuses")
    arguments = parser.parse_args()
    pacing.is_loopback = lambda host: False
    found = asyncio.run(measure(arguments.away, Settings()))
    peak = most(found.every, MINUTES_5)
    arguments.out.mkdir(parents=True, exist_ok=True)
    chart(found, arguments.away, MINUTES_5).savefig(arguments.out / "reconnects.svg", metadata={"Date": None})
    page = PAGE.format(
        bin_ms=BIN_S * 1e3,
        calm_attempts=len(found.calm),
        calm_most=most(found.calm, BIN_S),
        calm_spread_s=found.calm[-1] - found.calm[0],
        calm_live_s=found.calm_live_s,
        away_s=arguments.away,
        away_attempts=len(found.away),
        away_most=most(found.away, BIN_S),
        peak=peak,
        least_each=min(found.each),
        most_each=max(found.each),
        longest_pause_s=max(later - earlier for earlier, later in pairwise(found.away)),
        back_s=found.back_s,
        machine=machine.facts(),
    )
    (arguments.out / "reconnects.md").write_text(page)
    print(page)
    return int(peak > pacing.CONNECTIONS)


if __name__ == "__main__":
    raise SystemExit(main())
