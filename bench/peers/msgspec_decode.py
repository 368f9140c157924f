"""msgspec alone: the typed message that depthwire's decoder reads, and no book."""

from collections.abc import Callable

from dialects import typed_decoder


def start(topic: str, depth: int) -> tuple[Callable[[list[bytes]], None], Callable[[], None]]:
    decode = typed_decoder(topic)

    def replay(frames: list[bytes]) -> None:
        for raw in frames:
            decode(raw)

    return replay, lambda: None
