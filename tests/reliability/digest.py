"""A book as one number, computed level by level at the venue and from whole arrays at the client.

The digest of a book is the sum, modulo 2**64, of a mixed number for each level: books with
equal levels have equal digests, however they were built. Two different books have equal digests with a chance of 2**-64.
"""

import struct
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

_MASK = (1 << 64) - 1
_PRICE, _SIZE, _SIDE, _MIX = 0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xFF51AFD7ED558CCD
_BITS = struct.Struct("<2d"), struct.Struct("<2Q")


def of_level(side: int, price: float, size: float) -> int:
    """One level's number; ``side`` is 0 for a bid, 1 for an ask."""
    doubles, words = _BITS
    price_bits, size_bits = words.unpack(doubles.pack(price, size))
    mixed = (price_bits * _PRICE + size_bits * _SIZE + side * _SIDE) & _MASK
    mixed = (mixed ^ mixed >> 29) * _MIX & _MASK
    return mixed ^ mixed >> 32


def of_side(side: int, prices: npt.NDArray[np.float64], sizes: npt.NDArray[np.float64]) -> int:
    """The sum of a whole side's, modulo 2**64; both arrays contiguous."""
    mixed = prices.view(np.uint64) * np.uint64(_PRICE)
    mixed += sizes.view(np.uint64) * np.uint64(_SIZE)
    mixed += np.uint64(side * _SIDE & _MASK)
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(_MIX)
    mixed ^= mixed >> np.uint64(32)
    return int(mixed.sum(dtype=np.uint64))


def total(*parts: int) -> int:
    """The digest of what has these parts."""
    return sum(parts) & _MASK


def of_sides(sides: Sequence[Mapping[float, float]]) -> int:
    """The digest of a book given as price to size, bids first."""
    return total(*(of_level(side, *level) for side, levels in enumerate(sides) for level in levels.items()))
