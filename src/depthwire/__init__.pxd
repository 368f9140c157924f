# Public cimports: what they declare keeps its meaning within a major version. They need no include path.

from depthwire.book.book cimport Book
from depthwire.book.ladder cimport ASK, BID, Ladder
from depthwire.feed.live_book cimport BookListener, LiveBook
