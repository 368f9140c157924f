"""Routes from topics to channels, through the feed that asks them, against a dict."""

import random

import pytest
from msgspec import Struct

from depthwire.errors import DamagedFrame, UnexpectedTopic
from depthwire.feed.channel import Channel
from depthwire.feed.state_channel import StateChannel
from tests.support.offline import Offline


@pytest.mark.parametrize("seed", range(5))
def test_topics_come_and_go_and_each_frame_finds_its_channel(seed: int) -> None:
    rng = random.Random(seed)
    owner = Offline()
    known: dict[str, Channel] = {}
    names = [f"trade.{'X' * rng.randint(0, 20)}{number}USD" for number in range(300)]
    unknown = 0
    for _ in range(3000):
        name = rng.choice(names)
        if rng.random() < (0.5 if len(known) < 200 else 0.9) and name in known:
            assert owner.feed.channels.remove(name) is known.pop(name)
        else:
            channel = owner.add(name)
            assert channel is not None
            known[name] = channel  # also in the place of the one before
        assert owner.feed.channels.remove("trade.NEVERUSD") is None
        assert len(owner.feed.channels) == len(known)
        asked = rng.choice(names)
        before = known[asked].frames if asked in known else 0
        owner.send({"topic": asked, "data": []})
        unknown += asked not in known
        if asked in known:
            assert known[asked].frames == before + 1
    for name, channel in known.items():
        assert owner.feed.channels.get(name) is channel
        before = channel.frames
        owner.send({"topic": name, "data": []})
        assert channel.frames == before + 1
    assert len(owner.errors) == unknown
    assert {type(error) for error in owner.errors} <= {
        UnexpectedTopic,
        DamagedFrame,
    }  # the second: it is like a known one


class Message(Struct):
    """A frame with any content."""

    topic: str


@pytest.mark.parametrize("length", [*range(1, 20), 255, 256, 257, 1000])
@pytest.mark.parametrize(
    "behind", [b"}", b',"data":[]}', b',"a":1,"data":[]}', b' , "data":[],"longer":"than eight bytes"}']
)
def test_a_topic_of_any_length_is_found_whatever_stands_behind_it(length: int, behind: bytes) -> None:
    owner = Offline()
    topic = "x" * length
    channel = StateChannel(topic, Message, Silent())
    owner.feed.channels.add(channel)
    owner.feed.channels.add(StateChannel(topic + "x", Message, Silent()))
    owner.feed.channels.add(StateChannel(topic[1:] + "y", Message, Silent()))
    owner.send(b'{"topic":"%b"%b' % (topic.encode(), behind))
    owner.send(b'{ "topic":"%b"%b' % (topic.encode(), behind))
    assert owner.errors == []
    assert channel.frames == 2


class Silent:
    """A state that takes any frame."""

    odd_fields = 0

    def apply(self, message: object, ts_recv_ns: int) -> None: ...
