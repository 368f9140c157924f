import sys
from typing import final

@final
class FrameBytes:
    """Borrowed memory that compiled decoders read; Python cannot fill one."""

    if sys.version_info >= (3, 12):
        def __buffer__(self, flags: int, /) -> memoryview: ...

class BookDecoder:
    """To be subclassed in Cython, where ``decode`` can be overridden."""
