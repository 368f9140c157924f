"""A pytest plugin that reports memory leaks at the end of a run under the address sanitizer.

It looks while Python is still alive, because everything that Python holds is reachable then; at exit Python leaves much
of it unfreed. It looks when no other Python function is running, because the sanitizer does not know the memory of
running ones. The report goes to log_path. An object that the garbage collector tracks is always reachable, even if no
reference to it is left: tests/fuzz/test_corpus.py looks for those.
"""

import atexit
import ctypes
import gc


@atexit.register
def look() -> None:
    """Make the sanitizer report leaked memory, if there is any."""
    gc.collect()
    ctypes.CDLL(None).__lsan_do_recoverable_leak_check()
