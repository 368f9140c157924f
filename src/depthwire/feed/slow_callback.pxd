# Reports callbacks that take longer than a user allows. O(1), one comparison when none is slow.

from libc.stdint cimport int64_t

from depthwire.wire.clock cimport coarse_ns, now_ns


cdef inline int report_if_slow(int64_t bound_ns, int64_t ts_recv_ns, str topic, object report) except -1:
    """Report the callbacks of a frame that arrived at ``ts_recv_ns`` if they took longer than ``bound_ns``; 0: no bound."""
    if bound_ns and coarse_ns() - ts_recv_ns > bound_ns:
        from depthwire.errors import SlowCallback

        report(SlowCallback(topic, (now_ns() - ts_recv_ns) / 1e9, bound_ns / 1e9))
    return 0
