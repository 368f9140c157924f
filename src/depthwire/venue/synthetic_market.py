"""A market that never was: seeded traders, and frames that look like recorded ones."""

from collections.abc import Iterator, Mapping

from depthwire.venue.crowd import Habits
from depthwire.venue.exchange import Exchange
from depthwire.venue.instruments import Instrument
from depthwire.venue.listing import topics_of
from depthwire.venue.market import Dialect, MarketFrame

_LISTED = (
    (
        Instrument(
            number=1,
            symbol="BTCUSD",
            dialect=Dialect.INVERSE,
            coin="BTC",
            opening_e4=606_225_000,
            tick_e4=5_000,
            lots_a_unit=1,
            created_at="2018-11-14T16:33:26Z",
            opening_volume=1_756_544_187_400,
            opening_turnover_e8=20_293_701_419_614_010,
            opening_interest=1_544_184_710,
        ),
        Habits(
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
            dialect=Dialect.INVERSE,
            coin="ETH",
            opening_e4=23_000_500,
            tick_e4=500,
            lots_a_unit=1,
            created_at="2019-01-25T09:12:06Z",
            opening_volume=172_031_429_110,
            opening_turnover_e8=85_100_472_213_665_130,
            opening_interest=137_930_200,
        ),
        Habits(
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
            dialect=Dialect.LINEAR,
            coin="USDT",
            opening_e4=606_225_000,
            tick_e4=5_000,
            lots_a_unit=1000,
            created_at="1970-01-01T00:00:00.000Z",
            opening_volume=11_849_360_579,
            opening_turnover_e8=5_297_935_000_783_200_000,
            opening_interest=4_471_230,
        ),
        Habits(
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
)


class SyntheticMarket:
    """An endless seeded market in which accounts may trade: BTCUSD and ETHUSD on inverse, BTCUSDT on linear.

    Topics of each symbol: ``orderBookL2_25`` (a delta every 20 ms in which something visible changed),
    ``orderBook_200.100ms``, ``trade`` and ``instrument_info.100ms`` (every 100 ms), ``klineV2.I`` or ``candle.I``
    (every second with a trade, and at a candle's end), ``liquidation`` (within 20 ms); and of each inverse coin
    ``insurance`` (20:00 UTC). The book topics are views of one book of more than 250 levels a side: after every
    frame a side has exactly 25, or 200, levels, and the book is never crossed.

    Equal ``seed`` and ``start_ns`` (ns since the epoch of the first frame; by default the moment at which it
    begins) give equal bytes.

    What it imitates, measured on 30 s of recordings of six symbols (2,575 deltas of 25 levels): 7 to 21
    frames a second, half of them 20 ms after the last and a tenth more than 100 ms; means of a frame 1.9 to
    3.7 updates, and 0.2 inserts and as many deletes on inverse, 0.3 to 1.9 on linear; 11 to 16 % of the
    frames with inserts on inverse, 22 to 69 % on linear; side flips in 0.2 to 1.7 % of the frames; updates of
    half the levels within 1 to 6 of the top; ``cross_seq`` steps of 2 to 39 in the median; 1 to 2.6 trades in
    a trade frame.
    """

    def __init__(self, seed: int = 0, *, start_ns: int | None = None) -> None:
        self._seed = seed
        self._start_ns = start_ns
        self.topics: Mapping[str, Dialect] = {
            topic: instrument.dialect for instrument, _ in _LISTED for topic in topics_of(instrument)
        }

    def open(self) -> Exchange:
        """A new exchange at its opening, with no account yet."""
        return Exchange(self._seed, self._start_ns, _LISTED)

    def frames(self) -> Iterator[MarketFrame]:
        """The market from its opening, traded in by nobody else, without end: snapshots first. O(depth) a frame."""
        for tick in self.open().ticks():
            yield from tick.frames
