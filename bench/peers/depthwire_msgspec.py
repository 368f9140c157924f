"""depthwire, the lane of msgspec's typed decoder."""

from functools import partial

from peers.depthwire_lane import start_lane

start = partial(start_lane, scanner=False)
