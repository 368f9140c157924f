from typing import final

from depthwire.feed.scanner import Scanner

@final
class V5Scanner(Scanner):
    def __init__(self, symbol: str) -> None: ...
