from typing import final

from depthwire.bybit.book_decoder import TypedBookDecoder

@final
class V5BookDecoder(TypedBookDecoder):
    def __init__(self) -> None: ...
