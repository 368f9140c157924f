"""A pytest plugin for a run under the address sanitizer: is there memory that nothing points to after the tests?

Asked while Python still lives, so that all it holds is reachable; later it leaves much lying about. And asked when no
Python function runs any more but the one that asks: what running ones hold is in memory unknown to the sanitizer. Its
report goes where log_path says. An object that the garbage collector tracks is reachable though no reference to it is
left: for those tests/fuzz/test_corpus.py looks.
"""

import atexit
import ctypes
import gc


@atexit.register
def look() -> None:
    """Have the sanitizer report what leaked, if anything did."""
    gc.collect()
    ctypes.CDLL(None).__lsan_do_recoverable_leak_check()
