"""The frame path: from the socket's callback to the channel of the frame's topic, in one call stack."""

cimport cython
from cpython.buffer cimport PyBUF_READ, PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.memoryview cimport PyMemoryView_FromMemory
from libc.string cimport memchr
from picows.picows cimport WSCloseCode as WSCloseCode_t
from picows.picows cimport WSMsgType

from depthwire.feed.book_channel cimport BookChannel
from depthwire.feed.channel cimport Channel
from depthwire.wire.clock cimport now_ns
from depthwire.wire.scan cimport LONGEST_TOPIC, digits, literal

import msgspec
from picows import WSCloseCode

from depthwire.feed.channel import with_raw
from depthwire.feed.event_channel import PatternChannel
from depthwire.feed.damage import (
    BINARY_MARK, FOLLOWING, TOPIC_KEY, is_covered, may_name, siblings, similar_topics, suspects, symbols_in,
)
from depthwire.feed.repair import marked
from depthwire.errors import UNDECODABLE, DamagedFrame, FrameError, MalformedFrame, SymbolMismatch, UnexpectedTopic


class Routing(msgspec.Struct, gc=False):
    """The field that routes a frame whose topic is not at its usual place."""

    topic: str | msgspec.UnsetType = msgspec.UNSET


BINARY = "a binary message; expected text"
NOT_SUBSCRIBED = "not subscribed; the frame was dropped"
NO_TOPIC = "expected a topic, got an empty one"
UNSUBSCRIBED = "a topic that is not subscribed"
NONE = "which is not a topic"
HOLDS_FRAME = "an answer that contains a frame"
cdef bytes QUOTED_KEY = b'"' + TOPIC_KEY + b'"'
cdef object decode_routing = msgspec.json.Decoder(Routing).decode
cdef enum:
    SHORTEST_LINE = 8       # bytes that the reader of digits needs; a shorter line holds no frame
    NS_DIGITS = 19
    MOST_VERDICTS = 1000    # that are cached


def is_concrete(channel):
    """Whether a channel serves one topic, not a pattern."""
    return not isinstance(channel, PatternChannel)


cdef bint is_json(bytes message) except -1:
    """Whether a message is well-formed JSON."""
    try:
        msgspec.json.decode(message)
    except UNDECODABLE:
        return False
    return True


cdef class Feed(WSListener):
    """Feed(owner, max_message_size=16777216)

    Routes each frame to the channel of its topic, and decodes nothing but the topic. As a picows listener it runs inside
    the socket's callback; :meth:`receive` takes frames from other sources on the same path.

    A frame that cannot be used affects only its own topic: the channel refuses it (a book goes STALE), the owner reports
    it, and the feed goes on. A frame that cannot be attributed affects every topic that its readable part does not
    exclude, and is reported as a DamagedFrame. ``owner`` is a :class:`depthwire.feed.owner.FeedOwner`. ``channels`` maps
    topics to channels, ``frames`` counts frames, and ``tap(ts_recv_ns, memoryview)``, if set, gets each frame first.
    """

    def __init__(self, owner, Py_ssize_t max_message_size=16 * 1024 * 1024):
        self.channels = Routes()
        self.max_message_size = max_message_size
        self._owner = owner
        self._ended = set()
        self._verdicts = {}

    @property
    def lanes(self):
        """Count the order-book frames that each decoder read, and those that could not be used. O(topics)."""
        books = [channel for channel in self.channels if isinstance(channel, BookChannel)]
        return {
            "scanner": sum([channel.scanned for channel in books]),
            "msgspec": sum([channel.decoded for channel in books]),
            "rejected": sum([channel.rejected for channel in books]),
        }

    def __reduce_ex__(self, protocol):      # WSListener would allow it
        raise TypeError("a Feed cannot be copied or pickled")

    cpdef on_ws_connected(self, WSTransport transport):
        self._fragments = None
        self._is_over = False
        self._ended.clear()
        self._up_since_ns = now_ns()
        self._owner.on_connected(transport)

    cpdef on_ws_disconnected(self, WSTransport transport):
        self._owner.on_disconnected(transport)

    cpdef on_ws_frame(self, WSTransport transport, WSFrame frame):
        cdef int64_t ts_recv_ns = now_ns()
        # picows goes on reading after it has answered an invalid close frame.
        if self._is_over or (transport.is_close_frame_sent and frame.msg_type != WSMsgType.CLOSE):
            return
        if frame.rsv1 | frame.rsv2 | frame.rsv3:
            self._fail(transport, WSCloseCode.PROTOCOL_ERROR, "a reserved bit is set, though no extension was negotiated")
        elif frame.msg_type == WSMsgType.TEXT and frame.fin and self._fragments is None:
            self.on_message(frame.payload_ptr, frame.payload_size, ts_recv_ns)
        elif frame.msg_type == WSMsgType.CLOSE:
            self._take_close(transport, frame)
        elif frame.msg_type == WSMsgType.BINARY and frame.fin and self._fragments is None:
            self._take_binary(frame.get_payload_as_bytes(), ts_recv_ns)
        elif frame.msg_type <= WSMsgType.BINARY:
            self._assemble(transport, frame, ts_recv_ns)
        elif frame.msg_type == WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())

    cdef int _fail(self, WSTransport transport, code, reason) except -1:
        """End the connection at once because the venue broke the protocol; ignore what it sends afterwards."""
        self._is_over = True
        transport.send_close(code, reason)
        transport.disconnect()
        return 0

    cdef int _take_close(self, WSTransport transport, WSFrame frame) except -1:
        """Answer a close frame, with the same code if that code is valid, and end the connection."""
        cdef int code = <int>frame.get_close_code()
        if not transport.is_close_frame_sent:
            if frame.payload_size == 0:
                transport.send_close(WSCloseCode.OK)
            elif not is_close_code(code):
                return self._fail(transport, WSCloseCode.PROTOCOL_ERROR, f"the venue's close frame has the invalid code {code}")
            else:
                transport.send_close(<WSCloseCode_t>code, frame.get_close_message())
        self._is_over = True
        transport.disconnect()
        return 0

    cdef int _assemble(self, WSTransport transport, WSFrame frame, int64_t ts_recv_ns) except -1:
        """Assemble a fragmented message of at most ``max_message_size`` bytes."""
        if frame.msg_type == WSMsgType.CONTINUATION:
            if self._fragments is None:
                return self._fail(transport, WSCloseCode.PROTOCOL_ERROR, "a continuation frame without a first fragment")
        elif self._fragments is not None:
            return self._fail(transport, WSCloseCode.PROTOCOL_ERROR, "a new message inside a fragmented one")
        else:
            self._fragments = bytearray()
            self._is_binary = frame.msg_type == WSMsgType.BINARY
        if len(self._fragments) + frame.payload_size > self.max_message_size:
            return self._fail(
                transport, WSCloseCode.MESSAGE_TOO_BIG, f"a message of more than {self.max_message_size} bytes"
            )
        self._fragments += frame.get_payload_as_memoryview()
        if frame.fin:
            message, self._fragments = self._fragments, None
            if self._is_binary:
                return self._take_binary(bytes(message), ts_recv_ns)
            self.on_message(message, len(message), ts_recv_ns)
        return 0

    cdef int _take_binary(self, bytes message, int64_t ts_recv_ns) except -1:
        """Report a binary message as damage. A tap gets it with BINARY_MARK in front, because a tape holds text only."""
        self.last_recv_ns = ts_recv_ns
        if self.tap is not None:
            self.tap(ts_recv_ns, memoryview(BINARY_MARK + message))
        self.damaged(message, BINARY)
        return 0

    def end(self, str topic not None):
        """Stop routing a topic. Frames of it that still arrive are late, not damaged. O(1)."""
        self.channels.remove(topic)
        self._ended.add(topic)

    def damaged(self, bytes message not None, str why not None):
        """Handle a message that has just arrived and has no channel; ``why`` is what is wrong with it.

        Affects every topic that its readable part does not exclude. O(topics).
        """
        found = suspects(message, self._candidates())
        if found.name:
            channel = self.channels.get(found.name)
            if channel is not None:
                error = MalformedFrame(why)
                error.is_damage = True
                if (<Channel>channel).raw is not None:
                    (<Channel>channel).raw.refuse(error)
                self._refuse(channel, error)
                return
        self._suspect(found.topics, f"{why}; {len(message)} bytes begin {message[:120]!r}")

    @cython.binding(False)      # a plain C method is faster to call
    def receive(self, data, int64_t ts_recv_ns):
        """Take one bytes-like message as if it had arrived at ``ts_recv_ns`` (ns since the epoch). O(size)."""
        cdef Py_buffer buffer
        if type(data) is bytes:
            self.on_message(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data), ts_recv_ns)
            return
        PyObject_GetBuffer(data, &buffer, PyBUF_SIMPLE)
        try:
            self.on_message(<const char*>buffer.buf, buffer.len, ts_recv_ns)
        finally:
            PyBuffer_Release(&buffer)

    def receive_lines(self, const unsigned char[::1] text not None, Py_ssize_t start=0, stop=None):
        """Take the lines of a tape, ``recv_ns<TAB>raw``, as :meth:`receive` takes messages, without copying them.

        Returns the offset, from ``start`` to ``stop``, of the first line that has another form or no newline; ``stop`` if
        there is none. Raises IndexError if the two are not offsets within the text. O(size), in one compiled loop.
        """
        cdef Py_ssize_t last = text.shape[0] if stop is None else stop
        cdef const char* at
        cdef const char* end
        cdef const char* raw
        cdef const char* newline
        cdef int64_t ts_recv_ns
        if not 0 <= start <= last <= text.shape[0]:
            raise IndexError(f"lines from {start} to {last} of {text.shape[0]} bytes")
        if start == last:
            return last
        at = <const char*>&text[start]
        end = at + (last - start)
        while end - at >= SHORTEST_LINE:
            raw = stamp(at, end, &ts_recv_ns)
            newline = NULL if raw == NULL else <const char*>memchr(raw, c'\n', end - raw)
            if newline == NULL:
                break
            at = newline + 1
            self.on_message(raw, newline - raw - (newline > raw and newline[-1] == c'\r'), ts_recv_ns)
        return last - (end - at)

    cdef int on_message(self, const char* data, Py_ssize_t size, int64_t ts_recv_ns) except -1:
        cdef const char* after_topic = NULL
        cdef Channel channel
        self.frames += 1
        self.last_recv_ns = ts_recv_ns
        if self.tap is not None:
            self.tap(ts_recv_ns, PyMemoryView_FromMemory(<char*>data, size, PyBUF_READ))
        channel = self.channels.find(data, data + size, &after_topic)
        if channel is None:
            return self._route_slowly(data, size, ts_recv_ns)
        return self._deliver(channel, data, size, after_topic, ts_recv_ns)

    cdef int _deliver(
        self, object channel, const char* data, Py_ssize_t size, const char* after_topic, int64_t ts_recv_ns
    ) except -1:
        if (<Channel>channel).raw is not None:
            (<Channel>channel).raw.on_frame(data, size, after_topic, ts_recv_ns)
        try:
            (<Channel>channel).on_frame(data, size, after_topic, ts_recv_ns)
        except FrameError as error:
            following = b"" if after_topic == NULL else after_topic[: min(data + size - after_topic, 1)]
            self._handle_refused(channel, data[:size], following, error)
        return 0

    cdef int _handle_refused(self, object channel, bytes message, bytes following, object error) except -1:
        """Find out which topics a refused frame concerns; ``following`` is the byte after its topic, if any."""
        if following not in FOLLOWING:      # the end of the topic is damaged
            self.damaged(message, error.message)
            return 0
        others = self._others((<Channel>channel).topic, message, error)
        if others:      # the frame may be theirs, if its topic is damaged
            self._suspect(((<Channel>channel).topic, *others), error.message)
            return 0
        error.is_damage = error.is_damage or isinstance(error, MalformedFrame) and not is_json(message)
        return self._refuse(channel, error)

    cdef int _refuse(self, object channel, object error) except -1:
        error.topic = (<Channel>channel).topic
        channel.refuse(error)
        self._owner.on_frame_error(error)
        return 0

    cdef int _route_slowly(self, const char* data, Py_ssize_t size, int64_t ts_recv_ns) except -1:
        """Route a frame of an unusual shape, an answer, or a topic without a channel."""
        cdef bytes message = data[:size]
        cdef const char* after_topic = NULL
        try:
            topic = decode_routing(message).topic
        except UNDECODABLE:
            try:
                topic = decode_routing(marked(message)).topic
            except UNDECODABLE as error:
                self.damaged(message, f"expected a JSON object: {error}")
                return 0
        if topic is msgspec.UNSET:
            if QUOTED_KEY in message:
                self.damaged(message, HOLDS_FRAME)
            else:
                self._owner.on_control(message)
            return 0
        if not topic:
            self._suspect(tuple(self._candidates()), NO_TOPIC)
            return 0
        channel = self.channels.get(topic) or self._owner.on_unrouted(topic, message)
        if channel is None:
            self._handle_unexpected(topic, message)
            return 0
        if self.channels.find(data, data + size, &after_topic) is not channel:     # a new one, perhaps
            after_topic = NULL
        return self._deliver(channel, data, size, after_topic, ts_recv_ns)

    # ---- damage

    cdef int _handle_unexpected(self, str topic, bytes message) except -1:
        """Report a frame whose topic is not subscribed: as damage if the topic may be damaged."""
        shown = topic[:LONGEST_TOPIC]
        symbols = symbols_in(message)
        if topic not in self._ended or not may_name(topic, symbols):    # else it was sent before the topic ended
            alike, is_topic = self._similar(topic, symbols)
            if alike if is_topic else not is_covered(topic, self._ended):
                self._suspect(alike, f"a frame of {shown!r}, {UNSUBSCRIBED if is_topic else NONE}: it is damaged")
                return 0
        self._owner.on_frame_error(UnexpectedTopic(NOT_SUBSCRIBED, shown))
        return 0

    cdef list _candidates(self):
        """Return the topics that frames of this connection may belong to."""
        return [channel.topic for channel in self.channels] + list(self._ended)

    cdef list _others(self, str topic, bytes message, object error):
        """Return the other topics that a frame refused under this one may belong to."""
        if isinstance(error, SymbolMismatch):
            found = {*self._similar(topic, ())[0], *siblings(topic, message)}
        elif isinstance(error, MalformedFrame):
            found = {*suspects(message, self._candidates()).topics, *siblings(topic, message)}
        else:
            return []
        return [other for other in self._candidates() if other in found and other != topic]

    cdef tuple _similar(self, str topic, tuple symbols):
        """Return the topics that a frame may belong to if its topic is damaged, and whether that is a topic at all.

        O(1) if the answer is cached.
        """
        if self._verdicts_of != self.channels.changes or len(self._verdicts) >= MOST_VERDICTS:
            self._verdicts.clear()
            self._verdicts_of = self.channels.changes
        key = topic[:LONGEST_TOPIC], symbols
        verdict = self._verdicts.get(key)
        if verdict is None:
            is_topic = self.channels.get(topic) is not None or self._owner.is_topic(topic)
            verdict = self._verdicts[key] = similar_topics(*key, self._candidates(), is_topic=is_topic), is_topic
        return verdict

    cdef int _suspect(self, tuple topics, str why) except -1:
        """Mark all topics that a damaged frame may belong to."""
        cdef Channel channel
        cdef list channels = [channel for topic in topics if (channel := self.channels.get(topic)) is not None]
        channels.sort(key=is_concrete)      # a pattern's gap first: it includes those of the topics that it covers
        error = DamagedFrame(why, tuple([channel.topic for channel in channels]))
        for each in with_raw(channels):
            each.damaged(f"a damaged frame may have belonged to this topic: {error.message}", self._up_since_ns, self.last_recv_ns)
        self._owner.on_frame_error(error)
        return 0


cdef inline bint is_close_code(int code) noexcept nogil:
    """Whether a close frame may carry a code (RFC 6455, section 7.4): 1005, 1006 and 1015 mean that none was sent."""
    return 3000 <= code <= 4999 or 1000 <= code <= 1003 or 1007 <= code <= 1014


cdef inline const char* stamp(const char* at, const char* end, int64_t* ts_recv_ns) noexcept nogil:
    """Return where a line's frame begins, after its time and a tab; NULL if the line has neither."""
    cdef int count = 0
    ts_recv_ns[0] = 0
    at = digits(at, end, ts_recv_ns, &count)
    if count == 0 or count > NS_DIGITS or ts_recv_ns[0] < 0:
        return NULL
    return literal(at, end, b'\t')
