from typing import final

from depthwire.feed.scanner import Scanner

@final
class V2Scanner(Scanner):
    def __init__(self, symbol: str) -> None: ...
