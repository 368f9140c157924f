from typing import final

from depthwire.feed.book_decoder import BookDecoder

@final
class V2BookDecoder(BookDecoder): ...
