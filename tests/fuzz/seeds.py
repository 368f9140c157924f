"""The seeds of each target: books written here, and frames of the embedded venue for every other topic."""

from collections.abc import Iterator
from itertools import combinations

from depthwire.venue import DemoTrader, SyntheticMarket
from depthwire.venue.market.market import Dialect, PublicTopic

START_NS = 1_618_677_786_000_000_000
SECONDS = 20
FRAMES_PER_KIND = 2

V2_LEVELS = [
    ("Buy", "99.50", 995000, 7),
    ("Buy", "100.00", 1000000, 12.5),
    ("Sell", "100.50", 1005000, 3),
    ("Sell", "101", 1010000, 0.001),
]


def v2_level(symbol: str, side: str, price: str, price_id: int, size: float | None = None, *, quoted: bool) -> str:
    shown = f'"{price_id}"' if quoted else price_id
    sized = "" if size is None else f',"size":{size}'
    return f'{{"price":"{price}","symbol":"{symbol}","id":{shown},"side":"{side}"{sized}}}'


def v2_frame(symbol: str, kind: str, data: str, seq: int, *, quoted: bool) -> str:
    numbers = (f'"{seq}"', f'"{seq}000"') if quoted else (seq, f"{seq}000")
    return (
        f'{{"topic":"orderBookL2_25.{symbol}","type":"{kind}","data":{data},'
        f'"cross_seq":{numbers[0]},"timestamp_e6":{numbers[1]}}}'
    )


def v2_books() -> Iterator[str]:
    """Yield a snapshot and possible deltas, in both dialects."""
    for symbol, quoted in (("BTCUSD", False), ("BTCUSDT", True)):
        levels = [v2_level(symbol, *level, quoted=quoted) for level in V2_LEVELS]
        listed = f"[{','.join(levels)}]"
        snapshot = v2_frame(symbol, "snapshot", f'{{"order_book":{listed}}}' if quoted else listed, 5, quoted=quoted)
        yield snapshot
        deleted = v2_level(symbol, *V2_LEVELS[1][:3], quoted=quoted)
        updated = v2_level(symbol, *V2_LEVELS[2][:3], 250000, quoted=quoted)
        new = v2_level(symbol, "Buy", "99.75", 997500, 1, quoted=quoted)
        flipped = v2_level(symbol, "Sell", "100.00", 1000000, 1, quoted=quoted)
        crossing = v2_level(symbol, "Buy", "101.00", 1010000, 1, quoted=quoted)
        for parts in (("", "", ""), (deleted, updated, new), (deleted, "", flipped), ("", "", crossing), ("", new, "")):
            for time in ("", ',"transactTimeE6":0'):
                content = '{{"delete":[{}],"update":[{}],"insert":[{}]{}}}'.format(*parts, "" if quoted else time)
                delta = v2_frame(symbol, "delta", content, 6, quoted=quoted)
                yield f"{snapshot}\n{delta}\n{delta}\n{snapshot}"
    yield '{"success":true,"ret_msg":"","conn_id":"x","request":{"op":"subscribe","args":["orderBookL2_25.BTCUSD"]}}'


def v5_books() -> Iterator[str]:
    """Yield a snapshot and possible deltas, in the key orders of all categories."""

    def frame(kind: str, bids: str, asks: str, u: int, *, spot: bool = False, depth: int = 50) -> str:
        head = f'"ts":17000,"type":"{kind}"' if spot else f'"type":"{kind}","ts":17000'
        return (
            f'{{"topic":"orderbook.{depth}.BTCUSDT",{head},"data":{{"s":"BTCUSDT","b":[{bids}],"a":[{asks}],'
            f'"u":{u},"seq":{u + 2}}},"cts":16999}}'
        )

    bids, asks = '["100.5","1"],["99","2.5"]', '["101.25","3"],["102.00","0.000001"]'
    for spot in (False, True):
        snapshot = frame("snapshot", bids, asks, 7, spot=spot)
        for changes in (("", ""), ('["99","0"]', ""), ('["100.75","4"]', '["101.25","0"],["101.125","1"]')):
            yield f"{snapshot}\n{frame('delta', *changes, 8, spot=spot)}\n{frame('delta', *changes, 9, spot=spot)}"
        crossing, late = frame("delta", '["101.25","1"]', "", 8, spot=spot), frame("delta", "", "", 10, spot=spot)
        yield f"{snapshot}\n{crossing}\n{snapshot}"
        yield f"{snapshot}\n{late}"
    top = frame("snapshot", bids[: bids.index("]") + 1], "", 7, depth=1)
    yield f"{top}\n{top}"


def published(dialect: Dialect) -> Iterator[str]:
    """Yield consecutive frames of each topic except books, public and of a trading account."""
    market = SyntheticMarket(1, start_ns=START_NS)
    public = [topic for topic in market.topics if topic.dialect is dialect and not topic.name.startswith("order")]
    frames: dict[PublicTopic, list[str]] = {}
    for at_ns, topic, raw in market.frames(public):
        frames.setdefault(topic, []).append(raw.decode())
        if at_ns > START_NS + SECONDS * 10**9:
            break
    exchange = SyntheticMarket(1, start_ns=START_NS).open()
    exchange.listen(lambda frame: frames.setdefault(frame.topic, []).append(frame.raw.decode()))
    DemoTrader(exchange, exchange.account("demo"))
    for tick in exchange.ticks():
        _ = list(tick.frames)
        if tick.at_ns > START_NS + SECONDS * 10**9:
            break
    kinds: dict[tuple[str, str], list[str]] = {}
    for topic, raws in frames.items():
        if topic.dialect is dialect:
            kinds.setdefault((topic.category, topic.name.partition(".")[0]), raws[:FRAMES_PER_KIND])
    for raws in kinds.values():
        yield "\n".join(raws)


def v2_events() -> Iterator[str]:
    """Yield each topic of inverse and linear, and answers."""
    yield from published(Dialect.V2)
    yield '{"topic":"insurance.BTC","data":[{"currency":"BTC","timestamp":"2020-01-11T20:00:00Z","wallet_balance":9}]}'
    yield '{"success":true,"ret_msg":"pong","conn_id":"1","request":{"op":"ping","args":null}}'
    yield '{"success":false,"ret_msg":"error:topic","conn_id":"1","request":{"op":"subscribe","args":["trade.X"]}}'


def v5_events() -> Iterator[str]:
    """Yield each topic of v5, and answers."""
    yield from published(Dialect.V5)
    greeks = '"totalDelta":"0.1","totalGamma":"0","totalVega":"0","totalTheta":"0"'
    yield f'{{"topic":"greeks","id":"1","creationTime":2,"data":[{{"baseCoin":"BTC",{greeks}}}]}}'
    yield '{"success":true,"ret_msg":"","conn_id":"1","req_id":"7","op":"subscribe"}'
    yield '{"req_id":"7","op":"pong","args":["1700000000000"],"conn_id":"1"}'
    yield '{"success":false,"ret_msg":"error:already subscribed,topic:tickers.X","op":"subscribe","req_id":"7"}'


def topics() -> Iterator[str]:
    """Yield texts as users write them, right and wrong."""
    yield from (
        "trade", "trade.*", "trade.BTCUSD|XRPUSD|BTCUSD", "orderBookL2_25.BTCUSD", "orderBook_200.100ms.BTCUSD",
        "orderBook_200.BTCUSD", "klineV2.1.BTCUSD", "klineV2.2.BTCUSD", "candle.D.BTCUSDT", "insurance.BTC",
        "instrument_info.100ms.BTCUSDM21", "liquidation", "order", "stop_order", "order.BTCUSD", "wallet.*",
        "trade.btcusd",
        "orderbook.50.BTCUSDT", "orderbook.7.BTCUSDT", "publicTrade.BTC", "publicTrade.BTC-30DEC22-18000-C",
        "tickers.BTCUSD",
        "kline.M.BTCUSDT", "allLiquidation.BTCUSDT", "insurance.USDC", "insurance.inverse", "execution.fast.linear",
        "execution.fast", "order.spot", "position.spot", "greeks", "moon.BTCUSD", "order\u0130.X",
    )  # fmt: skip


SEEDS = {seeds.__name__: seeds for seeds in (v2_books, v5_books, v2_events, v5_events, topics)}


def words(name: str) -> list[str]:
    """Return the words that a mutation may insert besides single bytes."""
    if name == "topics":
        parts = {part for text in topics() for part in text.replace("|", ".").split(".")}
        return sorted(parts | {".", "|", "*", "..", "||"})
    numbers = ["0", "-1", "0.0", "1e3", "1e999", "9007199254740993", "9223372036854775807", "9223372036854775808"]
    marks = [
        ",",
        ":",
        "[]",
        "{}",
        '""',
        "null",
        "true",
        "\\u0042",
        "\\ud800",
        "\ufeff",
        "[[[[",
        *map("".join, combinations('",[{', 2)),
    ]
    found = {part for text in SEEDS[name]() for part in text.replace("\n", "").split('"') if 0 < len(part) < 24}
    return [*numbers, *marks, *sorted(f'"{word}"' for word in found)]
