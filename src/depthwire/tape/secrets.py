"""Finds the frames that must not be recorded."""

import msgspec

from depthwire.tape.format import UNREADABLE_JSON


def is_secret(raw: bytes | memoryview) -> bool:
    """Return whether a frame is an ``auth`` request or its answer, which carry an API key and a signature.

    A frame that contains ``"auth"`` and cannot be decoded counts as secret. O(len(raw)); only frames that contain the
    word are decoded.
    """
    data = bytes(raw)
    if b'"auth"' not in data:
        return False
    try:
        message = msgspec.json.decode(data)
    except UNREADABLE_JSON:
        return True
    match message:
        case {"op": "auth"} | {"request": {"op": "auth"}}:
            return True
        case _:
            return False
