"""Busy polling: a loop that never sleeps while a client asks for it, and sleeps again afterwards."""

import asyncio
import os
import selectors
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
import uvloop

import depthwire
from depthwire import blocking, errors
from depthwire.runtime import busy_poll as polling
from depthwire.runtime.busy_poll import busy_polling
from depthwire.venue import SyntheticMarket
from tests.support.plain_client import BOUND_S
from tests.support.venue_thread import venue_thread

ENOUGH = 500
pinnable = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot pin threads")


class Turns:
    """Counts the spinner's turns as a loop is asked for them, and tells when there were enough."""

    def __init__(self) -> None:
        self.count = 0
        self._awaited: tuple[int, asyncio.Future[None]] | None = None

    def see(self, callback: Callable[..., object]) -> None:
        if getattr(callback, "__module__", "") == polling.__name__:
            self.count += 1
            if self._awaited is not None and self.count == self._awaited[0]:
                self._awaited[1].set_result(None)

    async def more(self) -> None:
        """Wait for ENOUGH more of them: on a loop that sleeps they do not come."""
        self._awaited = self.count + ENOUGH, asyncio.get_running_loop().create_future()
        await asyncio.wait_for(self._awaited[1], BOUND_S)

    async def none(self) -> None:
        """Check that there are no more of them, but for one that was asked for already."""
        await asyncio.sleep(0)
        count = self.count
        for _ in range(10):
            await asyncio.sleep(0)
        assert self.count == count


class AsyncioLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.timeouts: list[float | None] = []
        self.turns = Turns()
        super().__init__(self._selector_that_tells())

    def _selector_that_tells(self) -> selectors.BaseSelector:
        timeouts = self.timeouts

        class Telling(selectors.DefaultSelector):  # type: ignore[valid-type, misc]
            def select(self, timeout: float | None = None) -> Any:
                timeouts.append(timeout)
                return super().select(timeout)

        return Telling()

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> asyncio.Handle:
        self.turns.see(callback)
        return super().call_soon(callback, *args, context=context)


class UvLoop(uvloop.Loop):
    def __init__(self) -> None:
        super().__init__()
        self.turns = Turns()

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> asyncio.Handle:
        self.turns.see(callback)
        return super().call_soon(callback, *args, context=context)


Loop = AsyncioLoop | UvLoop


@pytest.fixture(params=[AsyncioLoop, UvLoop])
def run(request: pytest.FixtureRequest) -> Callable[[Callable[[Turns], Any]], None]:
    """Runs an async test on either loop; afterwards no spinner is left, and the thread runs where it did."""

    def run_it(main: Callable[[Turns], Any]) -> None:
        loops: list[Loop] = []

        def make() -> Loop:
            loops.append(request.param())
            return loops[0]

        async def bounded() -> None:
            await asyncio.wait_for(main(loops[0].turns), BOUND_S)

        before = affinity()
        with asyncio.Runner(loop_factory=make) as runner:
            runner.run(bounded())
        assert not polling._spinners
        assert affinity() == before

    return run_it


def affinity() -> set[int]:
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()


Run = Callable[[Callable[[Turns], Any]], None]


def test_the_loop_turns_while_nothing_happens_and_stops_with_the_block(run: Run) -> None:
    async def main(turns: Turns) -> None:
        await turns.none()
        with busy_polling():
            await turns.more()
        await turns.none()
        with busy_polling():  # and again
            await turns.more()
        await turns.none()

    run(main)


def test_each_turn_asks_the_sockets_without_sleeping() -> None:
    """The timeouts that asyncio passes to its selector: always 0 inside the block, and waits again after it."""
    loop = AsyncioLoop()

    async def main() -> tuple[list[float | None], list[float | None]]:
        with busy_polling():
            await asyncio.sleep(0)
            loop.timeouts.clear()
            await loop.turns.more()
            inside = loop.timeouts[:]
        await asyncio.sleep(0)
        loop.timeouts.clear()
        await asyncio.sleep(0.001)
        return inside, loop.timeouts

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        inside, behind = runner.run(main())
    assert len(inside) >= ENOUGH - 1
    assert set(inside) == {0}
    assert any(timeout is None or timeout > 0 for timeout in behind)


def test_several_holders_share_one_spinner(run: Run) -> None:
    async def main(turns: Turns) -> None:
        with busy_polling():
            with busy_polling(), busy_polling():
                before = turns.count
                for _ in range(10):
                    await asyncio.sleep(0)
                assert turns.count - before <= 11  # one a turn, not three
            await turns.more()
        await turns.none()

    run(main)


def test_nothing_starves(run: Run) -> None:
    """Timers, tasks, threads and sockets get their turn between the spinner's."""

    async def main(turns: Turns) -> None:
        with busy_polling():
            server = await asyncio.start_server(echo, "127.0.0.1", 0)
            async with server:
                reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
                writer.write(b"ping\n")
                assert await reader.readline() == b"ping\n"
                writer.close()
                await writer.wait_closed()
            await asyncio.sleep(0.001)
            assert await asyncio.to_thread(threading.get_ident) != threading.get_ident()
            results = await asyncio.gather(*(asyncio.sleep(0, number) for number in range(100)))
            assert results == list(range(100))

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        writer.close()

    run(main)


def test_errors_and_cancellation_end_it(run: Run) -> None:
    async def main(turns: Turns) -> None:
        with pytest.raises(ZeroDivisionError), busy_polling():
            1 / 0  # noqa: B018
        await turns.none()

        async def forever() -> None:
            with busy_polling(some_cpu() if affinity() else None):
                await asyncio.Event().wait()

        task = asyncio.create_task(forever())
        await turns.more()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await turns.none()

    run(main)


def test_a_loop_that_is_left_while_it_spins_is_forgotten() -> None:
    loop = asyncio.new_event_loop()

    async def enter() -> Any:
        block = busy_polling()
        block.__enter__()
        return block

    block = loop.run_until_complete(enter())
    loop.close()
    assert len(polling._spinners) == 1
    block.__exit__(None, None, None)
    assert not polling._spinners


# pinning


def some_cpu() -> int:
    return max(affinity())


@pinnable
def test_the_thread_is_pinned_until_the_last_holder_goes(run: Run) -> None:
    async def main(turns: Turns) -> None:
        before, cpu = affinity(), some_cpu()
        with busy_polling():
            with busy_polling(cpu):
                assert affinity() == {cpu}
                with busy_polling(cpu):
                    assert affinity() == {cpu}
                    await turns.more()
            assert affinity() == {cpu}
        assert affinity() == before

    run(main)


@pinnable
@pytest.mark.parametrize("cpu", [1_000_000, -1, 1 << 70, "0", 0.5])
def test_a_cpu_that_is_none_is_refused(run: Run, cpu: Any) -> None:
    async def main(turns: Turns) -> None:
        allowed = ", ".join(map(str, sorted(affinity())))
        with pytest.raises(
            errors.PinningError, match=f"^cpu={cpu!r}: .*; expected one of this thread's CPUs: {allowed}$"
        ):
            busy_polling(cpu).__enter__()
        await turns.none()
        with busy_polling():
            with pytest.raises(errors.PinningError):
                busy_polling(cpu).__enter__()
            await turns.more()

    run(main)


@pinnable
def test_one_loop_has_one_cpu(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(turns: Turns) -> None:
        with busy_polling(some_cpu()):
            with pytest.raises(errors.PinningError, match=f"already pinned to CPU {some_cpu()} by another client"):
                busy_polling(some_cpu() + 1).__enter__()
            await turns.more()

    run(main)


def test_a_system_without_pinning_says_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(turns: Turns) -> None:
        with monkeypatch.context() as elsewhere:
            elsewhere.delattr(os, "sched_setaffinity", raising=False)
            with pytest.raises(errors.PinningError, match="only Linux can; leave cpu out"):
                busy_polling(0).__enter__()
        await turns.none()

    run(main)


# clients


def test_a_busy_client_keeps_its_loop_turning_until_it_closes(run: Run) -> None:
    with venue_thread(SyntheticMarket(seed=1)) as thread:

        async def main(turns: Turns) -> None:
            async with depthwire.connect(thread.venue.inverse_url) as client:
                await client.book("BTCUSD")
                await turns.none()
            url, cpu = thread.venue.inverse_url, some_cpu() if affinity() else None
            async with depthwire.connect(url, busy_poll=True, cpu=cpu) as client:
                book = await client.book("BTCUSD")
                await turns.more()
                async with depthwire.connect(url, busy_poll=True):
                    await turns.more()
                await turns.more()
                assert book.best_bid is not None
            await turns.none()
            with pytest.raises(ZeroDivisionError):
                async with depthwire.connect(url, busy_poll=True):
                    1 / 0  # noqa: B018
            await turns.none()

        run(main)


@pinnable
def test_a_client_that_cannot_be_pinned_is_closed(run: Run) -> None:
    with venue_thread(SyntheticMarket(seed=1)) as thread:

        async def main(turns: Turns) -> None:
            with pytest.raises(errors.PinningError, match="expected one of"):
                async with depthwire.connect(thread.venue.inverse_url, busy_poll=True, cpu=1_000_000):
                    pytest.fail("connected")
            await turns.none()

        run(main)


def test_a_cpu_needs_busy_polling() -> None:
    async def main() -> None:
        async with depthwire.connect("sim://", cpu=0):
            pytest.fail("connected")

    with pytest.raises(errors.PinningError, match="add busy_poll=True"):
        asyncio.run(main())


@pinnable
def test_the_blocking_client_spins_and_pins_its_own_thread() -> None:
    before, cpu = affinity(), some_cpu()
    with (
        venue_thread(SyntheticMarket(seed=1)) as venue,
        blocking.connect(venue.venue.inverse_url, busy_poll=True, cpu=cpu) as client,
    ):
        (behind,) = (each for each in threading.enumerate() if each.name == "depthwire")
        assert behind.native_id is not None
        assert os.sched_getaffinity(behind.native_id) == {cpu}
        assert affinity() == before
        assert len(polling._spinners) == 1
        assert client.book("BTCUSD").bbo is not None
    assert not polling._spinners


def test_an_interrupted_program_ends_while_its_loop_spins() -> None:
    """Ctrl-C, on the loop that depthwire.run chooses."""
    program = (
        "import asyncio, os, signal, depthwire\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # a parent may have it ignored\n"
        "async def main():\n"
        "    async with depthwire.connect('sim://', busy_poll=True):\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "        await asyncio.Event().wait()\n"
        "try:\n"
        "    depthwire.run(main())\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (ended.stdout, ended.stderr) == ("interrupted\n", "")
