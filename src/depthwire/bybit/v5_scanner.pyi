from typing import final

from depthwire.scanner import Scanner

@final
class V5Scanner(Scanner):
    def __init__(self, symbol: str) -> None: ...
