"""Topic names: how they are built, and what a symbol may look like."""

import re

from depthwire.errors import TopicError

_SYMBOL = re.compile(r"[A-Z0-9][A-Z0-9_-]{0,39}")


def checked_symbol(symbol: str) -> str:
    """Return ``symbol``; raises TopicError where it cannot be one, and says how it should look."""
    if isinstance(symbol, str) and _SYMBOL.fullmatch(symbol):
        return symbol
    hint = symbol.upper() if isinstance(symbol, str) and _SYMBOL.fullmatch(symbol.upper()) else "BTCUSD"
    raise TopicError(f"{str(symbol)[:60]!r} is no symbol; one looks like {hint!r}")


def split_topic(topic: str) -> tuple[str, str]:
    """``"orderBookL2_25.BTCUSD"`` to ``"orderBookL2_25"`` and ``"BTCUSD"``; the symbol is "" where it has none."""
    kind, _, symbol = topic.rpartition(".")
    return (kind, symbol) if kind else (topic, "")
