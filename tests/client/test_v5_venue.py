"""The v5 client against the embedded venue: recorded books after every frame, and a strategy on private streams."""

import asyncio
import math
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import depthwire
from depthwire import errors
from depthwire.book.types import BookState
from depthwire.feed.live_book import LiveBook
from depthwire.settings import Settings
from depthwire.venue import TapeMarket, Venue
from tests.support.plain_client import run, until
from tests.support.reference import frames, plain
from tests.support.reference_v5 import books_of

QUICK = Settings(timeout_s=5.0, backoff_first_s=0.01, backoff_cap_s=0.05, slow_callback_s=None)
KEY, SECRET = "demo-key", "hush-hush-demo-secret"
TAPES = {"v5-linear-2026-08-09.frames": ("BTCUSDT", "SOLUSDT"), "v5-spot-2026-08-09.frames": ("BTCUSDT",)}


def shown(book: LiveBook) -> Any:
    snapshot = book.snapshot()
    decimals = -(snapshot.price_decimals or 0)
    sides = (snapshot.bids, snapshot.asks)
    return tuple([(plain(Decimal(price_id).scaleb(decimals)), size) for price_id, size in side] for side in sides)


def by_update(tape: Path) -> Iterator[tuple[tuple[str, int], Any]]:
    for topic, book in books_of(frames(tape)):
        yield (topic, book.u), book.levels_text()


@pytest.mark.parametrize("drops", [0, 3])
@pytest.mark.parametrize("name", TAPES)
def test_the_clients_books_equal_the_tapes_after_each_frame(tapes: Path, name: str, drops: int) -> None:
    updates = list(by_update(tapes / name))
    expected = dict(updates)
    category = "spot" if "spot" in name else "linear"

    async def main() -> None:
        async with (
            Venue(TapeMarket(tapes / name), speed=math.inf) as venue,
            depthwire.connect(venue.v5_url(category), settings=QUICK) as client,
        ):
            told: list[errors.DepthwireError] = []
            client.on_error(told.append)
            seen: set[tuple[str, int]] = set()
            dropped = 0

            def check(book: LiveBook) -> None:
                nonlocal dropped
                assert shown(book) == expected[book.topic, book.update_id]
                seen.add((book.topic, book.update_id))
                is_back = client.status().connects == dropped + 1  # what was on its way still comes after a drop
                if dropped < drops and is_back and len(seen) >= 30 * (dropped + 1):
                    dropped += 1
                    venue.drop_connections()

            books = await asyncio.gather(*(client.book(symbol, 200) for symbol in TAPES[name]))
            first = {book.topic: book.update_id for book in books}
            for book in books:
                check(book)
                book.on_change(check)
            await venue.finished.wait()
            last = {topic: u for topic, u in expected if topic.startswith("orderbook.200.")}
            # The end of the tape may be read before the last drop is noticed.
            await until(
                lambda: (
                    client.status().connects == 1 + drops
                    and all(book.state is BookState.LIVE and book.update_id == last[book.topic] for book in books)
                )
            )
            assert dropped == drops
            if not drops:
                # The tape begins with the subscription, so its first frames may come before book() returns.
                keys = [key for key, _ in updates]
                for book in books:
                    of_book = [u for topic, u in keys if topic == book.topic]
                    assert {u for topic, u in seen if topic == book.topic} == set(
                        of_book[of_book.index(first[book.topic]) :]
                    )
            assert [type(error) for error in told] == [errors.ConnectionLost] * drops

    run(main)


@pytest.mark.parametrize("category", ["linear", "inverse", "spot"])
def test_the_embedded_venue_is_one_word_away(category: str) -> None:
    async def main() -> None:
        async with depthwire.connect(f"sim://v5/{category}") as client:
            assert client.dialect.name == f"v5-{category}"
            book = await client.book("BTCUSD" if category == "inverse" else "BTCUSDT", depth=1)
            assert (book.depth, len(book)) == (1, 2)

    run(main)
