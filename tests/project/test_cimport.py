"""An outside Cython module builds on the shipped ``.pxd`` files: it reads a live book inside the frame's call stack."""

import subprocess
import sys
from pathlib import Path

import pytest

MODULE = """
from libc.stdint cimport int64_t

from depthwire cimport ASK, BID, Book, BookListener, Ladder, LiveBook

# A separate decoder needs these: not promised, but it needs no include path either.
from depthwire.book.update cimport BookFrame
from depthwire.feed.book_decoder cimport BookDecoder
from depthwire.feed.channel cimport Channel
from depthwire.feed.scanner cimport Scanner


cdef class TopOfBook(BookListener):
    cdef readonly list seen

    def __init__(self):
        self.seen = []

    cdef int on_book(self, LiveBook book) except -1:
        self.seen.append((book.best_price(BID), book.best_price(ASK), best_size(book, BID), best_size(book, ASK)))
        return 0


cdef double best_size(Book book, int side) except -1:
    cdef Ladder ladder = book.ladder(side)
    return ladder.lots[ladder.count - 1]


def ids_of(Book book, int side):
    cdef Ladder ladder = book.ladder(side)
    cdef Py_ssize_t i
    return [ladder.ids[i] for i in range(ladder.count)]


def cheapest_first(list price_ids):
    cdef Ladder ladder = Ladder(False, 4)
    cdef int64_t price_id
    for price_id in sorted(price_ids):
        ladder.reserve(ladder.count + 1)
        ladder.append(price_id, 1.0)
    return ladder
"""

SETUP = """
from Cython.Build import cythonize
from setuptools import Extension, setup

# No include path is given: Cython finds the declarations where Python finds the package.
setup(
    name="outside",
    ext_modules=cythonize([Extension("outside", ["outside.pyx"])], language_level=3),
    script_args=["--quiet", "build_ext", "--inplace"],
)
"""

STRATEGY = """
from itertools import count

from depthwire.bybit.v2.dialect import INVERSE
from depthwire.feed.listener import Feed
from outside import TopOfBook, cheapest_first, ids_of

numbers = count(1)


def level(side, price_id, size):
    return f'{{"price":"{price_id / 10}","symbol":"BTCUSD","id":{price_id},"side":"{side}","size":{size}}}'


def frame(kind, data):
    return f'{{"topic":"orderBookL2_25.BTCUSD","type":"{kind}","data":{data},"cross_seq":{next(numbers)},"timestamp_e6":1}}'.encode()


channel = INVERSE.channel("orderBookL2_25.BTCUSD")
feed = Feed(None)
feed.channels.add(channel)
top = TopOfBook()
channel.book.on_change(top)

feed.receive(frame("snapshot", f"[{level('Buy', 995, 7)},{level('Buy', 1000, 4)},{level('Sell', 1005, 2)}]"), 1)
feed.receive(frame("delta", f'{{"delete":[],"update":[{level("Buy", 1000, 3)}],"insert":[{level("Sell", 1001, 9)}]}}'), 2)

assert top.seen == [(100.0, 100.5, 4.0, 2.0), (100.0, 100.1, 3.0, 9.0)], top.seen
assert (ids_of(channel.book, 0), ids_of(channel.book, 1)) == ([995, 1000], [1005, 1001])
assert cheapest_first([3, 1, 2]).best_id == 3
"""


def run(folder: Path, script: str) -> None:
    (folder / script).write_text({"setup.py": SETUP, "strategy.py": STRATEGY}[script])
    done = subprocess.run(
        [sys.executable, script], cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_strategy_in_cython_listens_to_a_book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CFLAGS", "-O0")
    (tmp_path / "outside.pyx").write_text(MODULE)
    run(tmp_path, "setup.py")
    run(tmp_path, "strategy.py")
