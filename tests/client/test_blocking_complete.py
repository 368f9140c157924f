"""The blocking face offers what the async one does: public names and signatures are held against each other."""

import contextlib
import inspect
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, wait
from typing import Any

import pytest

from depthwire import blocking, client, connect, errors
from depthwire.book.types import BookState
from depthwire.bybit.accounts import AccountStream
from depthwire.bybit.instrument import Instrument
from depthwire.feed.live_book import LiveBook
from depthwire.feed.streams import EventStream
from tests.support.v5_server import BOUND_S, V5Server, book, served

FEEDS = "written by the feed alone"
COPY = "a copy of one moment, as the live one changes in another thread"
STEPS = "the steps of get()"
PASSED_ON = "by __getattr__"
READ_ONLY = ("topic", "symbol", "state", "updated", "frame_seq", "ts_exchange_us", "ts_recv_ns", "version")
TIMEOUT = "waits, so it takes a bound: timeout_s"
PAIRS: list[tuple[type, type, dict[str, str]]] = [
    (
        client.Client,
        blocking.BlockingClient,
        {"open": "connect() does it", "__aenter__": "connect() gives a context manager"},
    ),
    (
        LiveBook,
        blocking.BlockingBook,
        {
            "apply_snapshot": FEEDS,
            "apply_delta": FEEDS,
            "apply_levels": FEEDS,
            "mark_stale": FEEDS,
            "finish": FEEDS,
            "fail": FEEDS,
            "adopt": FEEDS,
            "bid_ladder": "of the core, not documented",
            "ask_ladder": "of the core, not documented",
            "changes": TIMEOUT,
        },
    ),
    (
        Instrument,
        blocking.BlockingInstrument,
        {
            **dict.fromkeys((*READ_ONLY, "as_float", "as_floats"), PASSED_ON),
            "apply": FEEDS,
            "start_over": FEEDS,
            "adopt": FEEDS,
            "mark_stale": FEEDS,
            "finish": FEEDS,
            "fail": FEEDS,
            "changes": TIMEOUT,
        },
    ),
    (
        EventStream,
        blocking.BlockingStream,
        {**dict.fromkeys(("push", "break_off", "finish"), FEEDS), **dict.fromkeys(("has_next", "pop", "ready"), STEPS)},
    ),
    (
        AccountStream,
        blocking.BlockingAccountStream,
        {
            **dict.fromkeys(("push", "break_off", "finish"), FEEDS),
            **dict.fromkeys(("has_next", "pop", "ready"), STEPS),
            "view": COPY,
        },
    ),
]
ADDED = {
    blocking.BlockingStream: {"get": TIMEOUT},
    blocking.BlockingAccountStream: {"get": TIMEOUT, "view": COPY, "gap": "of the view", "reconcile": "of the view"},
}


def public(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


def parameters(function: Any) -> list[tuple[str, Any, Any]] | None:
    """Return the names, kinds and defaults of a method's parameters; None if it is not a method."""
    if not callable(function):
        return None
    found = inspect.signature(function).parameters.values()
    return [(each.name, each.kind, each.default) for each in found]


@pytest.mark.parametrize(("face", "blocks", "allowed"), PAIRS, ids=[pair[1].__name__ for pair in PAIRS])
def test_each_public_name_is_there_with_its_signature(face: type, blocks: type, allowed: dict[str, str]) -> None:
    of_instances = {"topic", "capacity", "view"} if issubclass(face, EventStream) else set()
    if issubclass(face, LiveBook):
        of_instances = {"symbol", "topic", "depth"}
    if face is client.Client:
        of_instances = {"dialect"}
    theirs, ours = public(face) | of_instances, public(blocks) | of_instances
    assert theirs - ours - allowed.keys() == set()
    assert ours - theirs - ADDED.get(blocks, {}).keys() == set()
    for name in (theirs & ours) - of_instances - allowed.keys():
        one, other = (inspect.getattr_static(kind, name) for kind in (face, blocks))
        assert parameters(one) == parameters(other), name


def test_the_allowed_differences_exist() -> None:
    for face, _, allowed in PAIRS:
        names = public(face) | {"view", "bid_ladder", "ask_ladder", "__aenter__"}
        assert allowed.keys() <= names


def test_connect_takes_the_same_arguments() -> None:
    assert parameters(connect) == parameters(blocking.connect)


# in use


def prepared(server: V5Server) -> None:
    def frames_of(topic: str) -> dict[str, Any]:
        if topic.startswith("tickers."):
            return {
                "topic": topic,
                "type": "snapshot",
                "cs": 1,
                "ts": 1,
                "data": {"symbol": "BTCUSDT", "lastPrice": "5"},
            }
        if topic == "publicTrade.BTCUSDT":
            return book("BTCUSDT", u=2, kind="delta", b=[["100.50", "3"]])
        return book("BTCUSDT") if topic.startswith("orderbook.50.") else {"topic": topic, "n": 1}

    server.snapshots = frames_of


@pytest.fixture
def server() -> Iterator[V5Server]:
    with served(prepared) as found:
        yield found


def test_a_client_lives_across_cells_and_is_closed_once(server: V5Server) -> None:
    client = blocking.connect(server.url)
    shown = client.book("BTCUSDT")
    assert shown.bbo is not None
    assert "open" in repr(client)
    client.close()
    client.close()
    with client:  # closed again at its end
        pass
    assert shown.state is BookState.STALE
    for ask in (lambda: client.book("BTCUSDT"), lambda: client.trades("BTCUSDT"), lambda: client.unsubscribe("a.b")):
        with pytest.raises(errors.ClientClosed):
            ask()
    assert not client.status().connected
    assert client.health()[shown.topic].stale_reason == "the client was closed"
    assert (client.lines, sum(client.lanes.values())) == ((), 1)
    client.add_tap(print)()
    client.on_error(print)()
    assert "closed" in repr(client)
    assert not any(thread.name == "depthwire" for thread in threading.enumerate())


def test_closing_from_many_threads_closes_once(server: V5Server) -> None:
    client = blocking.connect(server.url)
    threads = [threading.Thread(target=client.close) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(BOUND_S)
    assert not any(thread.is_alive() for thread in threads)


def test_a_callback_that_waits_for_its_own_thread_is_an_error(server: V5Server) -> None:
    with blocking.connect(server.url) as client:
        raised: list[BaseException] = []
        done = threading.Event()

        def tap(ts_recv_ns: int, payload: memoryview) -> None:
            for wait in (lambda: client.book("BTCUSDT"), client.close):
                try:
                    wait()
                except RuntimeError as error:
                    raised.append(error)
            client.status()  # which does not wait
            remove()
            done.set()

        remove = client.add_tap(tap)
        client.subscribe("publicTrade.ETHUSDT")
        assert done.wait(BOUND_S)
        assert len(raised) == 2
        assert client.book("BTCUSDT").state is BookState.LIVE


def test_callbacks_taps_raw_frames_and_instruments(server: V5Server) -> None:
    with blocking.connect(server.url) as client:
        found, seen, changed = list[Any](), list[bytes](), threading.Event()
        remove_error = client.on_error(found.append)
        remove = client.add_tap(lambda ts, payload: seen.append(bytes(payload)))
        raw = client.subscribe_raw("priceLimit.BTCUSDT")
        assert raw.get(BOUND_S) == ("priceLimit.BTCUSDT", b'{"topic":"priceLimit.BTCUSDT","n":1}')
        assert (raw.topic, raw.capacity, raw.waiting) == ("priceLimit.BTCUSDT", 10_000, 0)
        ticker = client.instrument("BTCUSDT")
        assert (ticker.last_price, ticker.symbol, ticker.snapshot().last_price) == (5, "BTCUSDT", 5)
        assert next(ticker.changes(BOUND_S)).last_price == 5
        for shown_names in (dir(ticker), dir(ticker._instrument)):  # what a notebook completes
            assert {"last_price", "symbol", "state", "snapshot"} <= set(shown_names)
        assert "apply" not in dir(ticker)
        with pytest.raises(AttributeError):
            _ = ticker.apply
        shown = client.book("BTCUSDT")
        shown.on_change(lambda live: changed.set())
        assert (len(shown), bool(shown), shown.spread, shown.size_at("100.50")) == (2, True, pytest.approx(0.1), 1.0)
        assert shown.to_numpy()[0].tolist() == [[100.5, 1.0]]
        assert [shown.bids.price_ids.tolist(), shown.asks.sizes.tolist()] == [[10050], [2.0]]
        assert len(list(shown)) == 2
        client.subscribe("publicTrade.BTCUSDT")  # upon which the server sends the book's next frame
        assert changed.wait(BOUND_S)
        assert shown.update_id == 2
        assert client.lines == ()
        assert sum(client.lanes.values()) == 2
        raw.close()
        assert list(raw) == []
        assert any(b"priceLimit" in each for each in seen)
        remove()
        remove_error()
        assert found == []
    remove()  # after the client: nothing is left to end


RAW = ("priceLimit.BTCUSDT", b'{"topic":"priceLimit.BTCUSDT","n":1}')


def with_one_waiting(
    client: blocking.BlockingClient, topic: str = "priceLimit.BTCUSDT"
) -> blocking.BlockingStream[Any]:
    stream = client.subscribe_raw(topic)
    while stream.waiting == 0:
        time.sleep(0.001)
    return stream


def test_what_waits_is_read_without_waiting(server: V5Server) -> None:
    with blocking.connect(server.url) as client:
        stream = with_one_waiting(client)
        assert stream.get(timeout_s=0) == RAW
        for timeout_s in (0, -1, 0.001):
            with pytest.raises(TimeoutError, match=r"priceLimit.BTCUSDT: no event within"):
                stream.get(timeout_s)


def test_an_interrupted_call_loses_no_event(server: V5Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def result(future: Future[Any], timeout: float | None = None) -> Any:
        wait([future], BOUND_S)
        raise KeyboardInterrupt

    with blocking.connect(server.url) as client:
        stream = with_one_waiting(client)
        with monkeypatch.context() as patched:
            patched.setattr(Future, "result", result)
            with pytest.raises(KeyboardInterrupt):
                next(stream)
        assert stream.waiting == 1
        assert stream.get(timeout_s=0) == RAW
        assert stream.waiting == 0


def test_a_stream_that_an_interrupted_call_still_reads_can_be_read(
    server: V5Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def result(future: Future[Any], timeout: float | None = None) -> Any:
        raise KeyboardInterrupt

    with blocking.connect(server.url) as client:
        stream = client.subscribe_raw("priceLimit.ETHUSDT")
        stream.get(BOUND_S)
        held = threading.Event()
        client._thread._loop.call_soon_threadsafe(held.wait, BOUND_S)  # so that all calls come in one turn of the loop
        with monkeypatch.context() as patched:
            patched.setattr(Future, "result", result)
            for _ in range(3):
                with pytest.raises(KeyboardInterrupt):
                    next(stream)
        threading.Timer(0, held.set).start()
        with pytest.raises(TimeoutError):
            stream.get(timeout_s=0.001)


def test_threads_that_share_a_stream_get_each_event_once(server: V5Server) -> None:
    with blocking.connect(server.url) as client:
        stream = client.subscribe_raw("priceLimit.ETHUSDT", "priceLimit.BTCUSDT", "priceLimit.SOLUSDT")
        found: list[str] = []
        readers = [threading.Thread(target=lambda: found.append(stream.get(BOUND_S).topic)) for _ in range(3)]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        assert sorted(found) == ["priceLimit.BTCUSDT", "priceLimit.ETHUSDT", "priceLimit.SOLUSDT"]


def test_what_waits_at_the_end_of_the_client_can_be_read(server: V5Server) -> None:
    with blocking.connect(server.url) as client:
        stream = with_one_waiting(client)
        other = with_one_waiting(client, "priceLimit.ETHUSDT")
    assert (stream.waiting, list(stream), list(stream)) == (1, [RAW], [])
    other.close()
    assert other.get(timeout_s=0).topic == "priceLimit.ETHUSDT"
    with pytest.raises(StopIteration):
        other.get(timeout_s=0)


def test_calls_that_meet_the_end_of_the_client_end(server: V5Server) -> None:
    for _ in range(20):
        client = blocking.connect(server.url)
        stream = client.subscribe_raw("priceLimit.BTCUSDT")
        ended: list[object] = []

        def read(stream: blocking.BlockingStream[Any] = stream, ended: list[object] = ended) -> None:
            ended.append(list(stream))

        def ask(client: blocking.BlockingClient = client, ended: list[object] = ended) -> None:
            try:
                while True:
                    client.status()
                    client.subscribe_raw("priceLimit.ETHUSDT")
            except errors.ClientClosed as error:
                ended.append(error)

        threads = [threading.Thread(target=ask), threading.Thread(target=read)]
        for thread in threads:
            thread.start()
        client.close()
        for thread in threads:
            thread.join(BOUND_S)
        assert len(ended) == 2


@pytest.mark.parametrize("error", [SystemExit(9), KeyboardInterrupt()], ids=repr)
def test_what_ends_the_thread_ends_the_client(server: V5Server, error: BaseException) -> None:
    def end(book: LiveBook) -> None:
        raise error

    client = blocking.connect(server.url)
    shown = client.book("BTCUSDT")
    stream = with_one_waiting(client)
    changes = shown.changes(BOUND_S)
    next(changes)
    shown.on_change(end)
    with contextlib.suppress(errors.ClientClosed):
        client.subscribe("publicTrade.BTCUSDT")  # upon which the server sends the book's next frame
    for ask in (lambda: list(changes), lambda: client.book("ETHUSDT")):
        with pytest.raises(errors.ClientClosed, match=f"was ended by {type(error).__name__}") as raised:
            ask()
        assert raised.value.__cause__ is error
    assert shown.state is BookState.STALE
    assert next(stream) == RAW
    with pytest.raises(errors.ClientClosed):
        next(stream)
    client.close()
    assert not client.status().connected


NOTEBOOK = """
import threading, depthwire
client = depthwire.blocking.connect("sim://")
book, trades = client.book("BTCUSD"), client.trades("BTCUSD")
book.on_change(lambda book: None)
waiting = threading.Thread(target=lambda: [None for _ in book.changes()], daemon=True)
waiting.start()
assert next(trades).symbol == "BTCUSD"
del client
print("done")
"""


def test_an_interpreter_ends_with_a_client_open() -> None:
    ended = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "ignore::ResourceWarning", "-c", NOTEBOOK],
        capture_output=True,
        text=True,
        timeout=BOUND_S,
    )
    assert (ended.returncode, ended.stdout) == (0, "done\n"), ended.stderr
    assert "Traceback" not in ended.stderr
