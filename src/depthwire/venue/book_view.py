"""What a book topic shows of a symbol's book, and what changed since it last did."""

from collections.abc import Iterator

from depthwire.venue.instruments import Instrument
from depthwire.venue.market import MarketFrame
from depthwire.venue.matching import BUY, SELL, Matcher

_NAMES = {BUY: "Buy", SELL: "Sell"}


class BookView:
    """The best ``depth`` levels a side, as frames of one topic."""

    def __init__(self, topic: str, depth: int, instrument: Instrument, matcher: Matcher) -> None:
        self._topic = topic
        self._depth = depth
        self._instrument = instrument
        self._matcher = matcher
        self._shown: dict[int, dict[int, int]] = {BUY: {}, SELL: {}}
        self._changes: dict[int, int] = {}

    def snapshot(self, at_ns: int) -> MarketFrame:
        """All levels: bids, then asks, each by ascending price. O(depth log depth)."""
        levels = []
        for sign in (BUY, SELL):
            window = self._shown[sign] = self._matcher.side(sign).window(self._depth)
            ticks = {-sign * key: lots for key, lots in window.items()}
            levels += [self._level(sign, tick, ticks[tick]) for tick in sorted(ticks)]
        data = f"[{','.join(levels)}]"
        if self._instrument.is_linear:
            data = f'{{"order_book":{data}}}'
        return self._frame("snapshot", data, at_ns)

    def delta(self, at_ns: int) -> Iterator[MarketFrame]:
        """The difference between the levels shown last and those to be shown now; nothing where there is
        none. O(depth).
        """
        delete: list[str] = []
        update: list[str] = []
        insert: list[str] = []
        for sign in (BUY, SELL):
            side = self._matcher.side(sign)
            if side.changes == self._changes.get(sign):
                continue
            self._changes[sign] = side.changes
            shown, window = self._shown[sign], side.window(self._depth)
            if window == shown:
                continue
            self._shown[sign] = window
            delete += [self._level(sign, -sign * key) for key in shown if key not in window]
            for key, lots in window.items():
                before = shown.get(key)
                if before != lots:
                    (insert if before is None else update).append(self._level(sign, -sign * key, lots))
        if delete or update or insert:
            data = f'"delete":[{",".join(delete)}],"update":[{",".join(update)}],"insert":[{",".join(insert)}]'
            if not self._instrument.is_linear:
                data += ',"transactTimeE6":0'
            yield self._frame("delta", f"{{{data}}}", at_ns)

    def _level(self, sign: int, tick: int, lots: int | None = None) -> str:
        instrument = self._instrument
        price_id = instrument.quoted(tick * instrument.tick_e4)
        stands = "" if lots is None else f',"size":{instrument.size(lots)}'
        return (
            f'{{"price":"{instrument.price(tick)}","symbol":"{instrument.symbol}","id":{price_id},'
            f'"side":"{_NAMES[sign]}"{stands}}}'
        )

    def _frame(self, kind: str, data: str, at_ns: int) -> MarketFrame:
        quoted = self._instrument.quoted
        raw = (
            f'{{"topic":"{self._topic}","type":"{kind}","data":{data},'
            f'"cross_seq":{quoted(self._matcher.sequence)},"timestamp_e6":{quoted(at_ns // 1000)}}}'
        )
        return MarketFrame(at_ns, self._topic, raw.encode())
