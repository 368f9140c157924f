"""A fast decoder for sorted containers that bring none: msgspec's typed structs, then one call a change."""

from collections.abc import Callable, MutableMapping

import msgspec

Side = MutableMapping[float, float]


class Level(msgspec.Struct, gc=False):
    price: str
    side: str
    size: float = 0.0


class Changes(msgspec.Struct, gc=False):
    delete: list[Level]
    update: list[Level]
    insert: list[Level]


class Levels(msgspec.Struct, gc=False):
    order_book: list[Level]


class Snapshot(msgspec.Struct, tag_field="type", tag="snapshot", gc=False):
    data: list[Level] | Levels


class Delta(msgspec.Struct, tag_field="type", tag="delta", gc=False):
    data: Changes


class PricePoints(msgspec.Struct, gc=False):
    b: list[tuple[str, str]]
    a: list[tuple[str, str]]


class PointFrame(msgspec.Struct, gc=False):
    type: str
    data: PricePoints


def replay_into(topic: str, bids: Side, asks: Side) -> Callable[[list[bytes]], None]:
    """Sizes by price as floats."""
    if topic.startswith("orderbook."):
        return replay_points(bids, asks)
    decode = msgspec.json.Decoder(Snapshot | Delta).decode

    def replay(frames: list[bytes]) -> None:
        for raw in frames:
            message = decode(raw)
            if isinstance(message, Snapshot):
                data = message.data
                for side in bids, asks:
                    for price in list(side):
                        del side[price]
                for level in data if isinstance(data, list) else data.order_book:
                    (bids if level.side == "Buy" else asks)[float(level.price)] = level.size
                continue
            changes = message.data
            for level in changes.delete:
                del (bids if level.side == "Buy" else asks)[float(level.price)]
            for level in changes.update:
                (bids if level.side == "Buy" else asks)[float(level.price)] = level.size
            for level in changes.insert:
                (bids if level.side == "Buy" else asks)[float(level.price)] = level.size

    return replay


def replay_points(bids: Side, asks: Side) -> Callable[[list[bytes]], None]:
    decode = msgspec.json.Decoder(PointFrame).decode

    def replay(frames: list[bytes]) -> None:
        for raw in frames:
            message = decode(raw)
            for side, points in ((bids, message.data.b), (asks, message.data.a)):
                if message.type == "snapshot":
                    for price in list(side):
                        del side[price]
                for price, size in points:
                    if size == "0":
                        del side[float(price)]
                    else:
                        side[float(price)] = float(size)

    return replay
