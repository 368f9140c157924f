"""The venue's synthetic market: time, symbols, accounts, and the frames that they publish."""

import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal

from depthwire.bybit.topics import split_topic
from depthwire.venue.frames.private_frames import PrivateFrame, private_frames
from depthwire.venue.market.accounts import Account, Holder, checked_deposit
from depthwire.venue.market.background_traders import TraderProfile
from depthwire.venue.market.clearing import Clearing
from depthwire.venue.market.instruments import Instrument, utc_text
from depthwire.venue.market.market import Category, Dialect, MarketFrame, PublicTopic, Tick
from depthwire.venue.market.orders import Number
from depthwire.venue.market.symbol_publisher import SymbolPublisher
from depthwire.venue.market.trading_engine import TradingEngine

STEP_NS = 20_000_000
_JITTER_NS = 800_000
_PHASES = 4  # groups of symbols tick at different moments
_DAY_NS = 86_400 * 10**9
_INSURANCE_NS = 20 * 3600 * 10**9  # time of day, UTC
_INSURANCE_FUND = Decimal(1000)
_FIRST_USER_ID = 1_000_001
_TRADED = (Category.INVERSE, Category.LINEAR)

DEPOSITS: Mapping[str, Number] = {"BTC": 10, "ETH": 100, "XRP": 200_000, "USDT": 500_000}
"""The default deposits of a new account, by coin."""

Listener = Callable[[PrivateFrame], object]
Action = Callable[[], object]


class Exchange:
    """A market in which background traders, accounts and timed actions trade.

    ``start_ns`` is the market time at the opening, in ns since the epoch. None means the time at which `ticks` starts.

    The market advances only in `ticks` and in calls of accounts between ticks. Equal seeds and equal calls between
    equal ticks give equal frames. The market time `now_ns` is that of the last tick. Only topics that were requested
    with `publish` produce frames; the choice of topics does not affect trading.
    """

    def __init__(self, seed: int, start_ns: int | None, listed: tuple[tuple[Instrument, TraderProfile], ...]) -> None:
        self._start_ns = start_ns
        self.clearing = Clearing(f"{seed}:clearing")
        self.clearing.now_ns = self._opening_ns()
        engines = [
            TradingEngine(instrument, profile, f"{seed}:{_seed_name(instrument)}", self.clearing, self._publish_private)
            for instrument, profile in listed
        ]
        self.engines = {engine.instrument.symbol: engine for engine in engines if engine.instrument.category in _TRADED}
        """The engines of the symbols that accounts may trade. Only background traders trade spot and options."""
        self._all_engines = {(engine.instrument.category, engine.instrument.symbol): engine for engine in engines}
        self._publishers: dict[tuple[Category, str], SymbolPublisher] = {}
        self._published: dict[PublicTopic, None] = {}
        self._listeners: list[Listener] = []
        self._actions: list[tuple[int, Action]] = []
        for instrument, _ in listed:
            if not self.clearing.deposits[instrument.coin]:
                self._deposit(self.clearing.insurance_fund, instrument.coin, _INSURANCE_FUND)
        self._insured = tuple(
            dict.fromkeys(instrument.coin for instrument, _ in listed if instrument.category is Category.INVERSE)
        )

    # accounts

    @property
    def now_ns(self) -> int:
        """The market time, in ns since the epoch."""
        return self.clearing.now_ns

    @property
    def accounts(self) -> Mapping[str, Account]:
        """The accounts by API key."""
        return self.clearing.accounts

    def account(self, key: str, *, secret: str | None = None, deposits: Mapping[str, Number] = DEPOSITS) -> Account:
        """Return the account with this API key; create it if it does not exist.

        A new account gets ``secret``, or a random one, and ``deposits`` by coin. Raises ValueError, and creates no
        account, if the key is empty, the account has another secret, or a deposit is invalid (see `checked_deposit`).
        """
        if not key:
            raise ValueError("the API key is empty: expected a non-empty string")
        account = self.clearing.accounts.get(key)
        if account is None:
            amounts = {coin: checked_deposit(coin, amount) for coin, amount in deposits.items()}
            user_id = _FIRST_USER_ID + len(self.accounts)
            secret = secret or secrets.token_hex(18)
            account = self.clearing.accounts[key] = Account(key, secret, user_id, self.engines, self._deposit)
            for coin, exact in amounts.items():
                self._deposit(account, coin, exact)
        elif secret is not None and secret != account.secret:
            raise ValueError(f"account {key!r} already exists with another secret")
        return account

    def _deposit(self, holder: Holder, coin: str, amount: Decimal) -> None:
        self.clearing.deposit(holder, coin, amount)
        if isinstance(holder, Account):
            holder.changes.coins[coin] = None
            self._publish_private()

    def listen(self, listener: Listener) -> None:
        """Call ``listener(frame)`` for each frame of a private topic when it happens."""
        self._listeners.append(listener)

    def _publish_private(self) -> None:
        for account in self.accounts.values():
            for frame in private_frames(account, self.now_ns):
                for listener in self._listeners:
                    listener(frame)

    # time

    def every(self, interval_ms: int, action: Action) -> None:
        """Call ``action()`` every ``interval_ms`` of market time, rounded up to steps of 20 ms."""
        self._actions.append((max(1, -(-interval_ms * 1_000_000 // STEP_NS)), action))

    def publish(self, topic: PublicTopic) -> Iterable[MarketFrame]:
        """Start publishing a topic. Returns the first frames for a new subscriber; none before the market opens."""
        self._published[topic] = None
        return [frame for publisher in self._publishers_of(topic) for frame in publisher.start(topic, self.now_ns)]

    def unpublish(self, topic: PublicTopic) -> None:
        """Stop publishing a topic until the next call of `publish`."""
        self._published.pop(topic, None)
        for publisher in self._publishers_of(topic):
            publisher.stop(topic)

    def _publishers_of(self, topic: PublicTopic) -> list[SymbolPublisher]:
        """Return the publishers of a topic: one, except for trades of options, whose topic covers a base coin."""
        name = split_topic(topic.name)[1]
        if (topic.category, name) in self._publishers:
            return [self._publishers[topic.category, name]]
        return [
            publisher
            for (category, symbol), publisher in self._publishers.items()
            if category is topic.category is Category.OPTION and symbol.partition("-")[0] == name
        ]

    def ticks(self) -> Iterator[Tick]:
        """Yield the ticks of the market from its opening, endlessly.

        A tick's events happen while the caller iterates over its frames. The first frames are snapshots of the
        published books and instruments.
        """
        self.clearing.now_ns = start_ns = self._opening_ns()
        self._publishers = {name: SymbolPublisher(engine, start_ns) for name, engine in self._all_engines.items()}
        yield Tick(start_ns, self._open(start_ns))
        # Opening takes time, so read the clock again for the following timestamps.
        self.clearing.now_ns = start_ns = self._opening_ns()
        yield Tick(start_ns, ())
        publishers = tuple(self._publishers.values())
        phases = [publishers[phase::_PHASES] for phase in range(_PHASES)]
        step = 0
        while True:
            step += 1
            for phase in range(_PHASES):
                at_ns = start_ns + step * STEP_NS + phase * STEP_NS // _PHASES
                # The group that stepped half a step ago may publish what has happened since.
                yield Tick(at_ns, self._step(phases[phase], phases[phase - _PHASES // 2], at_ns, step))
            yield Tick(at_ns, self._run_actions(at_ns, step))

    def _opening_ns(self) -> int:
        return time.time_ns() if self._start_ns is None else self._start_ns

    def _open(self, at_ns: int) -> Iterator[MarketFrame]:
        for topic in tuple(self._published):
            for publisher in self._publishers_of(topic):
                yield from publisher.start(topic, at_ns)

    def _step(
        self, publishers: Sequence[SymbolPublisher], between: Sequence[SymbolPublisher], at_ns: int, step: int
    ) -> Iterator[MarketFrame]:
        for publisher in publishers:
            engine = publisher.engine
            if (step + engine.instrument.number) % engine.stride == 0:
                jitter_ns = engine.background_traders.random_bits(20) * _JITTER_NS >> 20
                self.clearing.now_ns = max(self.now_ns, at_ns - jitter_ns)
                if engine.step():
                    self._publish_private()
            elif publisher.is_idle(2 * step):
                continue
            else:
                self.clearing.now_ns = at_ns
            yield from publisher.push(self.now_ns, 2 * step)
        self.clearing.now_ns = at_ns
        for publisher in between:
            if publisher.is_quick:
                yield from publisher.push(at_ns, 2 * step + 1)

    def _run_actions(self, at_ns: int, step: int) -> Iterator[MarketFrame]:
        """Run the due actions, and publish the insurance funds once a day."""
        at_ns = max(at_ns, self.now_ns)
        for steps, action in self._actions:
            if step % steps == 0:
                action()
        due_ns = (at_ns - _INSURANCE_NS) // _DAY_NS * _DAY_NS + _INSURANCE_NS
        if at_ns - STEP_NS < due_ns:
            for coin in self._insured:
                balance_e8 = int(self.clearing.insurance_fund.balances[coin] * 10**8)
                topic = insurance_topic(coin)
                if topic not in self._published:
                    continue
                data = f'{{"currency":"{coin}","timestamp":"{utc_text(due_ns)}","wallet_balance":{balance_e8}}}'
                yield MarketFrame(at_ns, topic, f'{{"topic":"{topic}","data":[{data}]}}'.encode())


def insurance_topic(coin: str) -> PublicTopic:
    """Return the topic of a coin's insurance fund, which exists only on v2 inverse."""
    return PublicTopic(Dialect.V2, Category.INVERSE, f"insurance.{coin}")


def _seed_name(instrument: Instrument) -> str:
    """Return the part of a seed that is specific to a symbol."""
    return f"spot:{instrument.symbol}" if instrument.category is Category.SPOT else instrument.symbol
