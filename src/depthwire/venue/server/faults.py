"""What goes wrong at the venue, when, and how often: a seeded plan, drawn from at each moment at which a fault may be.

How a fault on a connection is carried out is `depthwire.venue.server.fault_injector`'s affair.
"""

import random
from collections.abc import Callable, Container, Mapping
from enum import StrEnum

Listener = Callable[["Fault", str, bytes], object]


class Moment(StrEnum):
    """When faults may happen."""

    FRAME = "a frame is sent"
    SNAPSHOT = "an order-book snapshot is sent"
    SIGN_IN = "a sign-in is answered"
    HANDSHAKE = "a client connects"


class Fault(StrEnum):
    """What may go wrong. A frame is any text message that the venue sends, answers included."""

    DROP = "drop"
    DUPLICATE = "duplicate"
    REORDER = "reorder"
    DELAY = "delay"
    CORRUPT = "corrupt"
    TRUNCATE = "truncate"
    SPLIT_TCP = "split-tcp"
    SPLIT_FRAMES = "split-frames"
    WRONG_TYPE = "wrong-type"
    STALE = "stale"
    TRICKLE = "trickle"
    SILENT = "silent"
    CLOSE_MID_FRAME = "close-mid-frame"
    CLOSE_24H = "close-24h"
    CLOSE_MID_SNAPSHOT = "close-mid-snapshot"
    CLOSE_MID_AUTH = "close-mid-auth"
    REFUSE = "refuse"
    REDIRECT = "redirect"

    @property
    def moment(self) -> Moment:
        """When it may happen."""
        return _MOMENTS.get(self, Moment.FRAME)


_MOMENTS = {
    Fault.CLOSE_MID_SNAPSHOT: Moment.SNAPSHOT,
    Fault.CLOSE_MID_AUTH: Moment.SIGN_IN,
    Fault.REFUSE: Moment.HANDSHAKE,
    Fault.REDIRECT: Moment.HANDSHAKE,
}

MEANINGS: Mapping[Fault, str] = {
    Fault.DROP: "the frame is not sent",
    Fault.DUPLICATE: "it is sent twice",
    Fault.REORDER: "it is sent behind the next frame of its topic",
    Fault.DELAY: "it and all behind it come 0.2 s late",
    Fault.CORRUPT: "one byte of its text is another one",
    Fault.TRUNCATE: "its text ends early",
    Fault.SPLIT_TCP: "it comes in several TCP segments",
    Fault.SPLIT_FRAMES: "it comes in several WebSocket fragments",
    Fault.WRONG_TYPE: "one value in it, but the topic, is of another JSON type",
    Fault.STALE: "an earlier order-book frame, snapshot or delta, is sent again after it",
    Fault.TRICKLE: "it comes in 20 pieces, 10 ms apart",
    Fault.SILENT: "half-open: from now on nothing is sent or heard",
    Fault.CLOSE_MID_FRAME: "the connection ends within the frame",
    Fault.CLOSE_24H: "instead of it the connection is closed, as one that is a day old",
    Fault.CLOSE_MID_SNAPSHOT: "the connection ends within an order-book snapshot",
    Fault.CLOSE_MID_AUTH: "the connection ends within the answer to a sign-in",
    Fault.REFUSE: "a handshake is answered with status 503",
    Fault.REDIRECT: "a handshake is answered with status 302",
}


class Faults:
    """Which faults happen, and how often: ``Faults("drop=0.01,close-mid-frame=0.0005", seed=7)``; none by default.

    A rate is a probability: of the kinds of a `Moment` each time one comes, so that at most one of them happens and
    their rates add up to 1 at most. With equal seeds, equal frames in equal order suffer the same. May be changed while
    the venue runs. Raises ValueError for a ``spec`` that is none.
    """

    def __init__(self, spec: str = "", seed: int = 0) -> None:
        self.counts: dict[Fault, int] = dict.fromkeys(Fault, 0)
        """How many there were so far, by kind."""
        self.is_on = False
        """Whether any may happen."""
        self.random = random.Random(f"{seed}:bytes")  # noqa: S311 - a plan, no secret
        """Which byte, which value, how many pieces."""
        self._plans = {moment: random.Random(f"{seed}:{moment}") for moment in Moment}  # noqa: S311 - as above
        self._rates: dict[Moment, list[tuple[Fault, float]]] = {}
        self._once: list[tuple[Fault, str]] = []
        self._listeners: list[Listener] = []
        self.set(spec)

    def set(self, spec: str) -> None:
        """Other rates from now on: "kind=rate" joined by commas; "" ends all faults, those of `once` too.

        ValueError where one is none; then all stays as it was.
        """
        rates = _rates(spec)
        self._rates = {
            moment: [(kind, rate) for kind, rate in rates.items() if kind.moment is moment and rate]
            for moment in Moment
        }
        self._once.clear()
        self._check()

    def once(self, kind: str, topic: str = "") -> None:
        """One fault at its next occasion, whatever the rates: the next frame of a topic, where one is named.

        ValueError for an unknown kind.
        """
        self._once.append((_kind(kind), topic))
        self._check()

    def listen(self, listener: Listener) -> None:
        """Calls ``listener(fault, topic, raw)`` for each fault; topic and frame are empty where there is none."""
        self._listeners.append(listener)

    def draw(
        self, moment: Moment, topic: str = "", raw: bytes = b"", *, without: Container[Fault] = ()
    ) -> Fault | None:
        """What goes wrong now; ``without`` names what cannot. Counts and tells it. O(kinds)."""
        fault = self._asked_for(moment, topic, without) or self._by_chance(moment, without)
        if fault is not None:
            self.counts[fault] += 1
            for listener in self._listeners:
                listener(fault, topic, raw)
        return fault

    def _asked_for(self, moment: Moment, topic: str, without: Container[Fault]) -> Fault | None:
        for asked in self._once:
            kind, wanted = asked
            if kind.moment is moment and kind not in without and wanted in ("", topic):
                self._once.remove(asked)
                self._check()
                return kind
        return None

    def _by_chance(self, moment: Moment, without: Container[Fault]) -> Fault | None:
        chance = self._plans[moment].random()
        for kind, rate in self._rates[moment]:
            if chance < rate:
                return None if kind in without else kind
            chance -= rate
        return None

    def _check(self) -> None:
        self.is_on = bool(self._once) or any(self._rates.values())


def _rates(spec: str) -> dict[Fault, float]:
    rates: dict[Fault, float] = {}
    for part in spec.split(",") if spec.strip() else ():
        name, equals, text = part.strip().partition("=")
        kind = _kind(name)
        try:
            rate = float(text)
        except ValueError:
            rate = -1.0
        if not (equals and 0 <= rate <= 1):
            raise ValueError(f"{part.strip()!r}: expected {kind}=RATE with a rate from 0 to 1, such as {kind}=0.01")
        if kind in rates:
            raise ValueError(f"{kind} stands twice in {spec!r}")
        rates[kind] = rate
    for moment in Moment:
        total = sum(rate for kind, rate in rates.items() if kind.moment is moment)
        if total > 1 + 1e-9:
            raise ValueError(f"the rates of what may happen when {moment} add up to {total:g}; 1 is the most")
    return rates


def _kind(name: str) -> Fault:
    try:
        return Fault(name)
    except ValueError:
        raise ValueError(f"{name!r} is no kind of fault; there are {', '.join(Fault)}") from None
