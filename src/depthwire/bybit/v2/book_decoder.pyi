from typing import final

from depthwire.bybit.book_decoder import TypedBookDecoder

@final
class V2BookDecoder(TypedBookDecoder): ...
