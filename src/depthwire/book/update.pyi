from typing import final

@final
class BookFrame:
    """Scratch memory for the compiled modules; Python sees nothing of what is in it."""
