"""A client of a venue with faults: its books are right or not LIVE, it recovers, and it reports lost events.

`UNPROVABLE` lists the only exceptions: what no client can prove from the protocol.
"""

import pytest

import depthwire
from depthwire import errors
from depthwire.venue import Fault, Faults, SyntheticMarket, Venue
from depthwire.venue.server.faults import Moment
from tests.support.plain_client import run
from tests.support.watched_venue import CALM, KEY, SECRET, WATCHFUL, watched

DIALECTS = pytest.mark.parametrize("dialect", ["v2", "v5"])
FRAME_KINDS = [kind for kind in Fault if kind.moment is Moment.FRAME]
CONNECT_KINDS = [kind for kind in Fault if kind.moment is not Moment.FRAME]
ENDING = {Fault.SILENT, Fault.CLOSE_MID_FRAME, Fault.CLOSE_24H}
DAMAGING = {Fault.CORRUPT, Fault.TRUNCATE}
"""The third damaged frame within a minute replaces the connection."""
BY_CHANCE = {Fault.CORRUPT, Fault.TRUNCATE, Fault.WRONG_TYPE, Fault.DROP, Fault.REORDER}
"""What they do to a frame, or whether it can be noticed, is another thing each time."""


@DIALECTS
@pytest.mark.parametrize("kind", FRAME_KINDS)
def test_a_fault_of_a_frame_is_survived(kind: Fault, dialect: str) -> None:
    async def main() -> None:
        async with watched(dialect, WATCHFUL if kind is Fault.SILENT else CALM) as watch:
            faults = watch.venue.faults
            topics = watch.topics[:1] if kind is Fault.STALE else watch.topics
            for topic in topics * (3 if kind in BY_CHANCE else 1):
                count = faults.counts[kind]
                faults.once(kind, topic)
                await watch.pump(lambda count=count: faults.counts[kind] > count)
                await watch.recovered()
            watch.check(kind)
            losses = watch.client.status().losses
            assert losses >= len(topics) if kind in ENDING else losses == 0 or kind in DAMAGING

    run(main)


@DIALECTS
@pytest.mark.parametrize("kind", CONNECT_KINDS)
def test_a_fault_while_connecting_is_survived(kind: Fault, dialect: str) -> None:
    async def main() -> None:
        async with watched(dialect) as watch:
            faults = watch.venue.faults
            for count in (1, 2):
                faults.once(kind)
                watch.venue.drop_connections()
                await watch.pump(lambda count=count: faults.counts[kind] == count)
                await watch.recovered()
            watch.check(kind)
            if kind.moment is not Moment.SNAPSHOT:
                told = errors.AuthError if kind.moment is Moment.SIGN_IN else errors.ConnectError
                assert sum(isinstance(error, told) for error in watch.errors) >= 2

    run(main)


@pytest.mark.parametrize(("kind", "said"), [("refuse", "503"), ("redirect", "302"), ("close-mid-auth", "lost")])
def test_a_first_connection_that_fails_is_an_error(kind: str, said: str) -> None:
    async def main() -> None:
        async with Venue(SyntheticMarket(5), speed=None, faults=Faults(f"{kind}=1")) as venue:
            venue.account(KEY, secret=SECRET)
            with pytest.raises(errors.ConnectError, match=said):
                async with depthwire.connect(venue.inverse_url, api_key=KEY, api_secret=SECRET, settings=CALM):
                    pass

    run(main)


@DIALECTS
def test_all_faults_at_once(dialect: str) -> None:
    gentle = {Fault.SILENT: 0.001, Fault.CLOSE_MID_FRAME: 0.002, Fault.CLOSE_24H: 0.002, Fault.TRICKLE: 0.004}
    spec = ",".join(f"{kind}={gentle.get(kind, 0.01 if kind.moment is Moment.FRAME else 0.1)}" for kind in Fault)

    async def main() -> None:
        async with watched(dialect, WATCHFUL, Faults(seed=11)) as watch:
            watch.venue.faults.set(spec)
            counts = watch.venue.faults.counts
            await watch.pump(lambda: sum(counts.values()) >= 60)
            watch.venue.faults.set("")
            await watch.recovered()
            watch.check(*Fault)
            assert sum(1 for count in counts.values() if count) > 10

    run(main, bound_s=40)
