from typing import final

from depthwire.feed.book_decoder import BookDecoder

@final
class V5BookDecoder(BookDecoder):
    def __init__(self) -> None: ...
