from typing import final

from depthwire.book_decoder import BookDecoder

@final
class V2BookDecoder(BookDecoder): ...
