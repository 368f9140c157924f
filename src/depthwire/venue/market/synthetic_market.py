"""A synthetic market: seeded traders whose frames resemble recorded ones."""

from collections.abc import Collection, Iterator
from dataclasses import replace

from depthwire.venue.market.background_traders import TraderProfile
from depthwire.venue.market.exchange import Exchange, insurance_topic
from depthwire.venue.market.instruments import Instrument
from depthwire.venue.market.market import Category, MarketFrame, PublicTopic
from depthwire.venue.market.symbol_publisher import topics_of

_LISTED = (
    (
        Instrument(
            number=1,
            symbol="BTCUSD",
            category=Category.INVERSE,
            coin="BTC",
            opening_e4=606_225_000,
            tick_e4=5_000,
            lots_a_unit=1,
            created_at="2018-11-14T16:33:26Z",
            opening_volume=1_756_544_187_400,
            opening_turnover_e8=20_293_701_419_614_010,
            opening_interest=1_544_184_710,
        ),
        TraderProfile(
            activity=0.42,
            burst=2.6,
            take=0.08,
            place=0.10,
            cancel=0.02,
            rank=3.5,
            density=0.97,
            follow=0.3,
            size=350_000,
            size_sigma=1.9,
            take_size=12_000,
        ),
    ),
    (
        Instrument(
            number=2,
            symbol="ETHUSD",
            category=Category.INVERSE,
            coin="ETH",
            opening_e4=23_000_500,
            tick_e4=500,
            lots_a_unit=1,
            created_at="2019-01-25T09:12:06Z",
            opening_volume=172_031_429_110,
            opening_turnover_e8=85_100_472_213_665_130,
            opening_interest=137_930_200,
        ),
        TraderProfile(
            activity=0.40,
            burst=3.4,
            take=0.02,
            place=0.09,
            cancel=0.03,
            rank=6.0,
            density=0.9,
            follow=0.3,
            size=50_000,
            size_sigma=0.8,
            take_size=9_000,
        ),
    ),
    (
        Instrument(
            number=1,
            symbol="BTCUSDT",
            category=Category.LINEAR,
            coin="USDT",
            opening_e4=606_225_000,
            tick_e4=5_000,
            lots_a_unit=1000,
            created_at="1970-01-01T00:00:00.000Z",
            opening_volume=11_849_360_579,
            opening_turnover_e8=5_297_935_000_783_200_000,
            opening_interest=4_471_230,
        ),
        TraderProfile(
            activity=0.40,
            burst=6.0,
            take=0.02,
            place=0.22,
            cancel=0.12,
            rank=6.0,
            density=0.5,
            follow=0.3,
            size=2_500,
            size_sigma=1.1,
            take_size=900,
        ),
    ),
    (
        Instrument(
            number=2,
            symbol="BTCUSDT",
            category=Category.SPOT,
            coin="USDT",
            opening_e4=606_225_000,
            tick_e4=1_000,
            lots_a_unit=1_000_000,
            created_at="1970-01-01T00:00:00.000Z",
            opening_volume=0,
            opening_turnover_e8=0,
            opening_interest=0,
        ),
        TraderProfile(
            activity=0.40,
            burst=4.0,
            take=0.02,
            place=0.22,
            cancel=0.12,
            rank=6.0,
            density=0.5,
            follow=0.3,
            size=20_000,
            size_sigma=1.6,
            take_size=10_000,
        ),
    ),
    (
        Instrument(
            number=3,
            symbol="XRPUSD",
            category=Category.INVERSE,
            coin="XRP",
            opening_e4=15_300,
            tick_e4=1,
            lots_a_unit=1,
            created_at="2019-10-17T10:08:09Z",
            opening_volume=80_400_178_200,
            opening_turnover_e8=12_470_230_117_554_900_000,
            opening_interest=64_870_100,
        ),
        TraderProfile(
            activity=0.35,
            burst=3.0,
            take=0.02,
            place=0.09,
            cancel=0.03,
            rank=6.0,
            density=0.9,
            follow=0.3,
            size=8_000,
            size_sigma=0.9,
            take_size=3_000,
        ),
    ),
)
_CALM = TraderProfile(
    activity=0.2,
    burst=2.0,
    take=0.02,
    place=0.15,
    cancel=0.10,
    rank=4.0,
    density=0.8,
    follow=0.3,
    size=2_500,
    size_sigma=1.1,
    take_size=900,
    stride=10,
    levels=80,
)
"""The profile of the ``more`` symbols: about one frame per second each."""
_OPTION = Instrument(
    number=1000,
    symbol="BTC-31DEC27-60000-C",
    category=Category.OPTION,
    coin="USDT",
    opening_e4=60_000_000,
    tick_e4=50_000,
    lots_a_unit=100,
    created_at="1970-01-01T00:00:00.000Z",
    opening_volume=0,
    opening_turnover_e8=0,
    opening_interest=0,
)
_OPTION_PROFILE = replace(_CALM, stride=5, levels=160)
_OPTIONS = tuple(
    (replace(_OPTION, number=_OPTION.number + number, symbol=symbol), _OPTION_PROFILE)
    for number, symbol in enumerate(("BTC-31DEC27-60000-C", "BTC-31DEC27-60000-P", "ETH-31DEC27-2500-C"))
)
_MAX_MORE = 9999


class SyntheticMarket:
    """An endless seeded market in which accounts can trade BTCUSD, ETHUSD, XRPUSD (inverse) and BTCUSDT (linear).

    Only background traders trade BTCUSDT on spot and the options ``BTC-31DEC27-60000-C``, ``BTC-31DEC27-60000-P`` and
    ``ETH-31DEC27-2500-C``. ``more`` adds up to 9,999 linear symbols, ``COIN0001USDT`` and so on, which are calm and
    shallow (80 levels per side); a thousand of them use about a third of one processor. In each inverse and linear
    symbol, a background trader's position is liquidated every 30 s on average.

    v2 topics, inverse and linear: ``orderBookL2_25`` (20 ms), ``orderBook_200.100ms``, ``trade`` and
    ``instrument_info.100ms`` (100 ms), ``klineV2.I`` or ``candle.I`` (each second with a trade, and at the end of the
    candle), ``liquidation`` (20 ms), and for each inverse coin ``insurance`` (daily, 20:00 UTC).

    v5 topics: ``orderbook.D`` with depths 1 (10 ms), 50 (20 ms), 200 (100 ms) and 1000 (200 ms), ``publicTrade``
    (20 ms), ``tickers`` (100 ms; spot: 1 s), ``kline.I`` (as on v2), and except on spot ``allLiquidation`` (500 ms).
    Options: ``orderbook.D`` with depths 25 (20 ms) and 100 (100 ms), ``publicTrade`` by base coin, and ``tickers``,
    which has only snapshots.

    All book topics of a symbol show the same book of more than 1,000 levels per side. After every frame a side has
    exactly the depth of its topic, and the book is never crossed.

    Equal ``seed`` and ``start_ns`` (time of the first frame in ns since the epoch; default: the current time) give
    equal bytes. Raises ValueError if ``more`` is not 0 to 9,999.

    The market imitates 30 s of recordings of six symbols (2,575 deltas of 25 levels). Frames per second: 7 to 21, half
    of them 20 ms after the previous one, a tenth more than 100 ms. Per frame: 1.9 to 3.7 updates on average, and 0.2
    inserts and deletes each on inverse, 0.3 to 1.9 on linear. Frames with inserts: 11 to 16 % on inverse, 22 to 69 % on
    linear. Frames with side flips: 0.2 to 1.7 %. Half of the updated levels are within 1 to 6 of the top. Median step
    of ``cross_seq``: 2 to 39. Trades per trade frame: 1 to 2.6.
    """

    def __init__(self, seed: int = 0, *, start_ns: int | None = None, more: int = 0) -> None:
        if not 0 <= more <= _MAX_MORE:
            raise ValueError(f"invalid number of additional symbols: {more}: expected 0 to {_MAX_MORE}")
        self._seed = seed
        self._start_ns = start_ns
        self._listed = (*_LISTED, *(_calm(number) for number in range(1, more + 1)), *_OPTIONS)
        coins = (instrument.coin for instrument, _ in _LISTED if instrument.category is Category.INVERSE)
        self.topics: Collection[PublicTopic] = dict.fromkeys(
            (
                *(topic for instrument, _ in self._listed for topic in topics_of(instrument)),
                *map(insurance_topic, coins),
            )
        )

    def open(self) -> Exchange:
        """Return a new exchange before its opening, without accounts and without published topics."""
        return Exchange(self._seed, self._start_ns, self._listed)

    def frames(self, topics: Collection[PublicTopic] | None = None) -> Iterator[MarketFrame]:
        """Return the endless frames of a new exchange without accounts, snapshots first. O(depth) per frame.

        ``topics`` selects topics; None means all.
        """
        exchange = self.open()
        for topic in self.topics if topics is None else topics:
            exchange.publish(topic)
        for tick in exchange.ticks():
            yield from tick.frames


def _calm(number: int) -> tuple[Instrument, TraderProfile]:
    template, _ = _LISTED[2]
    opening_e4 = (10 + number % 500) * 10_000
    symbol = f"COIN{number:04d}USDT"
    return replace(template, number=100 + number, symbol=symbol, opening_e4=opening_e4, tick_e4=100), _CALM
