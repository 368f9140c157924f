"""A client in a process that forks: the parent's goes on, the child's raises. Each test has its own interpreter."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")

BLOCKING = """
import os, sys
import depthwire
from depthwire import blocking, errors

def child(client, book, trades):
    assert (book.state, book._book.stale_reason) == ("STALE", "this process was forked from the client's")
    assert list(book.changes()) == []
    for ask in (client.status, client.health, lambda: client.book("ETHUSD"), lambda: next(trades)):
        try:
            ask()
        except errors.ClientForked as error:
            assert "make a new one here" in str(error)
        else:
            raise AssertionError("no error")
    with blocking.connect(os.environ["URL"]) as own:
        assert own.book("BTCUSD").state == "LIVE"

with depthwire.blocking.connect("sim://") as client:
    os.environ["URL"] = "ws:" + client._client._public.connection._url.partition(":")[2]
    book, trades = client.book("BTCUSD"), client.trades("BTCUSD")
    pid = os.fork()
    if pid == 0:
        child(client, book, trades)
        sys.exit(7)  # unwinds the with block, which must not touch the parent's connection
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    version = book._book.version
    for snapshot in book.changes(timeout_s=20):
        if snapshot.version > version + 3:
            break
    next(trades)
    assert client.book("ETHUSD").state == "LIVE"
    assert client.status().losses == 0
print("done")
"""

ASYNC = """
import asyncio, os, sys
import depthwire
from depthwire import errors

async def child(client, book, trades):
    assert (book.state, book.finished) == ("STALE", True)
    assert {connection.phase for connection in client.status().connections} == {"CLOSED"}
    for ask in (client.book("BTCUSD"), client.orders(), client.unsubscribe(book.topic), client.subscribe("trade.*")):
        try:
            await ask
        except errors.ClientForked:
            continue
        raise AssertionError("no error")
    assert [trade async for trade in trades if trade is None] == []
    await client.close()

async def main():
    async with depthwire.connect("sim://") as client:
        book, trades = await client.book("BTCUSD"), await client.trades("BTCUSD")
        pid = os.fork()
        if pid == 0:
            try:
                asyncio.run(child(client, book, trades))
            except BaseException:
                sys.excepthook(*sys.exc_info())
                os._exit(1)
            os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
        version = book.version
        async for _ in book.changes():
            if book.version > version + 3:
                break
        assert (await client.book("ETHUSD")).state == "LIVE"
        assert client.status().losses == 0

asyncio.run(main())
print("done")
"""


TWO_LINES = ASYNC.replace('"sim://"', '["sim://", "sim://"]')


@pytest.mark.parametrize("script", [BLOCKING, ASYNC, TWO_LINES], ids=["blocking", "async", "two lines"])
def test_a_forked_child_is_told_and_its_parent_goes_on(script: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "ignore::ResourceWarning", "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ended.returncode, ended.stdout) == (0, "done\n"), ended.stderr
    assert "Traceback" not in ended.stderr


ENDS = {
    "exits": ("sys.exit(7)", 7),
    "fails": ("raise KeyError('on purpose')", 1),
    "is over": ("return True", 0),
    "is cut": ("os._exit(7)", 7),
    "forks again and exits": ("sys.exit(os.waitstatus_to_exitcode(os.waitpid(os.fork() or sys.exit(7), 0)[1]))", 7),
    "exits from a child of multiprocessing": (None, 7),
}
BLOCKING_FACE = """
def parent():
    with depthwire.blocking.connect("sim://") as client:
        client.book("BTCUSD")
        if fork():
            return
        assert client.book("ETHUSD").state == "LIVE"
parent()
"""
FORK = """
import os, sys
import depthwire, depthwire.blocking
def fork():
    pid = os.fork()
    if pid == 0:
        return end()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == CODE
def end():
    END
"""
MULTIPROCESSING = """
import multiprocessing, os, sys
import depthwire, depthwire.blocking
def fork():
    child = multiprocessing.get_context("fork").Process(target=sys.exit, args=(7,))
    child.start()
    child.join()
    assert child.exitcode == 7
"""


@pytest.mark.parametrize("end", ENDS)
def test_a_child_of_the_blocking_face_ends_with_its_own_exit_code(end: str) -> None:
    how, code = ENDS[end]
    fork = MULTIPROCESSING if how is None else FORK.replace("END", how).replace("CODE", str(code))
    ended = subprocess.run([sys.executable, "-c", fork + BLOCKING_FACE], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
    assert ("Traceback" in ended.stderr) == (end == "fails")


WHILE_CLOSING = """
import os, sys
from depthwire import blocking

client = blocking.connect("sim://")
client.book("BTCUSD")
with client._closing:  # as if another thread were closing the client
    pid = os.fork()
    if pid == 0:
        sys.exit(3)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3
print("done")
"""


def test_a_child_forked_while_another_thread_closes_the_client_ends() -> None:
    ended = subprocess.run([sys.executable, "-c", WHILE_CLOSING], capture_output=True, text=True, timeout=20)
    assert (ended.returncode, ended.stdout) == (0, "done\n"), ended.stderr


IN_A_BLOCK = """
import asyncio, multiprocessing, os, sys
import depthwire

async def main():
    async with depthwire.connect("sim://") as client:
        book = await client.book("BTCUSD")
        FORK
        version = book.version
        async for _ in book.changes():
            if book.version > version + 3:
                break
        assert (await client.book("ETHUSD")).state == "LIVE"
        assert client.status().losses == 0
RUN(main())
print("done")
"""


FORK_AND_CUT = """pid = os.fork()
        if pid == 0:
            os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7"""
PROCESS = """child = multiprocessing.get_context("fork").Process(target=sys.exit, args=(7,))
        child.start()
        child.join()
        assert child.exitcode == 7"""


@pytest.mark.parametrize("fork", [FORK_AND_CUT, PROCESS], ids=["os.fork", "multiprocessing"])
@pytest.mark.parametrize("runner", ["depthwire.run", "asyncio.run"])
def test_a_child_forked_inside_a_coroutine_ends_without_its_loop(runner: str, fork: str) -> None:
    script = IN_A_BLOCK.replace("FORK", fork).replace("RUN", runner)
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout) == (0, "done\n"), ended.stderr
    assert "Traceback" not in ended.stderr


IN_A_THREAD = """
import os, sys, threading
import depthwire, depthwire.blocking

def more():
    print("more")

def end():
    END

def fork():
    pid = os.fork()
    if pid == 0:
        print("a child", flush=True)
        end()
    else:
        codes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))

codes = []
with depthwire.blocking.connect("sim://") as client:
    client.book("BTCUSD")
    thread = threading.Thread(target=fork)
    thread.start()
    thread.join()
    assert client.book("ETHUSD").state == "LIVE"
print(codes)
"""
# Only the main thread has an exit code in Python: sys.exit and an exception end another one, and the process with 0.
ENDS_OF_THREADS = {
    "exits": ("sys.exit(7)", 0),
    "fails": ("raise KeyError('on purpose')", 0),
    "is over": ("pass", 0),
    "is cut": ("sys.stdout.flush(); os._exit(7)", 7),
    "has a thread": ("threading.Thread(target=more).start()", 0),
    "forks again": ("(os.fork() and os.wait()) or more()", 0),
    "forks again in a thread": ("threading.Thread(target=lambda: (os.fork() and os.wait()) or more()).start()", 0),
}


@pytest.mark.parametrize("end", ENDS_OF_THREADS)
def test_a_child_forked_in_a_thread_ends_as_it_does_without_a_client(end: str) -> None:
    how, code = ENDS_OF_THREADS[end]
    ended = subprocess.run(
        [sys.executable, "-c", IN_A_THREAD.replace("END", how)], capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("a child\n")
    assert ended.stdout.endswith(f"[{code}]\n")
    assert ended.stdout.count("more\n") == ("more" in how)
    assert ("Traceback" in ended.stderr) == (end == "fails")
