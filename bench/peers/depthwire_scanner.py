"""depthwire, the scanner's lane."""

from functools import partial

from peers.depthwire_lane import start_lane

start = partial(start_lane, scanner=True)
