"""The venue's market as a whole: time, the symbols, the accounts, and what is told of them."""

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal

from depthwire.venue.accounts import Account, Holder
from depthwire.venue.clearing import Clearing
from depthwire.venue.crowd import Habits
from depthwire.venue.desk import Desk
from depthwire.venue.instruments import Instrument, utc_text
from depthwire.venue.listing import Listing
from depthwire.venue.market import MarketFrame, Tick
from depthwire.venue.orders import Number
from depthwire.venue.private_frames import PrivateFrame, private_frames

STEP_NS = 20_000_000
_JITTER_NS = 800_000
_PHASE_NS = 5_000_000  # the symbols do not tick at the same moment
_DAY_NS = 86_400 * 10**9
_INSURANCE_NS = 20 * 3600 * 10**9  # after midnight, UTC
_INSURANCE_FUND = Decimal(1000)
_FIRST_USER_ID = 1_000_001

DEPOSITS: Mapping[str, Number] = {"BTC": 10, "ETH": 100, "USDT": 500_000}
"""What a new account is given, where nothing else is said."""

Listener = Callable[[PrivateFrame], object]
Action = Callable[[], object]


class Exchange:
    """A market that is traded in: by the crowd, by accounts, and by what is due at its own times.

    ``start_ns`` is the market's time at its opening, ns since the epoch; None: the moment at which `ticks` begins.

    All of it happens in `ticks`, and in the calls of accounts between them: with equal seeds, equal calls between equal
    ticks give equal frames. Its time, `now_ns`, is that of the last tick.
    """

    def __init__(self, seed: int, start_ns: int | None, listed: tuple[tuple[Instrument, Habits], ...]) -> None:
        self._start_ns = start_ns
        self.clearing = Clearing(f"{seed}:clearing")
        self.clearing.now_ns = self._opening_ns()
        self.desks = {
            instrument.symbol: Desk(
                instrument, habits, f"{seed}:{instrument.symbol}", self.clearing, self._tell_accounts
            )
            for instrument, habits in listed
        }
        self._listeners: list[Listener] = []
        self._actions: list[tuple[int, Action]] = []
        for instrument, _ in listed:
            if not self.clearing.deposits[instrument.coin]:
                self._deposit(self.clearing.fund, instrument.coin, _INSURANCE_FUND)
        self._insured = tuple(dict.fromkeys(instrument.coin for instrument, _ in listed if not instrument.is_linear))

    # accounts

    @property
    def now_ns(self) -> int:
        """The market's time, ns since the epoch."""
        return self.clearing.now_ns

    @property
    def accounts(self) -> Mapping[str, Account]:
        """The accounts by API key."""
        return self.clearing.accounts

    def account(self, key: str, *, secret: str | None = None, deposits: Mapping[str, Number] = DEPOSITS) -> Account:
        """The account with this API key; made where there is none, with a secret (a random one where none is given)
        and deposits by coin. Raises ValueError for an empty key, or another secret than the account's.
        """
        if not key:
            raise ValueError("an API key is a text that is not empty")
        account = self.clearing.accounts.get(key)
        if account is None:
            user_id = _FIRST_USER_ID + len(self.accounts)
            secret = secret or secrets.token_hex(18)
            account = self.clearing.accounts[key] = Account(key, secret, user_id, self.desks, self._deposit)
            for coin, amount in deposits.items():
                account.deposit(coin, amount)
        elif secret is not None and secret != account.secret:
            raise ValueError(f"the account {key!r} exists with another secret")
        return account

    def _deposit(self, holder: Holder, coin: str, amount: Decimal) -> None:
        self.clearing.deposit(holder, coin, amount)
        if isinstance(holder, Account):
            holder.changes.coins[coin] = None
            self._tell_accounts()

    def listen(self, listener: Listener) -> None:
        """Calls ``listener(frame)`` for each frame of a private topic, as it happens."""
        self._listeners.append(listener)

    def _tell_accounts(self) -> None:
        for account in self.accounts.values():
            for frame in private_frames(account):
                for listener in self._listeners:
                    listener(frame)

    # time

    def every(self, interval_ms: int, action: Action) -> None:
        """Calls ``action()`` each ``interval_ms`` of the market's time, rounded up to steps of 20 ms."""
        self._actions.append((max(1, -(-interval_ms * 1_000_000 // STEP_NS)), action))

    def ticks(self) -> Iterator[Tick]:
        """The market from its opening, without end. A tick's events happen while its frames are taken.

        Its first frames are snapshots of the books and instruments.
        """
        self.clearing.now_ns = start_ns = self._opening_ns()
        listings = [Listing(desk, start_ns) for desk in self.desks.values()]
        yield Tick(start_ns, (frame for listing in listings for frame in listing.open(start_ns)))
        # To open took its time: what follows is stamped with the moment at which it happens.
        self.clearing.now_ns = start_ns = self._opening_ns()
        yield Tick(start_ns, ())
        step = 0
        while True:
            step += 1
            step_ns = start_ns + step * STEP_NS
            for phase, listing in enumerate(listings):
                at_ns = step_ns + phase * _PHASE_NS
                yield Tick(at_ns, self._step(listing, at_ns, step))
            yield Tick(at_ns, self._act(at_ns, step))

    def _opening_ns(self) -> int:
        return time.time_ns() if self._start_ns is None else self._start_ns

    def _step(self, listing: Listing, at_ns: int, step: int) -> Iterator[MarketFrame]:
        desk = listing.desk
        self.clearing.now_ns = at_ns = at_ns - (desk.crowd.random_bits(20) * _JITTER_NS >> 20)
        desk.step()
        self._tell_accounts()
        yield from listing.tell(at_ns, step)

    def _act(self, at_ns: int, step: int) -> Iterator[MarketFrame]:
        """What is due at its own times: the actions of traders, and the daily news of the insurance fund."""
        at_ns = max(at_ns, self.now_ns)
        for steps, action in self._actions:
            if step % steps == 0:
                action()
        due_ns = (at_ns - _INSURANCE_NS) // _DAY_NS * _DAY_NS + _INSURANCE_NS
        if at_ns - STEP_NS < due_ns:
            for coin in self._insured:
                balance_e8 = int(self.clearing.fund.balances[coin] * 10**8)
                topic = f"insurance.{coin}"
                data = f'{{"currency":"{coin}","timestamp":"{utc_text(due_ns)}","wallet_balance":{balance_e8}}}'
                yield MarketFrame(at_ns, topic, f'{{"topic":"{topic}","data":[{data}]}}'.encode())
